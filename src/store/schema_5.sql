-- Overlaps, and what was observed of them. Times are whole microseconds since 1970 in UTC;
-- those of observations are by the clock of their node, if not said otherwise.

CREATE TABLE overlap (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    rotated_secret TEXT NOT NULL REFERENCES rotated_secret (id),
    user TEXT NOT NULL,              -- the outgoing one
    account TEXT,                    -- what makes it the same user, where its server was met
    revision INTEGER NOT NULL,       -- the one that made it the outgoing one
    promoted TEXT NOT NULL,          -- JSON: every node and its clock at the promote
    opened_at INTEGER NOT NULL,      -- by this host's clock
    stage TEXT NOT NULL,
    stage_at INTEGER NOT NULL,       -- by this host's clock
    compromised INTEGER NOT NULL,    -- 1: the password of the outgoing user leaked
    ended_at INTEGER                 -- by this host's clock; NULL: it is the open one
) STRICT;
CREATE UNIQUE INDEX one_open_overlap ON overlap (rotated_secret) WHERE ended_at IS NULL;
CREATE INDEX overlap_by_secret ON overlap (rotated_secret, id);

-- What was observed is deleted when it is old: it is no record of what was done.
CREATE TABLE observed_node (
    id INTEGER PRIMARY KEY,
    overlap INTEGER NOT NULL REFERENCES overlap (id),
    host TEXT NOT NULL,
    port INTEGER NOT NULL,
    looked_at INTEGER,               -- the last attempt, by this host's clock
    answered_at INTEGER,             -- the last answer, by this host's clock
    server_time INTEGER,             -- the last answer, by the clock of the node
    problem TEXT,
    mending TEXT,                    -- the statement that makes the view complete
    server_started INTEGER,
    standbys TEXT NOT NULL,          -- JSON: those that the node fed at its last sample
    receiving INTEGER NOT NULL,
    can_log_in INTEGER,
    UNIQUE (overlap, host, port)
) STRICT;

CREATE TABLE observed_run (
    id INTEGER PRIMARY KEY,
    node INTEGER NOT NULL REFERENCES observed_node (id),
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    samples INTEGER NOT NULL,
    longest_gap INTEGER NOT NULL,    -- microseconds
    is_complete INTEGER NOT NULL
) STRICT;
CREATE INDEX observed_run_by_node ON observed_run (node, id);

CREATE TABLE observed_session (
    id INTEGER PRIMARY KEY,
    node INTEGER NOT NULL REFERENCES observed_node (id),
    pid INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    not_before INTEGER,
    started INTEGER,
    kind TEXT NOT NULL,
    application TEXT NOT NULL,
    client TEXT,
    database TEXT,
    state TEXT,
    state_since INTEGER,
    transaction_since INTEGER,
    command TEXT,
    last_seen INTEGER,               -- NULL while it is there
    gone_at INTEGER                  -- NULL while it is there
) STRICT;
CREATE INDEX observed_session_there ON observed_session (node, pid, first_seen)
    WHERE gone_at IS NULL;
CREATE INDEX observed_session_gone ON observed_session (node, gone_at)
    WHERE gone_at IS NOT NULL;
CREATE INDEX observed_session_by_node ON observed_session (node, id);

CREATE TABLE observed_counter (
    id INTEGER PRIMARY KEY,
    node INTEGER NOT NULL REFERENCES observed_node (id),
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    source TEXT NOT NULL,
    total INTEGER NOT NULL,
    refused INTEGER,
    since INTEGER
) STRICT;
CREATE INDEX observed_counter_by_node ON observed_counter (node, id);

-- Ended sessions that are not kept one by one any more.
CREATE TABLE observed_folded (
    id INTEGER PRIMARY KEY,
    overlap INTEGER NOT NULL REFERENCES overlap (id),
    application TEXT NOT NULL,
    client TEXT,
    sessions INTEGER NOT NULL,
    shortest INTEGER,                -- seconds
    longest INTEGER                  -- seconds
) STRICT;
CREATE UNIQUE INDEX observed_folded_by_client
    ON observed_folded (overlap, application, ifnull(client, ''), client IS NULL);

-- Logins of our own as a user of the pair, to be left out of what is observed.
CREATE TABLE own_login (
    id INTEGER PRIMARY KEY,
    rotated_secret TEXT NOT NULL REFERENCES rotated_secret (id),
    user TEXT NOT NULL,
    host TEXT NOT NULL,
    port INTEGER NOT NULL,
    pid INTEGER NOT NULL,
    started INTEGER,
    began_at INTEGER NOT NULL,       -- by this host's clock, before the connection was made
    ended_at INTEGER NOT NULL,       -- by this host's clock, after its last statement
    noted_at INTEGER NOT NULL        -- by this host's clock
) STRICT;
CREATE INDEX own_login_by_secret ON own_login (rotated_secret, id);
CREATE INDEX own_login_by_session ON own_login (rotated_secret, user, pid);
