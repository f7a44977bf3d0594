//! MySQL and MariaDB.
//!
//! The driver speaks the protocol and knows no TLS; the line beneath it is ours, so that a
//! password never goes over one that is not encrypted. See [`line`].

mod classify;
mod connector;
mod doorway;
mod guard;
mod line;
mod packet;
#[cfg(test)]
mod tests;
