//! What the host patterns of account rows say of each other, and of a client.
//!
//! The server matches a row if the client's address or the name that it resolved for it
//! fits, and the most specific row takes the login, whatever user it is of. A name and an
//! address may be the same client: what cannot be known from the patterns alone is never
//! said to be certain. Measured on MySQL 9.7 and MariaDB 10.11.

use std::net::Ipv4Addr;

/// What a pattern is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Every client.
    All,
    /// Addresses.
    Address,
    /// Names, which the server resolves.
    Name,
    /// Both, such as `%.%`.
    Either,
}

fn kind(host: &str) -> Kind {
    let is_made_of = |letters: fn(char) -> bool| {
        host.chars()
            .all(|letter| letters(letter) || ".%_".contains(letter))
    };
    let has_digit = host.bytes().any(|byte| byte.is_ascii_digit());
    if host.is_empty() || host.bytes().all(|byte| byte == b'%') {
        Kind::All
    } else if host.contains('/') {
        Kind::Address
    } else if host.contains(':') {
        match is_made_of(|letter| letter.is_ascii_hexdigit() || letter == ':') {
            true => Kind::Address,
            false => Kind::Name,
        }
    } else if is_made_of(|letter| letter.is_ascii_digit()) {
        match has_digit && host.contains('.') {
            true => Kind::Address,
            false => Kind::Either,
        }
    } else {
        Kind::Name
    }
}

/// Whether a row serves a client, as far as this is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Serves {
    /// It does.
    Yes,
    /// The server knows a name or an address of the client that it does not show.
    Perhaps,
    /// It does not.
    No,
}

/// A client as the server shows it: by an address, or by the name that it resolved.
#[derive(Debug, Clone, Copy)]
pub(super) struct Client<'a> {
    /// The address or the name.
    pub(super) shown: &'a str,
    /// `skip_name_resolve`: the server compares no names.
    pub(super) nameless: bool,
}

impl Client<'_> {
    /// Whether the server shows an address: then it knows no name, or has not looked for one.
    pub(super) fn is_address(self) -> bool {
        kind(self.shown) == Kind::Address
    }

    /// Whether a row of this host takes logins of the client where no other row does.
    pub(super) fn is_served_by(self, host: &str) -> Serves {
        let fits = match (network(host), self.shown.parse()) {
            (Some(network), Ok(address)) => network.has(address),
            _ => is_like(host, self.shown),
        };
        let is_address = self.is_address();
        let by_what_is_not_shown = match kind(host) {
            Kind::All => return Serves::Yes,
            Kind::Address if is_address => host.contains('/') && network(host).is_none(),
            Kind::Address => may_overlap(self.shown, host),
            Kind::Name => !self.nameless,
            Kind::Either => !is_address || !self.nameless,
        };
        match (fits, by_what_is_not_shown) {
            (true, _) => Serves::Yes,
            (false, true) => Serves::Perhaps,
            (false, false) => Serves::No,
        }
    }
}

/// Whether a client may fit both; said in doubt, too.
pub(super) fn may_overlap(one: &str, other: &str) -> bool {
    let loopback = |name: &str, host: &str| {
        !name.eq_ignore_ascii_case("localhost")
            || overlap(host, "127.%")
            || overlap(host, "::1")
            || network(host).is_some_and(|network| network.address.octets()[0] == 127)
    };
    match (kind(one), kind(other)) {
        (Kind::Name, Kind::Address) => loopback(one, other),
        (Kind::Address, Kind::Name) => loopback(other, one),
        _ => match (network(one), network(other)) {
            (Some(one), Some(other)) => one.contains(other) || other.contains(one),
            _ if one.contains('/') || other.contains('/') => true,
            _ => overlap(one, other),
        },
    }
}

/// Whether every client that fits `narrow` certainly fits `wide`, too.
pub(super) fn contains(wide: &str, narrow: &str) -> bool {
    match (network(wide), network(narrow)) {
        _ if kind(wide) == Kind::All => true,
        (Some(wide), Some(narrow)) => wide.contains(narrow),
        _ => is_like(wide, narrow),
    }
}

