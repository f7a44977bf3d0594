//! handover: hands a database over from one credential to the next without
//! dropping a connection.

pub mod document;
pub mod environment;
pub mod model;
pub mod secret;
