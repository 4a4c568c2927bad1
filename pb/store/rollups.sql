-- Runs added up (decision 0012). A run is counted once: when `rolled_up_to` passes it, when it has
-- ended after that (rollup_waiting), or when it is let go before.

-- name: waiting
SELECT r.id, r.job, r.state, r.trigger, r.attempt, r.fire_at, r.fire_count, r.queued_at, r.started_at,
       r.finished_at, r.cpu_seconds, r.max_rss_bytes
FROM rollup_waiting w JOIN run r ON r.id = w.run_id
WHERE r.finished_at IS NOT NULL ORDER BY w.run_id LIMIT :n

-- name: fresh
SELECT id, job, state, trigger, attempt, fire_at, fire_count, queued_at, started_at, finished_at,
       cpu_seconds, max_rss_bytes
FROM run WHERE id > :upto ORDER BY id LIMIT :n

-- name: let_go
SELECT id, job, state, trigger, attempt, fire_at, fire_count, queued_at, started_at, finished_at,
       cpu_seconds, max_rss_bytes
FROM run
WHERE id IN (SELECT value FROM json_each(:ids)) AND finished_at IS NOT NULL
    AND (id > :upto OR id IN (SELECT run_id FROM rollup_waiting))

-- name: uncounted_tail
AND finished_at IS NOT NULL AND +queued_at >= :since AND +queued_at < :until

-- name: uncounted
SELECT id, job, state, trigger, attempt, fire_at, fire_count, queued_at, started_at, finished_at,
       cpu_seconds, max_rss_bytes
FROM run WHERE

-- name: counted_end
ORDER BY id DESC LIMIT :n

-- name: is_fresh
id > :upto AND id >= :first AND id <= :last

-- name: is_waiting
id IN (SELECT run_id FROM rollup_waiting)

-- name: is_there
id >= :first AND id <= :last

-- name: of_job
AND job = :job

-- name: of_none
AND job IS NULL

-- name: of_all
AND (job IS NULL OR job NOT IN (SELECT name FROM job WHERE source = 'builtin'))

-- name: wait
INSERT OR IGNORE INTO rollup_waiting (run_id) VALUES (?)

-- name: wait_no_longer
DELETE FROM rollup_waiting WHERE run_id = ?

-- name: count_let_go
INSERT INTO meta (key, value) VALUES ('runs_let_go', '1')
ON CONFLICT (key) DO UPDATE SET value = value + 1

-- name: fold
INSERT INTO rollup VALUES (:level, :job, :start_at, :records, :succeeded, :failed, :timed_out, :cancelled,
    :lost, :skipped, :missed, :retries, :cpu_ms, :cpu_ms_max, :memory_max,
    :took_count, :took_sum, :took_low, :took_high, :took_places,
    :late_count, :late_sum, :late_low, :late_high, :late_places)
ON CONFLICT (level, job, start_at) DO UPDATE SET
    records = records + excluded.records,
    succeeded = succeeded + excluded.succeeded,
    failed = failed + excluded.failed,
    timed_out = timed_out + excluded.timed_out,
    cancelled = cancelled + excluded.cancelled,
    lost = lost + excluded.lost,
    skipped = skipped + excluded.skipped,
    missed = missed + excluded.missed,
    retries = retries + excluded.retries,
    cpu_ms = cpu_ms + excluded.cpu_ms,
    cpu_ms_max = max(cpu_ms_max, excluded.cpu_ms_max),
    memory_max = max(memory_max, excluded.memory_max),
    took_low = CASE WHEN took_count = 0 THEN excluded.took_low
        WHEN excluded.took_count = 0 THEN took_low ELSE min(took_low, excluded.took_low) END,
    took_count = took_count + excluded.took_count,
    took_sum = took_sum + excluded.took_sum,
    took_high = max(took_high, excluded.took_high),
    took_places = merged(took_places, excluded.took_places),
    late_low = CASE WHEN late_count = 0 THEN excluded.late_low
        WHEN excluded.late_count = 0 THEN late_low ELSE min(late_low, excluded.late_low) END,
    late_count = late_count + excluded.late_count,
    late_sum = late_sum + excluded.late_sum,
    late_high = max(late_high, excluded.late_high),
    late_places = merged(late_places, excluded.late_places)

-- name: replace
REPLACE INTO rollup VALUES (:level, :job, :start_at, :records, :succeeded, :failed, :timed_out, :cancelled,
    :lost, :skipped, :missed, :retries, :cpu_ms, :cpu_ms_max, :memory_max,
    :took_count, :took_sum, :took_low, :took_high, :took_places,
    :late_count, :late_sum, :late_low, :late_high, :late_places)

-- name: due
INSERT OR IGNORE INTO rollup_due (level, job, start_at) VALUES (?, ?, ?)

-- name: first_due
SELECT job, start_at FROM rollup_due WHERE level = ? ORDER BY job, start_at LIMIT ?

-- name: done
DELETE FROM rollup_due WHERE level = ? AND job = ? AND start_at = ?

-- name: due_between
SELECT start_at FROM rollup_due
WHERE level = :level AND job = :job AND start_at >= :since AND start_at < :until

-- name: periods
SELECT * FROM rollup
WHERE level = :level AND job = :job AND start_at >= :since AND start_at < :until ORDER BY start_at

-- name: old_hours
SELECT job, start_at FROM rollup WHERE level = 'hour' AND start_at < ? LIMIT ?

-- name: forget_hour
DELETE FROM rollup WHERE level = 'hour' AND job = ? AND start_at = ?

-- name: first_day
SELECT min(start_at) AS at FROM rollup WHERE level = 'day' AND job = ?

-- name: jobs_between
SELECT DISTINCT job FROM rollup WHERE level = 'day' AND start_at >= ? AND start_at < ?
