//! `key ls`: the slots of a store. It needs no key, so that it works where none is found.

use std::path::Path;

use chrono::{DateTime, Utc};

use super::Failure;
use super::slot_source::source_of;
use crate::store::{Access, KeySlot, Store, keys};

/// All slots of a store.
#[derive(Debug, serde::Serialize)]
pub struct KeyListing {
    /// Oldest first.
    pub slots: Vec<SlotSummary>,
}

/// One slot.
#[derive(Debug, serde::Serialize)]
pub struct SlotSummary {
    /// Its number.
    pub slot: i64,
    /// The kind of source.
    pub kind: String,
    /// By which it recognises its key.
    pub key: String,
    /// Where the key is, or was, in words.
    pub place: String,
    /// Whether the store opens with it.
    pub in_use: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When another took its place.
    pub retired_at: Option<DateTime<Utc>>,
}

/// Lists the slots.
///
/// # Errors
/// The store's own.
pub async fn list_keys(folder: &Path) -> Result<KeyListing, Failure> {
    let store = Store::open(folder, Access::ReadIfNeedBe)?;
    let slots = store.read(keys::slots).await?;
    Ok(KeyListing {
        slots: slots.into_iter().map(summary).collect(),
    })
}

fn summary(slot: KeySlot) -> SlotSummary {
    let place = source_of(&slot).map_or_else(|_| "unknown".to_owned(), |source| source.place());
    SlotSummary {
        slot: slot.id,
        place,
        kind: slot.kind,
        key: slot.key_id,
        in_use: slot.retired_at.is_none(),
        created_at: slot.created_at,
        retired_at: slot.retired_at,
    }
}