/// Whether a row certainly takes the logins that both could take. Literal hosts and networks
/// come before patterns, and those by what stands before their first wildcard; the order
/// among the first is not the same on all servers.
pub(super) fn is_more_specific(one: &str, other: &str) -> bool {
    let rank = |host: &str| {
        let letters = tokens(host);
        let plain = letters
            .iter()
            .take_while(|token| matches!(token, Token::Letter(_)));
        match plain.count() {
            _ if host.is_empty() => 0,
            count if count == letters.len() => usize::MAX,
            count => count,
        }
    };
    rank(one) > rank(other)
}

/// IPv4 addresses of which these bits are these.
#[derive(Debug, Clone, Copy)]
struct Network {
    address: Ipv4Addr,
    mask: u32,
}

impl Network {
    fn has(self, address: Ipv4Addr) -> bool {
        u32::from(address) & self.mask == u32::from(self.address)
    }

    fn contains(self, other: Self) -> bool {
        self.mask & other.mask == self.mask && self.has(other.address)
    }
}

/// An address, a network, or a pattern that is one, such as `10.0.%`.
fn network(host: &str) -> Option<Network> {
    if let Some((address, mask)) = host.split_once('/') {
        let mask = match mask.parse::<u32>() {
            Ok(bits) => u32::MAX.checked_shl(32_u32.checked_sub(bits)?).unwrap_or(0),
            Err(_) => mask.parse::<Ipv4Addr>().ok()?.into(),
        };
        let address = address.parse().ok()?;
        return Some(Network { address, mask });
    }
    let parts: Vec<&str> = host.split('.').collect();
    let is_any = |part: &&&str| **part == "%";
    let known = parts.len() - parts.iter().rev().take_while(is_any).count();
    // `%` alone stands for names, too.
    if known == 0 || parts.len() > 4 || (parts.len() < 4 && known == parts.len()) {
        return None;
    }
    let mut octets = [0; 4];
    for (octet, part) in octets.iter_mut().zip(&parts[..known]) {
        *octet = part.parse().ok()?;
    }
    let bits = 8 * (4 - u32::try_from(known).ok()?);
    Some(Network {
        address: octets.into(),
        mask: u32::MAX.checked_shl(bits).unwrap_or(0),
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    /// `%`: any text.
    Any,
    /// `_`: any character.
    One,
    Letter(u8),
}

/// A host has no capitals for the server.
fn tokens(pattern: &str) -> Vec<Token> {
    let mut bytes = pattern.bytes();
    let mut tokens = Vec::new();
    while let Some(byte) = bytes.next() {
        tokens.push(match byte {
            b'%' => Token::Any,
            b'_' => Token::One,
            b'\\' => Token::Letter(bytes.next().unwrap_or(b'\\')),
            letter => Token::Letter(letter.to_ascii_lowercase()),
        });
    }
    tokens
}

/// SQL's `LIKE`. The text may be a pattern itself: then it holds for all that the pattern
/// stands for.
fn is_like(pattern: &str, text: &str) -> bool {
    like(&tokens(pattern), &tokens(text))
}

fn like(pattern: &[Token], text: &[Token]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((Token::Any, rest)), _) => (0..=text.len()).any(|from| like(rest, &text[from..])),
        (Some((Token::One, rest)), Some((other, others))) => {
            *other != Token::Any && like(rest, others)
        }
        (Some((letter, rest)), Some((other, others))) => letter == other && like(rest, others),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// Whether some text fits both patterns.
pub(super) fn overlap(one: &str, other: &str) -> bool {
    common(&tokens(one), &tokens(other))
}

fn common(one: &[Token], other: &[Token]) -> bool {
    match (one.split_first(), other.split_first()) {
        (None, None) => true,
        (Some((Token::Any, rest)), _) => (0..=other.len()).any(|from| common(rest, &other[from..])),
        (_, Some((Token::Any, rest))) => (0..=one.len()).any(|from| common(&one[from..], rest)),
        (Some((letter, rest)), Some((letter_of_other, others))) => {
            let fits = letter == letter_of_other
                || *letter == Token::One
                || *letter_of_other == Token::One;
            fits && common(rest, others)
        }
        (Some(_), None) | (None, Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_digits_and_dots_or_a_colon() {
        for (host, is) in [
            ("%", Kind::All),
            ("", Kind::All),
            ("10.%", Kind::Address),
            ("127.0.0._", Kind::Address),
            ("10.0.0.0/255.0.0.0", Kind::Address),
            ("::1", Kind::Address),
            ("fe80:%", Kind::Address),
            ("cafe", Kind::Name),
            ("face.de", Kind::Name),
            ("localhost", Kind::Name),
            ("db-1.example", Kind::Name),
            ("%.example", Kind::Name),
            ("%.%", Kind::Either),
            ("1%", Kind::Either),
        ] {
            assert_eq!(kind(host), is, "{host}");
        }
    }

    #[test]
    fn whom_a_row_serves_is_certain_only_where_the_server_tells_enough() {
        use Serves::{No, Perhaps, Yes};
        let check = |shown, nameless, cases: &[(&str, Serves)]| {
            for (host, serves) in cases {
                let client = Client { shown, nameless };
                assert_eq!(
                    client.is_served_by(host),
                    *serves,
                    "{host} {shown} {nameless}"
                );
            }
        };
        let of_address = [
            ("%", Yes),
            ("127.0.0.1", Yes),
            ("127.%", Yes),
            ("127.0.0._", Yes),
            ("127.0.0.0/255.255.255.0", Yes),
            ("127.0.0.0/8", Yes),
            ("10.0.0.0/255.0.0.0", No),
            ("10.%", No),
            ("::1", No),
            ("%.%", Yes),
        ];
        check("127.0.0.1", false, &of_address);
        check("127.0.0.1", true, &of_address);
        for name in ["localhost", "cafe", "face.de", "app-1.example"] {
            check("127.0.0.1", true, &[(name, No)]);
            check("127.0.0.1", false, &[(name, Perhaps)]);
        }
        check(
            "localhost",
            false,
            &[
                ("localhost", Yes),
                ("LOCALHOST", Yes),
                ("local%", Yes),
                ("127.0.0.%", Perhaps),
                ("127.0.0.0/255.0.0.0", Perhaps),
                ("::1", Perhaps),
                ("other.example", Perhaps),
                ("10.%", No),
            ],
        );
        check("app-1.example", false, &[("10.%", Perhaps)]);
        check("::1", true, &[("::1", Yes), ("::%", Yes), ("127.%", No)]);
    }

    #[test]
    fn patterns_are_compared_by_whom_they_let_in() {
        for (wide, narrow) in [
            ("%", "::1"),
            ("%", ""),
            ("10.%", "10.0.%"),
            ("10.%", "10.1.2.3"),
            ("10.%", "10.0.0.0/255.255.0.0"),
            ("10.0.0.0/8", "10.%.%.%"),
            ("%.example", "%.db.example"),
        ] {
            assert!(contains(wide, narrow), "{wide} {narrow}");
            assert!(may_overlap(wide, narrow), "{wide} {narrow}");
            assert!(may_overlap(narrow, wide), "{narrow} {wide}");
            let is_same = contains(narrow, wide);
            assert!(!is_same || narrow.is_empty() || narrow == "10.%.%.%");
        }
        for (one, other, may) in [
            ("10.%", "192.%", false),
            ("10.%.1", "10.0.%", true),
            ("localhost", "10.%", false),
            ("localhost", "127.0.0.1", true),
            ("localhost", "::1", true),
            ("app.example", "10.%", true),
            ("app.example", "db.example", false),
            ("10.0.0.0/8", "11.1.1.1", false),
        ] {
            assert_eq!(may_overlap(one, other), may, "{one} {other}");
            assert_eq!(may_overlap(other, one), may, "{other} {one}");
        }
    }

    #[test]
    fn the_order_is_told_where_it_is_certain() {
        for (first, second) in [
            ("127.0.0.1", "127.%"),
            ("localhost", "%"),
            ("10.0.%", "10.%"),
            ("10.0.0.0/8", "10.%"),
            ("%", ""),
        ] {
            let is_first = is_more_specific(first, second);
            assert_eq!(is_first, !first.starts_with('%'), "{first} {second}");
            assert!(!is_more_specific(second, first), "{second} {first}");
        }
        assert!(!is_more_specific("127.0.0.1", "localhost"));
        assert!(!is_more_specific("localhost", "127.0.0.1"));
    }
}
