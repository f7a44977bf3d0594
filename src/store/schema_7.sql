-- The outbox: notices, and their delivery to each webhook. Times are whole microseconds since
-- 1970 in UTC, by this host's clock.

CREATE TABLE notice (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,         -- the same at every attempt, so that a receiver can tell
    environment TEXT NOT NULL REFERENCES environment (id),
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,           -- JSON, without secrets; sent byte by byte as it is here
    made_at INTEGER NOT NULL
) STRICT;

CREATE TABLE delivery (
    notice INTEGER NOT NULL REFERENCES notice (seq) ON DELETE CASCADE,
    environment TEXT NOT NULL,
    webhook TEXT NOT NULL,           -- its address; the key is in no table
    state TEXT NOT NULL,             -- waiting, delivered, dead
    attempts INTEGER NOT NULL,
    first_try_at INTEGER,            -- NULL: not tried yet
    next_try_at INTEGER NOT NULL,    -- meaningful while it waits
    over_at INTEGER,                 -- NULL while it waits
    answer TEXT,                     -- what came of the last attempt
    PRIMARY KEY (notice, webhook)
) STRICT;
CREATE INDEX delivery_waiting ON delivery (environment, webhook, notice) WHERE state = 'waiting';

-- What was told of an overlap's drain, so that it is told once.
CREATE TABLE drain_notice (
    overlap INTEGER NOT NULL REFERENCES overlap (id),
    kind TEXT NOT NULL,
    mark TEXT NOT NULL,              -- tells one late login from another; else empty
    PRIMARY KEY (overlap, kind, mark)
) STRICT;
