//! Packets of the client/server protocol that MySQL and MariaDB share: three bytes of
//! length, one of sequence, the payload. Only what a login needs is understood here.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

use crate::untrusted::Untrusted;

/// No packet of a login is longer: names, a scramble, a certificate's worth of attributes.
/// A server may announce 16 MiB; it is not given the memory for it.
pub(super) const LONGEST: usize = 64 * 1024;

const HEADER: usize = 4;

/// `CLIENT_PROTOCOL_41`: the protocol of this century.
const PROTOCOL_41: u32 = 1 << 9;

/// `CLIENT_SSL`.
pub(super) const SSL: u32 = 1 << 11;

/// Payloads of a login, by their first byte.
pub(super) const OK: u8 = 0x00;
pub(super) const MORE: u8 = 0x01;
pub(super) const SWITCH: u8 = 0xfe;
pub(super) const ERR: u8 = 0xff;

/// One packet. A client's may hold a password, so that its memory is wiped.
pub(super) struct Packet {
    pub(super) sequence: u8,
    pub(super) payload: Zeroizing<Vec<u8>>,
}

impl Packet {
    /// Sends the packet under its sequence number.
    pub(super) async fn write(&self, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let length = u32::try_from(self.payload.len()).map_err(io::Error::other)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(HEADER + self.payload.len()));
        bytes.extend_from_slice(&length.to_le_bytes()[..3]);
        bytes.push(self.sequence);
        bytes.extend_from_slice(&self.payload);
        to.write_all(&bytes).await?;
        to.flush().await
    }
}

/// Why no packet came.
#[derive(Debug)]
pub(super) enum PacketError {
    /// It would be longer than any packet of a login.
    TooLong,
    /// The line failed, or ended within a packet.
    Io(io::Error),
}

/// Reads packets, and never a byte more than the one that it returns: whoever takes over
/// the line afterwards finds it at the beginning of a packet.
#[derive(Default)]
pub(super) struct PacketReader {
    header: Vec<u8>,
    payload: Zeroizing<Vec<u8>>,
}

impl PacketReader {
    /// The next packet; `None` where the line ended in between. What was read stays here
    /// when the future is dropped, so that it can wait for both sides of a line at once.
    pub(super) async fn read(
        &mut self,
        from: &mut (impl AsyncRead + Unpin),
    ) -> Result<Option<Packet>, PacketError> {
        while self.header.len() < HEADER {
            let missing = HEADER - self.header.len();
            if read_some(from, missing, &mut self.header).await? == 0 {
                return if self.header.is_empty() {
                    Ok(None)
                } else {
                    Err(cut_short())
                };
            }
        }
        let length = self.header[..3]
            .iter()
            .rev()
            .fold(0, |length, byte| length << 8 | usize::from(*byte));
        if length > LONGEST {
            return Err(PacketError::TooLong);
        }
        // Reserved at once: a buffer that grows leaves copies of a password behind.
        if self.payload.is_empty() {
            self.payload = Zeroizing::new(Vec::with_capacity(length));
        }
        while self.payload.len() < length {
            let missing = length - self.payload.len();
            if read_some(from, missing, &mut self.payload).await? == 0 {
                return Err(cut_short());
            }
        }
        let sequence = self.header[3];
        self.header.clear();
        Ok(Some(Packet {
            sequence,
            payload: std::mem::take(&mut self.payload),
        }))
    }
}

async fn read_some(
    from: &mut (impl AsyncRead + Unpin),
    most: usize,
    into: &mut Vec<u8>,
) -> Result<usize, PacketError> {
    let most = u64::try_from(most).expect("a packet is shorter than what 64 bits can count");
    from.take(most)
        .read_buf(into)
        .await
        .map_err(PacketError::Io)
}

fn cut_short() -> PacketError {
    PacketError::Io(io::ErrorKind::UnexpectedEof.into())
}

/// What a server says first.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    /// Its version, as it writes it.
    pub(super) version: String,
    /// The number of this connection.
    pub(super) id: u32,
    /// What it can do.
    pub(super) capabilities: u32,
}

impl Greeting {
    /// Reads a greeting; `None` where it is none, or of a protocol before MySQL 4.1.
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let mut rest = payload.strip_prefix(&[10])?;
        let version = until_nul(&mut rest)?;
        let id = u32::from_le_bytes(*take(&mut rest)?);
        let _scramble: &[u8; 8] = take(&mut rest)?;
        let _filler: &[u8; 1] = take(&mut rest)?;
        let lower = u16::from_le_bytes(*take(&mut rest)?);
        let _character_set_and_status: &[u8; 3] = take(&mut rest)?;
        let upper = u16::from_le_bytes(*take(&mut rest)?);
        let _scramble_length: &[u8; 1] = take(&mut rest)?;
        let _reserved: &[u8; 10] = take(&mut rest)?;
        let _rest_of_scramble: &[u8; 12] = take(&mut rest)?;
        let capabilities = u32::from(upper) << 16 | u32::from(lower);
        (capabilities & PROTOCOL_41 != 0).then(|| Self {
            version: String::from_utf8_lossy(version).into_owned(),
            id,
            capabilities,
        })
    }
}

