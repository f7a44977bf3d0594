use super::*;
use crate::store::{Store, environments};

const FILE: &str = "/srv/db.env";

#[tokio::test]
async fn what_was_saved_while_a_file_was_written_is_still_due() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let store = Store::create(&folder.path().join("store")).expect("makes a store");
    let states = store.write(|transaction| {
        let now = "2027-01-15T08:00:00.000000Z";
        environments::add(
            transaction,
            "one",
            &"shop/one".parse().expect("a name"),
            now,
        )?;
        want(transaction, "one", FILE, 3, None)?;
        // Whoever writes the file has read revision 3.
        want(transaction, "one", FILE, 4, None)?;
        let text = Fingerprint::of(&[1; 32]);
        confirm(transaction, "one", FILE, (3, text), now)?;
        let behind = list(transaction, "one")?.remove(0);
        confirm(transaction, "one", FILE, (4, text), now)?;
        let level = list(transaction, "one")?.remove(0);
        Ok::<_, StoreError>([behind, level])
    });
    let [behind, level] = states.await.expect("writes");
    assert_eq!(behind.state, SinkState::Due);
    assert_eq!((behind.wanted, behind.delivered), (4, Some(3)));
    assert_eq!(level.state, SinkState::Confirmed);
    assert_eq!((level.wanted, level.delivered), (4, Some(4)));
}
