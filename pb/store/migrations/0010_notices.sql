-- What people are told, and what came of it. See 0001 for the conventions.

-- One notice for one channel, decided in the transaction of what it is about. thing: what makes it
-- the same notice, so that it is never there twice. due_at: when it may be sent, or sent again.
-- message: the first of the notices that went out together. details: facts for whoever sends it.
CREATE TABLE notice (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    thing       TEXT    NOT NULL,
    channel     TEXT    NOT NULL,
    occasion    TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    job         TEXT,
    run_id      INTEGER,
    service     TEXT,
    text        TEXT    NOT NULL,
    details     TEXT    NOT NULL CHECK (json_valid(details)),
    state       TEXT    NOT NULL CHECK (instr('|waiting|sent|failed|', '|' || state || '|') > 0),
    due_at      INTEGER NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,
    finished_at INTEGER,
    answer      TEXT,
    message     INTEGER
) STRICT;
CREATE UNIQUE INDEX notice_once ON notice (thing, channel);
CREATE INDEX notice_waiting ON notice (due_at) WHERE state = 'waiting';

-- What is remembered between two notices about the same job, or instance of a service.
CREATE TABLE notice_state (
    kind  TEXT NOT NULL,
    name  TEXT NOT NULL,
    state TEXT NOT NULL CHECK (json_valid(state)),
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
