-- Who may come in through the gateway, and who has changed what. See 0001 for the conventions.

-- digest: SHA-256 (hex) of a token of 256 random bits; the token itself is nowhere. A token that
-- was revoked stays here, so that the trail below can be read; its name may be given again.
CREATE TABLE token (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT    NOT NULL,
    digest     TEXT    NOT NULL UNIQUE,
    scope      TEXT    NOT NULL CHECK (scope IN ('read', 'write', 'admin')),
    created_at INTEGER NOT NULL,
    created_by TEXT    NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    revoked_by TEXT
) STRICT;
CREATE UNIQUE INDEX token_in_use ON token (name) WHERE revoked_at IS NULL;

-- One row for each change that somebody has asked for, and that was carried out. Apart from event,
-- which is short-lived and tells what happened, whoever wanted it.
CREATE TABLE audit (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    actor   TEXT    NOT NULL,
    face    TEXT    NOT NULL,
    peer    TEXT,
    method  TEXT    NOT NULL,
    target  TEXT,
    details TEXT    NOT NULL CHECK (json_valid(details))
) STRICT;
