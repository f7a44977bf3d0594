-- Further key sources, keys that were replaced, and environments that were removed.

-- Names this store wherever its key may lie beside the keys of other stores. It goes
-- with a backup, since it is still the same store then.
CREATE TABLE store_identity (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    id TEXT NOT NULL
) STRICT;
-- A store without a slot was never finished; `key init` names it.
INSERT INTO store_identity (only, id)
    SELECT 1, lower(hex(randomblob(16))) WHERE EXISTS (SELECT 1 FROM key_slot);

ALTER TABLE key_slot ADD COLUMN parameters TEXT;  -- JSON: a keyring's entry; salt and costs of a passphrase
ALTER TABLE key_slot ADD COLUMN retired_at TEXT;  -- NULL: the slot in use
UPDATE key_slot SET retired_at = created_at WHERE id < (SELECT max(id) FROM key_slot);
CREATE UNIQUE INDEX one_slot_in_use ON key_slot ((retired_at IS NULL)) WHERE retired_at IS NULL;

-- The table is made anew, since a name must be free again once its environment was removed.
CREATE TABLE environment_2 (
    id TEXT PRIMARY KEY,
    project TEXT NOT NULL,
    name TEXT NOT NULL,
    head INTEGER NOT NULL,           -- the newest revision's number
    created_at TEXT NOT NULL,
    removed_at TEXT                  -- its data key was destroyed then
) STRICT;
INSERT INTO environment_2 (id, project, name, head, created_at)
    SELECT id, project, name, head, created_at FROM environment;
DROP TABLE environment;
ALTER TABLE environment_2 RENAME TO environment;
CREATE UNIQUE INDEX environment_by_name ON environment (project, name) WHERE removed_at IS NULL;

-- Removing keeps every row and destroys the data key: what was sealed stays sealed.
CREATE TRIGGER revision_is_never_deleted BEFORE DELETE ON revision
BEGIN SELECT raise(ABORT, 'revisions are immutable'); END;
CREATE TRIGGER environment_is_never_deleted BEFORE DELETE ON environment
BEGIN SELECT raise(ABORT, 'an environment is removed by its mark'); END;
CREATE TRIGGER removed_environment_is_never_changed BEFORE UPDATE ON environment
WHEN OLD.removed_at IS NOT NULL
BEGIN SELECT raise(ABORT, 'the environment was removed'); END;
