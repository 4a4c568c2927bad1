-- The last definition of jobs that were removed, with their switches and counters, so that a removal
-- can be undone. One row per name; the newest hundred are kept.
CREATE TABLE removed_job (
    name         TEXT    PRIMARY KEY,
    definition   TEXT    NOT NULL CHECK (json_valid(definition)),
    source       TEXT    NOT NULL,
    enabled      INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    paused_at    INTEGER,
    pause_note   TEXT,
    paused_until INTEGER,
    counters     TEXT    NOT NULL CHECK (json_valid(counters)),
    removed_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX removed_job_at ON removed_job (removed_at);
