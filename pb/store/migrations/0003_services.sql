-- Services: what should stay up, and what is true of each instance. See 0001 for the conventions.

-- desired: what was asked for; it is no state. scale: instances instead of the definition's
-- replicas. removing: to be forgotten once nothing of it runs.
CREATE TABLE service (
    name       TEXT    PRIMARY KEY,
    definition TEXT    NOT NULL CHECK (json_valid(definition)),
    source     TEXT    NOT NULL,
    enabled    INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    desired    TEXT    NOT NULL CHECK (desired IN ('running', 'stopped')),
    scale      INTEGER,
    removing   INTEGER NOT NULL DEFAULT 0,
    boot_id    TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- life counts the starts; definition is what the present life was started with. lives: the short
-- lives in a row, in seconds. exit_*: how the last life ended.
CREATE TABLE service_instance (
    service        TEXT    NOT NULL REFERENCES service (name) ON DELETE CASCADE,
    instance       INTEGER NOT NULL,
    phase          TEXT    NOT NULL,
    reason         TEXT,
    health         TEXT    NOT NULL DEFAULT 'none',
    health_reason  TEXT,
    status_text    TEXT,
    life           INTEGER NOT NULL DEFAULT 0,
    definition     TEXT,
    since_at       INTEGER NOT NULL,
    started_at     INTEGER,
    ready_at       INTEGER,
    pid            INTEGER,
    start_ticks    INTEGER,
    boot_id        TEXT,
    pid_namespace  INTEGER,
    host           TEXT,
    restarts       INTEGER NOT NULL DEFAULT 0,
    lives          TEXT    NOT NULL DEFAULT '[]',
    next_start_at  INTEGER,
    exit_code      INTEGER,
    exit_signal    TEXT,
    exit_at        INTEGER,
    exit_reason    TEXT,
    exit_lived     REAL,
    PRIMARY KEY (service, instance)
) STRICT, WITHOUT ROWID;

ALTER TABLE event ADD COLUMN service TEXT;
