-- What schedulers on one store must know of each other.

-- name: join
INSERT OR REPLACE INTO scheduler (id, home, place, mode, pid, start_ticks, boot_id, pid_namespace,
    host, started_at, lease_until_at)
VALUES (:id, :home, :place, :mode, :pid, :start_ticks, :boot_id, :pid_namespace,
    :host, :started_at, :lease_until_at)

-- name: renew
UPDATE scheduler SET lease_until_at = ? WHERE id = ?

-- name: leave
DELETE FROM scheduler WHERE id = ?

-- name: schedulers
SELECT * FROM scheduler ORDER BY started_at, id

-- name: take_over
UPDATE run SET owner = :owner, fence = fence + 1
WHERE id = :id AND fence = :fence AND finished_at IS NULL

-- name: open_runs
SELECT id, job, state, attempt, owner, stop_reason FROM run
WHERE finished_at IS NULL AND trigger <> 'cli' ORDER BY id

-- name: ask_to_stop
UPDATE run SET stop_reason = ? WHERE id = ? AND finished_at IS NULL AND stop_reason IS NULL

-- name: revision
SELECT coalesce(max(revision), 0) AS n FROM job_state
