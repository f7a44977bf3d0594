-- Sinks: files to which an environment is published. Times are texts, by this host's clock.

CREATE TABLE sink (
    environment TEXT NOT NULL REFERENCES environment (id),
    file TEXT NOT NULL,              -- by its absolute path
    state TEXT NOT NULL,             -- due, confirmed, failed, foreign; unwanted: out of the settings
    wanted INTEGER NOT NULL,         -- the revision that it is to have
    delivered INTEGER,               -- the revision that it has
    fingerprint TEXT,                -- keyed digest of the text that we know to stand there
    intended TEXT,                   -- the same of the text that was about to be written
    problem TEXT,                    -- what was found at the last try
    remedy TEXT,
    rotation INTEGER REFERENCES rotation (id), -- the one that stays open for it
    tried_at TEXT,
    delivered_at TEXT,
    PRIMARY KEY (environment, file)
) STRICT;
CREATE INDEX sink_by_rotation ON sink (rotation);
