//! What holds between promote and retire: how it is watched, how it ends, whom to call.

use core::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::super::{DatabaseSettings, Gate, Layer, RetireEnd, RetireMode, Settings, in_words};
use super::{Field, Reader};
use crate::document::{NodeKind, PropertyPath, parse_accessors};
use crate::model::OwnerNote;

/// More often than this the sampling itself would be what the server is busy with.
const SHORTEST_SAMPLE: Duration = Duration::from_millis(100);

impl<'a> Reader<'a> {
    pub(super) fn drain(&mut self, drain: &Field<'a>, layer: &mut Layer, database: &str) {
        let known = ["propagation", "quiet", "max-gap", "sample", "gate"];
        for field in self.fields(drain, &known) {
            match field.name() {
                "propagation" => layer.propagation = self.duration(&field),
                "quiet" => layer.quiet = self.duration(&field),
                "gate" => layer.gate = self.choice(&field, &[("block", Gate::Block)]),
                "sample" => {
                    layer.sample = self.duration(&field);
                    if layer.sample.is_some_and(|sample| sample < SHORTEST_SAMPLE) {
                        self.error(&field, "the time between samples is 100ms or longer", None);
                        layer.sample = None;
                    }
                    self.pauses.push((field, database.to_owned()));
                }
                _ => {
                    layer.max_gap = self.duration(&field);
                    self.pauses.push((field, database.to_owned()));
                }
            }
        }
    }

    /// With a gap that a single late sample exceeds, the window would begin anew again and
    /// again, and nothing would ever be drained. Said once of each entry that makes it so.
    pub(super) fn gaps_without_room(&mut self, settings: &Settings) {
        let mut pauses = std::mem::take(&mut self.pauses);
        // That of `max-gap` is where it is mended.
        pauses.sort_by_key(|(field, database)| (database.clone(), field.name() != "max-gap"));
        pauses.dedup_by(|(_, second), (_, first)| second == first);
        for (field, database) in pauses {
            let mut found = DatabaseSettings::default();
            settings.for_all.apply(&mut found);
            let own = database.parse::<PropertyPath>().ok();
            if let Some(named) = own.and_then(|path| settings.by_path.get(&path)) {
                named.layer.apply(&mut found);
            }
            let needed = found.sample * 2;
            if found.max_gap < needed {
                let hint = format!(
                    "write max-gap: {} or longer, or a shorter `sample`",
                    in_words(needed)
                );
                let summary = format!(
                    "`max-gap` is shorter than two samples, which are {} apart: one that is \
                     late would begin the quiet window anew",
                    in_words(found.sample)
                );
                self.error(&field, summary, Some(hint));
            }
        }
    }

    pub(super) fn retire(&mut self, retire: &Field<'_>, layer: &mut Layer) {
        for field in self.fields(retire, &["mode", "listen", "then"]) {
            match field.name() {
                "mode" => {
                    let choices = [
                        ("ask", RetireMode::Ask),
                        ("lock", RetireMode::Lock),
                        ("none", RetireMode::None),
                    ];
                    layer.retire_mode = self.choice(&field, &choices);
                }
                "listen" => layer.retire_listen = self.duration(&field),
                _ => {
                    let choices = [("scramble", RetireEnd::Scramble), ("keep", RetireEnd::Keep)];
                    layer.retire_end = self.choice(&field, &choices);
                }
            }
        }
    }

    /// A reference to a login that stands in an environment, where its password is sealed.
    pub(super) fn monitor(&mut self, field: &Field<'_>) -> Option<String> {
        if field.node.is_null() {
            return None;
        }
        let is_scalar = matches!(field.node.kind, NodeKind::Scalar(_));
        let text = is_scalar.then(|| super::string(field.node)).flatten();
        if let Some(text) = text.filter(|text| is_reference(text)) {
            return Some(text);
        }
        let hint = "settings hold no secrets: write the login in an environment, as {username: …, \
                    password: {fn::secret: …}}, and refer to it here, such as \
                    ${environments.shop.managing.monitor}";
        let summary = "expected a reference to a login";
        self.error(field, summary, Some(hint.to_owned()));
        None
    }

    pub(super) fn owners(&mut self, field: &Field<'_>) -> Vec<OwnerNote> {
        let items = self.items(field).unwrap_or_default();
        items.iter().filter_map(|item| self.owner(item)).collect()
    }

    fn owner(&mut self, owner: &Field<'_>) -> Option<OwnerNote> {
        let mut matching = None;
        let mut contact = None;
        let before = self.diagnostics.len();
        for field in self.fields(owner, &["match", "contact"]) {
            match field.name() {
                "match" => matching = self.matching(&field),
                _ => contact = self.text(&field),
            }
        }
        if let (Some((application, client)), Some(contact)) = (matching, contact) {
            return Some(OwnerNote {
                application,
                client,
                contact,
            });
        }
        // What is there and malformed was told at its place.
        if self.diagnostics.len() == before {
            let hint = "write {match: {application: \"orders-*\", client: 10.0.0.0/8}, contact: \
                        \"…\"}; one of `application` and `client` will do";
            let summary = "an owner needs a `match` that is not empty, and a `contact`";
            self.error(owner, summary, Some(hint.to_owned()));
        }
        None
    }

    /// Nothing where it would match everybody by saying nothing.
    fn matching(&mut self, matching: &Field<'_>) -> Option<(Option<String>, Option<IpNet>)> {
        let mut application = None;
        let mut client = None;
        for field in self.fields(matching, &["application", "client"]) {
            match field.name() {
                "application" => application = self.text(&field),
                _ => client = self.network(&field),
            }
        }
        let is_empty = application.is_none() && client.is_none();
        (!is_empty).then_some((application, client))
    }

    fn network(&mut self, field: &Field<'_>) -> Option<IpNet> {
        let text = self.text(field)?;
        let one = || text.parse::<IpAddr>().map(IpNet::from).ok();
        let found = text.parse::<IpNet>().ok().or_else(one);
        if found.is_none() {
            let hint = "write a network or one address, such as 10.0.0.0/8, 10.0.0.7 or \
                        2001:db8::/32";
            self.error(field, "expected a network", Some(hint.to_owned()));
        }
        found.map(|network| network.trunc())
    }
}

/// Whether the text is `${path}` and nothing else.
pub(super) fn is_reference(text: &str) -> bool {
    let Some(path) = text.strip_prefix("${") else {
        return false;
    };
    let (_, read, faults) = parse_accessors(path, Some('}'));
    faults.is_empty() && read == path.len()
}
