-- Runs added up by hour, day, week and month (UTC), so that years of statistics survive retention
-- (decision 0012). See 0001 for the conventions.

-- job: its name, '' for runs without one, '*' for all together. records: rows of run. took_* is of runs
-- that ended by themselves, late_* of planned first attempts, in milliseconds; *_places: a histogram
-- (core/histogram.py).
CREATE TABLE rollup (
    level       TEXT    NOT NULL CHECK (level IN ('hour', 'day', 'week', 'month')),
    job         TEXT    NOT NULL,
    start_at    INTEGER NOT NULL,
    records     INTEGER NOT NULL,
    succeeded   INTEGER NOT NULL,
    failed      INTEGER NOT NULL,
    timed_out   INTEGER NOT NULL,
    cancelled   INTEGER NOT NULL,
    lost        INTEGER NOT NULL,
    skipped     INTEGER NOT NULL,
    missed      INTEGER NOT NULL,
    retries     INTEGER NOT NULL,
    cpu_ms      INTEGER NOT NULL,
    cpu_ms_max  INTEGER NOT NULL,
    memory_max  INTEGER NOT NULL,
    took_count  INTEGER NOT NULL,
    took_sum    INTEGER NOT NULL,
    took_low    INTEGER NOT NULL,
    took_high   INTEGER NOT NULL,
    took_places TEXT    NOT NULL,
    late_count  INTEGER NOT NULL,
    late_sum    INTEGER NOT NULL,
    late_low    INTEGER NOT NULL,
    late_high   INTEGER NOT NULL,
    late_places TEXT    NOT NULL,
    PRIMARY KEY (level, job, start_at)
) STRICT, WITHOUT ROWID;

-- Weeks and months that have to be added up anew from their days.
CREATE TABLE rollup_due (
    level    TEXT    NOT NULL CHECK (level IN ('week', 'month')),
    job      TEXT    NOT NULL,
    start_at INTEGER NOT NULL,
    PRIMARY KEY (level, job, start_at)
) STRICT, WITHOUT ROWID;

-- Runs that were still open when those after them were counted.
CREATE TABLE rollup_waiting (
    run_id INTEGER PRIMARY KEY
) STRICT;
