-- Times are RFC 3339 text in UTC by this host's clock; it never decides validity.

CREATE TABLE key_slot (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,              -- 'file'; keyring and passphrase follow
    key_id TEXT NOT NULL,            -- by which the slot recognises its key
    path TEXT,                       -- of a key file, as given
    created_at TEXT NOT NULL
) STRICT;

-- Data keys, each wrapped by the master key for one purpose.
CREATE TABLE data_key (
    purpose TEXT PRIMARY KEY,        -- 'audit', 'environment ID'
    wrapped BLOB NOT NULL
) STRICT;

CREATE TABLE environment (
    id TEXT PRIMARY KEY,
    project TEXT NOT NULL,
    name TEXT NOT NULL,
    head INTEGER NOT NULL,           -- the newest revision's number
    created_at TEXT NOT NULL,
    UNIQUE (project, name)
) STRICT;

CREATE TABLE revision (
    environment TEXT NOT NULL REFERENCES environment (id),
    number INTEGER NOT NULL,
    document TEXT NOT NULL,          -- sealed values stay ciphertext
    settings TEXT NOT NULL,          -- empty when none were given
    files TEXT NOT NULL,             -- JSON: file name in settings -> its text at save
    cause TEXT NOT NULL,             -- 'init', 'settings', 'rotation'
    author TEXT NOT NULL,
    reason TEXT,
    rotation INTEGER,
    created_at TEXT NOT NULL,
    PRIMARY KEY (environment, number)
) STRICT, WITHOUT ROWID;

-- What operates a rotated secret and is not part of its document.
CREATE TABLE rotated_secret (
    id TEXT PRIMARY KEY,             -- the id in its envelopes
    environment TEXT NOT NULL REFERENCES environment (id),
    path TEXT NOT NULL,
    generation INTEGER NOT NULL,     -- the highest one handed out
    server TEXT,                     -- JSON: identity at the last promote
    oids TEXT,                       -- JSON: user name -> OID at the last promote
    promoted TEXT,                   -- JSON: node and its clock at the last promote
    UNIQUE (environment, path)
) STRICT;

CREATE TABLE rotation (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    environment TEXT NOT NULL REFERENCES environment (id),
    opened_at TEXT NOT NULL,
    closed_at TEXT
) STRICT;
CREATE UNIQUE INDEX one_open_rotation ON rotation (environment) WHERE closed_at IS NULL;
CREATE INDEX rotation_by_environment ON rotation (environment, id);

CREATE TABLE journal (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    rotation INTEGER NOT NULL REFERENCES rotation (id),
    path TEXT,                       -- NULL: the rotation as a whole
    at TEXT NOT NULL,
    event TEXT NOT NULL              -- JSON; secrets in it are sealed
) STRICT;
CREATE INDEX journal_by_rotation ON journal (rotation, seq);

-- Who holds an environment's file lock; meaningful only while it is held.
CREATE TABLE lock (
    environment TEXT PRIMARY KEY REFERENCES environment (id),
    holder TEXT NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    since TEXT NOT NULL
) STRICT;

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    requester TEXT NOT NULL,         -- a claim of the operating system
    action TEXT NOT NULL,
    environment TEXT,
    detail TEXT NOT NULL,            -- JSON, without secrets
    mac BLOB NOT NULL                -- HMAC over the previous mac and this entry
) STRICT;

CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN SELECT raise(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit
BEGIN SELECT raise(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER journal_is_never_changed BEFORE UPDATE ON journal
BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_is_never_deleted BEFORE DELETE ON journal
BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER revision_is_never_changed BEFORE UPDATE ON revision
BEGIN SELECT raise(ABORT, 'revisions are immutable'); END;