/// What a server says in place of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: u16,
    pub(super) message: Untrusted,
}

impl Refusal {
    /// Reads an error; before a login it has no SQLSTATE, but servers differ.
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let mut rest = payload.strip_prefix(&[ERR])?;
        let code = u16::from_le_bytes(*take(&mut rest)?);
        let message = match rest {
            [b'#', _, _, _, _, _, message @ ..] => message,
            message => message,
        };
        Some(Self {
            code,
            message: Untrusted::new(&String::from_utf8_lossy(message)),
        })
    }
}

/// The plugin that an authentication switch asks for; the oldest form names none.
pub(super) fn switched_plugin(payload: &[u8]) -> &[u8] {
    let mut rest = payload.strip_prefix(&[SWITCH]).unwrap_or_default();
    until_nul(&mut rest).unwrap_or(b"mysql_old_password")
}

fn until_nul<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|byte| *byte == 0)?;
    let (text, after) = rest.split_at(end);
    *rest = &after[1..];
    Some(text)
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    async fn read_all(bytes: &[u8]) -> Result<Option<Packet>, PacketError> {
        let mut from = bytes;
        PacketReader::default().read(&mut from).await
    }

    #[tokio::test]
    async fn a_packet_is_read_and_nothing_after_it() {
        let mut from: &[u8] = &[3, 0, 0, 7, b'a', b'b', b'c', 1, 2];
        let packet = PacketReader::default().read(&mut from).await;
        let packet = packet.expect("reads").expect("a packet");
        assert_eq!((packet.sequence, &packet.payload[..]), (7, &b"abc"[..]));
        assert_eq!(from, [1, 2]);
    }

    #[tokio::test]
    async fn a_line_may_end_between_packets_and_nowhere_else() {
        assert!(matches!(read_all(&[]).await, Ok(None)));
        for cut in [&[3, 0][..], &[3, 0, 0, 0], &[3, 0, 0, 0, 1, 2]] {
            assert!(matches!(read_all(cut).await, Err(PacketError::Io(_))));
        }
    }

    #[tokio::test]
    async fn memory_is_not_given_for_what_is_only_announced() {
        let error = read_all(&[0xff, 0xff, 0xff, 0]).await;
        assert!(matches!(error, Err(PacketError::TooLong)));
    }

    #[tokio::test]
    async fn a_read_that_was_given_up_goes_on_where_it_was() {
        let (mut near, mut far) = tokio::io::duplex(64);
        let mut reader = PacketReader::default();
        far.write_all(&[3, 0, 0, 1, b'a']).await.expect("writes");
        let unfinished = async { reader.read(&mut near).await.is_ok() };
        assert!(futures_util::FutureExt::now_or_never(unfinished).is_none());
        far.write_all(b"bc").await.expect("writes");
        let packet = reader.read(&mut near).await.expect("reads");
        assert_eq!(&packet.expect("a packet").payload[..], b"abc");
    }

    #[test]
    fn errors_are_read_with_and_without_their_state() {
        let refusal = |code, message: &str| {
            Some(Refusal {
                code,
                message: Untrusted::new(message),
            })
        };
        let plain = [&[ERR, 0x10, 0x04][..], b"Too many connections"].concat();
        assert_eq!(
            Refusal::parse(&plain),
            refusal(1040, "Too many connections")
        );
        let stated = [&[ERR, 0x10, 0x04][..], b"#08004Too many"].concat();
        assert_eq!(Refusal::parse(&stated), refusal(1040, "Too many"));
        assert_eq!(Refusal::parse(&[ERR, 1]), None);
    }

    #[test]
    fn the_oldest_switch_names_no_plugin() {
        assert_eq!(switched_plugin(&[SWITCH]), b"mysql_old_password");
        assert_eq!(switched_plugin(b"\xfedialog\0rest"), b"dialog");
    }

    proptest! {
        #[test]
        fn no_payload_makes_a_reader_fail(payload in proptest::collection::vec(any::<u8>(), 0..128)) {
            let greeting = [&[10][..], &payload].concat();
            let _ = Greeting::parse(&greeting);
            let _ = Refusal::parse(&[&[ERR][..], &payload].concat());
            let _ = switched_plugin(&[&[SWITCH][..], &payload].concat());
        }
    }
}
