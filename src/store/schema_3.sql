-- Servers that were accepted, and which users belong to which rotated secret.

-- `server` is a high-water mark from here on: raised whenever a rotation is opened or
-- promoted, and set to something else only by accepting a server.
ALTER TABLE rotated_secret ADD COLUMN accepted TEXT;  -- JSON: when the server was accepted, and by whom

ALTER TABLE rotated_secret ADD COLUMN certificate TEXT;  -- SHA-256 of the one shown last, in hex

-- The pair as its server knows it. A role belongs to one rotated secret.
CREATE TABLE owned_role (
    system TEXT NOT NULL,            -- the server's system identifier
    oid INTEGER NOT NULL,
    rotated_secret TEXT NOT NULL REFERENCES rotated_secret (id),
    PRIMARY KEY (system, oid)
) STRICT, WITHOUT ROWID;
CREATE INDEX owned_role_by_secret ON owned_role (rotated_secret);
-- Where two claim the same role already, the older one has it and the other is refused.
INSERT OR IGNORE INTO owned_role (system, oid, rotated_secret)
    SELECT json_extract(r.server, '$.system'), user.value, r.id
    FROM rotated_secret r
    JOIN environment e ON e.id = r.environment AND e.removed_at IS NULL, json_each(r.oids) user
    WHERE r.server IS NOT NULL ORDER BY r.rowid;

-- The users by name and address, as the document had them when it was saved: all that is
-- known before a server was met.
CREATE TABLE named_user (
    rotated_secret TEXT NOT NULL REFERENCES rotated_secret (id),
    host TEXT NOT NULL,              -- in small letters
    port INTEGER NOT NULL,
    username TEXT NOT NULL,          -- exactly as the server has it
    manages INTEGER NOT NULL,        -- 1: the managing user, 0: one of the pair
    PRIMARY KEY (host, port, username, rotated_secret, manages)
) STRICT, WITHOUT ROWID;
CREATE INDEX named_user_by_secret ON named_user (rotated_secret);
