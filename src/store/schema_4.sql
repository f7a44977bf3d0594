-- Users of engines that have no OID: what makes a user the same one is text from here on.

ALTER TABLE rotated_secret RENAME COLUMN oids TO accounts;

-- JSON: a user of the pair whose server counts wrong passwords, and how many of the stored
-- one we have shown in a row.
ALTER TABLE rotated_secret ADD COLUMN refused_logins TEXT;

CREATE TABLE owned_account (
    system TEXT NOT NULL,            -- the server's identifier
    account TEXT NOT NULL,           -- PostgreSQL: the OID; MySQL and MariaDB: the name
    rotated_secret TEXT NOT NULL REFERENCES rotated_secret (id),
    PRIMARY KEY (system, account)
) STRICT, WITHOUT ROWID;
INSERT INTO owned_account (system, account, rotated_secret)
    SELECT system, CAST(oid AS TEXT), rotated_secret FROM owned_role;
DROP TABLE owned_role;
CREATE INDEX owned_account_by_secret ON owned_account (rotated_secret);
