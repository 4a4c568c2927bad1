-- Definitions, state, runs and events. Instants are epoch milliseconds (UTC), columns named *_at.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE job (
    id         INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    definition TEXT    NOT NULL CHECK (json_valid(definition)),
    source     TEXT    NOT NULL,
    enabled    INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    paused_at  INTEGER,
    pause_note TEXT,
    paused_until INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- Apart from job, so that a run's end does not rewrite its definition.
-- planned_until: every fire time up to and including it has its record.
CREATE TABLE job_state (
    job_id           INTEGER PRIMARY KEY REFERENCES job (id) ON DELETE CASCADE,
    planned_until    INTEGER NOT NULL,
    next_fire_at     INTEGER,
    boot_id          TEXT,
    run_count        INTEGER NOT NULL DEFAULT 0,
    success_count    INTEGER NOT NULL DEFAULT 0,
    error_count      INTEGER NOT NULL DEFAULT 0,
    skip_count       INTEGER NOT NULL DEFAULT 0,
    miss_count       INTEGER NOT NULL DEFAULT 0,
    timeout_count    INTEGER NOT NULL DEFAULT 0,
    retry_count      INTEGER NOT NULL DEFAULT 0,
    last_run_at      INTEGER,
    last_result      TEXT,
    last_error       TEXT,
    last_duration_ms INTEGER,
    last_skip_at     INTEGER,
    last_skip_reason TEXT
) STRICT;

-- A run refers to its job by name, so that history survives the definition.
-- fire_count: how many fire times this record stands for (a miss may stand for many).
-- owner, lease_until_at, fence: who may act on an open run; several schedulers may share a store.
CREATE TABLE run (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    job            TEXT,
    fire_at        INTEGER NOT NULL,
    fire_count     INTEGER NOT NULL DEFAULT 1,
    attempt        INTEGER NOT NULL DEFAULT 1,
    trigger        TEXT    NOT NULL,
    requested_by   TEXT,
    command        TEXT    CHECK (command IS NULL OR json_valid(command)),
    -- Not IN (…): SQLite builds a table for a list of more than two at every write.
    state          TEXT    NOT NULL CHECK (instr(
        '|queued|starting|running|succeeded|failed|timed_out|cancelled|skipped|missed|lost|',
        '|' || state || '|') > 0),
    reason         TEXT,
    queued_at      INTEGER NOT NULL,
    not_before_at  INTEGER,
    started_at     INTEGER,
    finished_at    INTEGER,
    exit_code      INTEGER,
    signal         TEXT,
    pid            INTEGER,
    start_ticks    INTEGER,
    boot_id        TEXT,
    pid_namespace  INTEGER,
    host           TEXT,
    log_path       TEXT,
    max_rss_bytes  INTEGER,
    cpu_seconds    REAL,
    output         TEXT    CHECK (output IS NULL OR json_valid(output)),
    owner          TEXT,
    lease_until_at INTEGER,
    fence          INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The idempotency key: one record for each occasion of a job.
CREATE UNIQUE INDEX run_once ON run (job, fire_at, attempt)
    WHERE trigger NOT IN ('manual', 'cli');
CREATE INDEX run_of_job ON run (job, id);
CREATE INDEX run_open ON run (state) WHERE finished_at IS NULL;

-- History is asked for by outcome, trigger and time; store/history.sql says each index's condition
-- word for word. A run that ends well is in two of these only, and at their ends.
CREATE INDEX run_ended ON run (state) WHERE finished_at IS NOT NULL;
CREATE INDEX run_unlucky ON run (job, state)
    WHERE finished_at IS NOT NULL AND state <> 'succeeded';
CREATE INDEX run_by_trigger ON run (trigger);
CREATE INDEX run_recorded ON run (queued_at);

CREATE TABLE event (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL,
    type   TEXT    NOT NULL,
    job    TEXT,
    run_id INTEGER,
    actor  TEXT,
    text   TEXT    NOT NULL
) STRICT;
