//! Lists of addresses: each of them once, as far as can be told without the engine.

use super::super::Alike;
use super::{Field, Reader};
use crate::document::{Diagnostic, document_path_text};
use crate::model::Address;

impl Reader<'_> {
    /// Addresses, each of them once. One that stands there with a port and without is the
    /// same where that port is the engine's usual one, which is told by whoever knows it.
    pub(super) fn addresses(
        &mut self,
        field: &Field<'_>,
        alike: &mut Vec<Alike>,
    ) -> Option<Vec<Address>> {
        let mut found: Vec<Address> = Vec::new();
        for item in self.items(field)? {
            let Some(text) = self.text(&item) else {
                continue;
            };
            match text.parse::<Address>() {
                Ok(address) if found.contains(&address) => {
                    let summary = format!("{address} stands here twice");
                    self.error(&item, summary, Some("remove one of them".to_owned()));
                }
                Ok(address) => {
                    let twins = found.iter().filter(|other| other.host == address.host);
                    alike.extend(twins.filter_map(|twin| self.alike(&item, &address, twin)));
                    found.push(address);
                }
                Err(why) => {
                    let hint = "write host:port, such as replica-1:5432 or [2001:db8::1]:3306; \
                         without a port it is 5432 for PostgreSQL, 3306 for MySQL and MariaDB";
                    self.error(&item, why.to_string(), Some(hint.to_owned()));
                }
            }
        }
        Some(found)
    }

    fn alike(&self, item: &Field<'_>, address: &Address, twin: &Address) -> Option<Alike> {
        let port = match (address.port, twin.port) {
            (Some(port), None) | (None, Some(port)) => port,
            _ => return None,
        };
        let summary = format!("{address} stands here twice: without a port it is {port}");
        let found = Diagnostic::error(summary)
            .with_place(self.source, item.node.span)
            .with_path(document_path_text(&item.path))
            .with_hint("remove one of them");
        Some(Alike { port, found })
    }
}
