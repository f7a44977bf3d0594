-- Schedules: when environments are rotated by themselves, and what came of it. Times are whole
-- microseconds since 1970 in UTC, by this host's clock, unless a column says otherwise.

CREATE TABLE schedule (
    environment TEXT PRIMARY KEY REFERENCES environment (id),
    identity TEXT NOT NULL,          -- when it recurs and by which clock; a change of it begins anew
    since INTEGER NOT NULL,          -- occurrences up to here do not count
    next_at INTEGER                  -- when somebody has to look at it next; NULL: never
) STRICT;
CREATE INDEX schedule_due ON schedule (next_at) WHERE next_at IS NOT NULL;

-- One for each occurrence that was acted on, or missed.
CREATE TABLE schedule_run (
    environment TEXT NOT NULL REFERENCES environment (id),
    slot INTEGER NOT NULL,           -- the occurrence, without jitter
    after INTEGER NOT NULL,          -- it stands for all occurrences after this
    occurrences INTEGER NOT NULL,    -- how many these are
    until INTEGER NOT NULL,          -- before this a rotation may start
    state TEXT NOT NULL,             -- open, done, missed, failed
    attempts INTEGER NOT NULL,
    next_try_at INTEGER,             -- NULL when it is over
    rotation INTEGER REFERENCES rotation (id),
    code TEXT,                       -- of the last attempt, as the next two
    problem TEXT,
    remedy TEXT,
    begun_at INTEGER NOT NULL,
    over_at INTEGER,
    PRIMARY KEY (environment, slot)
) STRICT;
CREATE INDEX schedule_run_by_rotation ON schedule_run (rotation);

-- At most one row: nothing is begun by itself while it holds.
CREATE TABLE freeze (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    since INTEGER NOT NULL,
    until INTEGER,                   -- NULL: until somebody lifts it
    reason TEXT,
    requester TEXT NOT NULL
) STRICT;

-- Meaningful only while the lock of that number is held.
CREATE TABLE agent (
    number INTEGER PRIMARY KEY,
    holder TEXT NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    since TEXT NOT NULL              -- RFC 3339, as in the table of locks
) STRICT;

-- What the daily verification found last. A look that says nothing, since a server did not
-- answer or a document cannot be read, leaves what the one before it found.
CREATE TABLE verification (
    environment TEXT PRIMARY KEY REFERENCES environment (id),
    verified_at INTEGER,             -- of the last look that said something; NULL: none ever did
    tried_at INTEGER NOT NULL,       -- of the last look
    verdict TEXT NOT NULL,           -- in one word, e.g. as-expected
    words TEXT NOT NULL,             -- empty where all is as expected
    bad TEXT NOT NULL                -- the credentials that are not as expected, as JSON
) STRICT;
