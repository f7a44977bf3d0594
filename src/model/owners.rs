//! Whom to call about a client, as the settings say.

use ipnet::IpNet;

/// One entry of `owners` in the settings. Whatever it leaves out matches everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerNote {
    /// The application's name; `*` stands for any characters.
    pub application: Option<String>,
    /// The client's network.
    pub client: Option<IpNet>,
    /// Whom to call, as written.
    pub contact: String,
}
