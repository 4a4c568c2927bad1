-- Several schedulers may share a store (decision 0009). See 0001 for the conventions.

-- One row for each scheduler that lives. Whoever deletes another's row takes over its open runs.
-- place: the home's device and inode, since containers may have the same path for two homes.
CREATE TABLE scheduler (
    id             TEXT    PRIMARY KEY,
    home           TEXT    NOT NULL,
    place          TEXT    NOT NULL,
    mode           TEXT    NOT NULL,
    pid            INTEGER NOT NULL,
    start_ticks    INTEGER NOT NULL,
    boot_id        TEXT    NOT NULL,
    pid_namespace  INTEGER NOT NULL,
    host           TEXT    NOT NULL,
    started_at     INTEGER NOT NULL,
    lease_until_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The lease is the scheduler's, one for all of its runs. A run has its owner, and the fence, which
-- grows each time it changes hands. stop_reason: another scheduler wants its owner to cancel it.
ALTER TABLE run DROP COLUMN lease_until_at;
ALTER TABLE run ADD COLUMN stop_reason TEXT;

-- Grows with each change of a job or its plan, so that others read only what is new.
ALTER TABLE job_state ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
CREATE INDEX job_state_revision ON job_state (revision);
