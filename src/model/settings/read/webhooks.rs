//! Who is told what happens: strict, since a notice that goes nowhere is missed by nobody.

use reqwest::Url;

use super::overlap::is_reference;
use super::{Field, Reader};
use crate::document::nearest;
use crate::model::{KindPattern, Webhook};

impl Reader<'_> {
    /// The webhooks, each address once: notices of one address are delivered in order.
    pub(super) fn webhooks(&mut self, field: &Field<'_>) -> Vec<Webhook> {
        let mut found: Vec<Webhook> = Vec::new();
        for item in self.items(field).unwrap_or_default() {
            let Some(webhook) = self.webhook(&item) else {
                continue;
            };
            if found.iter().any(|other| other.url == webhook.url) {
                let hint = "remove one of them; `kinds` of one entry may have all";
                self.error(
                    &item,
                    "the same `url` stands here twice",
                    Some(hint.to_owned()),
                );
                continue;
            }
            found.push(webhook);
        }
        found
    }

    fn webhook(&mut self, webhook: &Field<'_>) -> Option<Webhook> {
        let (mut url, mut secret, mut kinds, mut ca) = (None, None, None, None);
        let before = self.diagnostics.len();
        for field in self.fields(webhook, &["url", "secret", "kinds", "ca"]) {
            match field.name() {
                "url" => url = self.url(&field),
                "secret" => secret = self.webhook_secret(&field),
                "kinds" if field.node.is_null() => {}
                "kinds" => kinds = self.kinds(&field),
                _ => {
                    ca = self.text(&field);
                    let named = ca.iter().map(|name| (field.path.clone(), name.clone()));
                    self.files.extend(named);
                }
            }
        }
        if let (Some(url), Some(secret)) = (url, secret) {
            return Some(Webhook {
                url,
                secret,
                kinds,
                ca,
            });
        }
        // What is there and malformed was told at its place.
        if self.diagnostics.len() == before {
            let hint =
                "write {url: \"https://…\", secret: \"${environments.ops.webhooks.handover}\"}";
            let summary = "a webhook needs a `url` and a `secret`";
            self.error(webhook, summary, Some(hint.to_owned()));
        }
        None
    }

    /// The address in its usual spelling, so that one that is written in two ways is one.
    fn url(&mut self, field: &Field<'_>) -> Option<String> {
        let text = self.text(field)?;
        let hint = "write an address such as https://hooks.example.com/handover";
        let problem = match Url::parse(&text) {
            Err(_) => "expected an address",
            Ok(url) if url.scheme() != "https" => "a webhook is reached by https alone",
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                "settings hold no secrets, and an address with a login is one"
            }
            Ok(url) if url.fragment().is_some() => "a fragment is sent to nobody",
            Ok(url) => return Some(url.into()),
        };
        self.error(field, problem, Some(hint.to_owned()));
        None
    }

    /// A reference to the key that signs, which is sealed in an environment.
    fn webhook_secret(&mut self, field: &Field<'_>) -> Option<String> {
        let text = super::string(field.node).filter(|text| is_reference(text));
        if text.is_none() {
            let hint = "settings hold no secrets: write the key in an environment, as {fn::secret: \
                        whsec_…}, and refer to it here, such as ${environments.ops.webhooks.handover}; \
                        what follows `whsec_` comes from `openssl rand -base64 32`";
            let summary = "expected a reference to a secret";
            self.error(field, summary, Some(hint.to_owned()));
        }
        text
    }

    fn kinds(&mut self, field: &Field<'_>) -> Option<Vec<KindPattern>> {
        let items = self.items(field)?;
        if items.is_empty() {
            let hint = "leave `kinds` out to be told of everything";
            self.error(
                field,
                "with no kinds nothing would ever be told",
                Some(hint.to_owned()),
            );
        }
        items.iter().map(|item| self.kind(item)).collect()
    }

    fn kind(&mut self, field: &Field<'_>) -> Option<KindPattern> {
        let text = self.text(field)?;
        if let Ok(pattern) = text.parse() {
            return Some(pattern);
        }
        let known = KindPattern::known();
        let near = nearest(&text, known.iter().map(String::as_str));
        let summary = match near {
            Some(near) => format!("unknown kind {text:?}; did you mean {near:?}?"),
            None => format!("unknown kind {text:?}"),
        };
        self.error(
            field,
            summary,
            Some(format!("there are: {}", known.join(", "))),
        );
        None
    }
}
