//! What may pass between the driver and the server until the login has ended.
//!
//! The guard knows whose turn it is. Before each packet of the driver there is one of the
//! server that asks for it, and the guard forwards no other answer than the one that was
//! asked for. It also keeps the sequence numbers: a request for TLS, of which the driver
//! knows nothing, shifts all that follow by one.

use super::packet::{ERR, MORE, OK, Packet, SWITCH, switched_plugin};
use crate::model::UnknownCause;
use crate::untrusted::Untrusted;

/// What follows [`MORE`] when the server knows the password from an earlier login.
const KNOWN: u8 = 3;

/// What follows [`MORE`] when the server wants the password itself.
const WANTED: u8 = 4;

/// The goodbye: `COM_QUIT`.
const QUIT: u8 = 1;

/// Plugins that prove a password without sending it, and how long the proof is.
const PROOFS: [(&[u8], usize); 3] = [
    (b"mysql_native_password", 20),
    (b"caching_sha2_password", 32),
    (ED25519, 64),
];

const ED25519: &[u8] = b"client_ed25519";

/// The bytes of its challenge, any of which may be NUL. All the others end with a NUL that is
/// no part of theirs, and the driver takes one off from any.
const ED25519_CHALLENGE: usize = 32;

/// What the driver is to say next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Nothing: the server has not asked.
    Server,
    /// A proof of this length, or nothing for an empty password.
    Proof(usize),
    /// The password itself.
    Password,
}

/// Watches one login, from after the driver's answer to the greeting.
#[derive(Debug)]
pub(super) struct Guard {
    encrypted: bool,
    turn: Turn,
}

impl Guard {
    /// For a line that anybody on the way may read.
    pub(super) fn for_open_line() -> Self {
        Self {
            encrypted: false,
            turn: Turn::Server,
        }
    }

    /// For a line with TLS, which began with a packet that the driver does not know of.
    pub(super) fn for_encrypted_line() -> Self {
        Self {
            encrypted: true,
            turn: Turn::Server,
        }
    }

    /// The packet as the driver may see it.
    pub(super) fn pass_to_driver(&mut self, mut packet: Packet) -> Result<Packet, UnknownCause> {
        self.turn = match packet.payload[..] {
            [OK | ERR, ..] | [MORE, KNOWN] => Turn::Server,
            [MORE, WANTED] if self.encrypted => Turn::Password,
            [MORE, WANTED] => return Err(only_over_tls()),
            [SWITCH, ..] => {
                let plugin = switched_plugin(&packet.payload);
                let turn = Turn::Proof(self.proof(plugin)?);
                let length = 1 + plugin.len() + 1 + ED25519_CHALLENGE;
                if plugin == ED25519 && packet.payload.len() == length {
                    packet.payload.push(0);
                }
                turn
            }
            _ => return Err(other("the server's answer to the login is not understood")),
        };
        packet.sequence = packet.sequence.wrapping_sub(u8::from(self.encrypted));
        Ok(packet)
    }

    /// The packet as the server may see it.
    pub(super) fn pass_to_server(&mut self, mut packet: Packet) -> Result<Packet, UnknownCause> {
        let asked = match self.turn {
            Turn::Server => false,
            Turn::Proof(length) => [0, length].contains(&packet.payload.len()),
            Turn::Password => true,
        };
        if !asked {
            return Err(other("the driver answered what the server did not ask"));
        }
        self.turn = Turn::Server;
        packet.sequence = packet.sequence.wrapping_add(u8::from(self.encrypted));
        Ok(packet)
    }

    /// The length of a plugin's proof.
    fn proof(&self, plugin: &[u8]) -> Result<usize, UnknownCause> {
        let known = PROOFS.iter().find(|(name, _)| *name == plugin);
        match known {
            Some((_, length)) => Ok(*length),
            None if self.encrypted => Err(unknown_plugin(&String::from_utf8_lossy(plugin))),
            None => Err(only_over_tls()),
        }
    }
}

impl Packet {
    /// Whether the driver, which gave up in the middle of a login, says so.
    pub(super) fn is_goodbye(&self) -> bool {
        self.sequence == 0 && self.payload[..] == [QUIT]
    }
}

fn only_over_tls() -> UnknownCause {
    let text = "this account's password can only be proven over TLS, and the connection has \
                none; set `tls.mode`, `require` at least";
    UnknownCause::Tls(Untrusted::new(text))
}

/// What a login by another plugin ends in. MySQL names one for users that do not exist, too,
/// so that nobody learns which do.
pub(super) fn unknown_plugin(name: &str) -> UnknownCause {
    other(&format!(
        "the server asks for the authentication plugin `{name}`, with which no password is \
         rotated here; or there is no such user"
    ))
}

