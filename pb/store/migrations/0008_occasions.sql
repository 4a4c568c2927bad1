-- What reactive triggers fire for, and what they remember. See 0001 for the conventions.

-- What a run was started for. A later occasion that joins a run which waits is one more part.
-- event: its facts. items: JSON lines, zlib, of what it is about one by one. occasions, count, size:
-- of this part and those before it; how many occasions, items and bytes of JSON lines.
CREATE TABLE run_event (
    run_id    INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    part      INTEGER NOT NULL,
    event     TEXT    NOT NULL CHECK (json_valid(event)),
    items     BLOB,
    occasions INTEGER NOT NULL,
    count     INTEGER NOT NULL,
    size      INTEGER NOT NULL,
    PRIMARY KEY (run_id, part)
) STRICT;

-- What a trigger remembers across restarts. trigger: its canonical JSON, so that one that was
-- changed starts anew.
CREATE TABLE trigger_state (
    job     TEXT NOT NULL,
    trigger TEXT NOT NULL,
    state   TEXT NOT NULL CHECK (json_valid(state)),
    PRIMARY KEY (job, trigger)
) STRICT, WITHOUT ROWID;

-- Events that somebody has emitted and that no scheduler has acted on yet.
CREATE TABLE emitted (
    seq   INTEGER PRIMARY KEY AUTOINCREMENT,
    at    INTEGER NOT NULL,
    name  TEXT    NOT NULL,
    facts TEXT    NOT NULL CHECK (json_valid(facts)),
    actor TEXT    NOT NULL
) STRICT;
