//! Under which address a database is reached, and how an address is written.
//!
//! Settings may leave the port out. What then holds is the engine's usual one, and settings
//! that are for all rotated secrets know no engine: what was written stays as it is until the
//! engine is known.

// The address as a value; `core` has no sockets.
use core::net::Ipv6Addr;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Engine;
use crate::untrusted::Untrusted;

/// One address under which the database is reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Node {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl fmt::Display for Node {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_host(formatter, &self.host)?;
        write!(formatter, ":{}", self.port)
    }
}

/// An address as it was written, with a port or without.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Host name or address.
    pub host: String,
    /// TCP port; `None` where none was written.
    pub port: Option<u16>,
}

impl Address {
    /// What it means for a database of this engine.
    #[must_use]
    pub fn for_engine(&self, engine: Engine) -> Node {
        Node {
            host: self.host.clone(),
            port: self.port.unwrap_or_else(|| engine.usual_port()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_host(formatter, &self.host)?;
        match self.port {
            Some(port) => write!(formatter, ":{port}"),
            None => Ok(()),
        }
    }
}

fn write_host(formatter: &mut fmt::Formatter<'_>, host: &str) -> fmt::Result {
    let shown = Untrusted::new(host);
    match host.contains(':') {
        true => write!(formatter, "[{shown}]"),
        false => write!(formatter, "{shown}"),
    }
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// Nothing stands where the host should.
    #[error("the host is missing")]
    NoHost,
    /// An IPv6 address whose end cannot be told from the port.
    #[error("an IPv6 address stands in brackets")]
    NoBrackets,
    /// The brackets hold something else, or do not end.
    #[error("the brackets hold no IPv6 address")]
    NotIpv6,
    /// Something else than letters, digits, `-`, `_` and `.`.
    #[error("a host has letters, digits, `-`, `_` and `.` alone")]
    BadHost,
    /// Not a number from 1 to 65535.
    #[error("a port is a number from 1 to 65535")]
    BadPort,
}

impl FromStr for Address {
    type Err = NodeError;

    /// `host`, `host:port`, `[address]`, `[address]:port`. Host names are the same in
    /// either case, so they are taken in lower case.
    fn from_str(text: &str) -> Result<Self, NodeError> {
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (address, port) = rest.split_once(']').ok_or(NodeError::NotIpv6)?;
            let address: Ipv6Addr = address.parse().map_err(|_| NodeError::NotIpv6)?;
            let port = match port.strip_prefix(':') {
                Some(port) => Some(port),
                None if port.is_empty() => None,
                None => return Err(NodeError::BadPort),
            };
            (address.to_string(), port)
        } else {
            let (host, port) = match text.split_once(':') {
                Some((_, rest)) if rest.contains(':') => return Err(NodeError::NoBrackets),
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            };
            let good = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
            if host.is_empty() {
                return Err(NodeError::NoHost);
            }
            if !host.chars().all(good) || host.len() > 253 {
                return Err(NodeError::BadHost);
            }
            (host.to_ascii_lowercase(), port)
        };
        let port = port.map(number).transpose()?;
        Ok(Self { host, port })
    }
}

fn number(digits: &str) -> Result<u16, NodeError> {
    // `parse` alone would take a plus sign.
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let port = digits.parse().ok().filter(|port| is_plain && *port != 0);
    port.ok_or(NodeError::BadPort)
}