fn other(text: &str) -> UnknownCause {
    UnknownCause::Other(Untrusted::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u8, payload: &[u8]) -> Packet {
        Packet {
            sequence,
            payload: payload.to_vec().into(),
        }
    }

    fn switch(plugin: &str) -> Packet {
        packet(
            2,
            format!("\u{fe}{plugin}\0nonce")
                .chars()
                .map(|c| c as u8)
                .collect::<Vec<_>>()
                .as_slice(),
        )
    }

    /// Else one login in 256 with the right password would be refused.
    #[test]
    fn the_driver_takes_no_byte_off_an_ed25519_challenge() {
        let challenge = |length| {
            let text = [&[SWITCH], ED25519, &[0], &vec![0; length]].concat();
            let seen = Guard::for_encrypted_line().pass_to_driver(packet(2, &text));
            seen.expect("passes").payload.len() - text.len()
        };
        assert_eq!(challenge(32), 1, "one to take off");
        assert_eq!(challenge(33), 0, "there is one already");
    }

    #[test]
    fn each_proof_has_its_length() {
        for (name, length) in PROOFS {
            let name = std::str::from_utf8(name).expect("a name");
            for wrong in [1, length - 1, length + 1] {
                let mut guard = Guard::for_open_line();
                guard.pass_to_driver(switch(name)).expect("passes");
                assert!(guard.pass_to_server(packet(3, &vec![b'x'; wrong])).is_err());
            }
            let mut guard = Guard::for_open_line();
            guard.pass_to_driver(switch(name)).expect("passes");
            let proof = packet(3, &vec![b'x'; length]);
            assert!(guard.pass_to_server(proof).is_ok());
            let again = packet(3, &vec![b'x'; length]);
            assert!(
                guard.pass_to_server(again).is_err(),
                "one question, one answer"
            );
        }
    }

    #[test]
    fn the_password_itself_needs_tls() {
        let wanted = || packet(2, &[MORE, WANTED]);
        let mut open = Guard::for_open_line();
        assert!(matches!(
            open.pass_to_driver(wanted()),
            Err(UnknownCause::Tls(_))
        ));
        let mut encrypted = Guard::for_encrypted_line();
        assert!(encrypted.pass_to_driver(wanted()).is_ok());
        assert!(encrypted.pass_to_server(packet(3, b"word\0")).is_ok());
    }

    #[test]
    fn what_was_not_asked_is_not_said() {
        for mut guard in [Guard::for_open_line(), Guard::for_encrypted_line()] {
            assert!(guard.pass_to_server(packet(1, b"word\0")).is_err());
            assert!(guard.pass_to_driver(packet(2, &[MORE, KNOWN])).is_ok());
            assert!(guard.pass_to_server(packet(3, b"word\0")).is_err());
        }
    }

    #[test]
    fn plugins_that_send_the_password_are_never_asked_for() {
        for plugin in [
            "mysql_clear_password",
            "sha256_password",
            "dialog",
            "parsec",
            "",
        ] {
            let refused = Guard::for_open_line().pass_to_driver(switch(plugin));
            assert!(matches!(refused, Err(UnknownCause::Tls(_))), "{plugin}");
            let Err(UnknownCause::Other(words)) =
                Guard::for_encrypted_line().pass_to_driver(switch(plugin))
            else {
                panic!("{plugin} is let through");
            };
            assert!(words.as_str().contains(&format!("`{plugin}`")), "{words}");
        }
        assert!(
            Guard::for_open_line()
                .pass_to_driver(packet(2, &[SWITCH]))
                .is_err()
        );
    }

    #[test]
    fn what_nobody_knows_is_not_passed_on() {
        for payload in [
            &[][..],
            &[MORE],
            &[MORE, 5],
            &[MORE, WANTED, 0],
            b"-----BEGIN",
        ] {
            assert!(
                Guard::for_encrypted_line()
                    .pass_to_driver(packet(2, payload))
                    .is_err()
            );
        }
    }

    #[test]
    fn sequence_numbers_are_shifted_by_the_request_for_tls() {
        let mut encrypted = Guard::for_encrypted_line();
        let seen = encrypted.pass_to_driver(packet(3, &[MORE, WANTED]));
        assert_eq!(seen.expect("passes").sequence, 2);
        let sent = encrypted.pass_to_server(packet(3, b"word\0"));
        assert_eq!(sent.expect("passes").sequence, 4);
        let last = encrypted.pass_to_driver(packet(0, &[OK]));
        assert_eq!(last.expect("passes").sequence, 255, "it is a circle");
        let seen = Guard::for_open_line().pass_to_driver(packet(3, &[OK]));
        assert_eq!(seen.expect("passes").sequence, 3);
    }
}
