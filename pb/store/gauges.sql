-- name: recent_failures
WITH recent AS (
    SELECT id, state FROM run WHERE job = :job AND finished_at IS NOT NULL
    ORDER BY id DESC LIMIT :most
)
SELECT count(*) AS n FROM recent
WHERE state IN ('failed', 'timed_out', 'lost')
    AND id > coalesce((SELECT max(id) FROM recent WHERE state = 'succeeded'), 0)

-- name: last_success
SELECT finished_at FROM run
WHERE job = ? AND finished_at IS NOT NULL AND state = 'succeeded'
ORDER BY id DESC LIMIT 1

-- name: waiting_since
SELECT min(max(queued_at, coalesce(not_before_at, 0))) AS at FROM run
WHERE state = 'queued' AND finished_at IS NULL AND +job = ?

-- name: last_wait
SELECT max(0, started_at - max(queued_at, coalesce(not_before_at, 0))) AS ms FROM run
WHERE job = ? AND started_at IS NOT NULL
ORDER BY id DESC LIMIT 1

-- name: durations
SELECT finished_at - started_at AS ms FROM run
WHERE job = :job AND id < :before AND state = 'succeeded' AND finished_at IS NOT NULL
    AND started_at IS NOT NULL
ORDER BY id DESC LIMIT :most
