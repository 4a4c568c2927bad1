-- What the past is asked for, in pieces: a page of history is `page_head`, conditions, `page_tail`.
-- A plus sign keeps SQLite from choosing an index for that condition (its manual, "unary +").

-- name: page_head
SELECT * FROM run WHERE id < :before AND id >= :first

-- name: page_tail
ORDER BY id DESC LIMIT :n

-- name: of_job
AND job = :job

-- name: of_people
AND (job IS NULL OR +job NOT IN (SELECT name FROM job WHERE source = 'builtin'))

-- name: besides_of_job
AND +job = :job

-- name: ended_so
AND state = :state AND finished_at IS NOT NULL

-- name: ended_so_unluckily
AND state = :state AND finished_at IS NOT NULL AND state <> 'succeeded'

-- name: is_still
AND state = :state AND finished_at IS NULL

-- name: in_state
AND +state = :state

-- name: by_trigger
AND trigger = :trigger

-- name: with_trigger
AND +trigger = :trigger

-- name: with_reason
AND reason IS NOT NULL AND instr(lower(reason), lower(:reason)) > 0

-- name: recorded_since
AND +queued_at >= :since

-- name: recorded_until
AND +queued_at <= :until

-- name: first_since
SELECT min(+id) AS id FROM run WHERE queued_at >= ?

-- name: last_until
SELECT max(+id) AS id FROM run WHERE queued_at <= ?

-- name: has_runs
SELECT 1 FROM run WHERE job = ? LIMIT 1

-- name: activity
SELECT coalesce(started_at, fire_at) / :bucket * :bucket AS at, state, count(*) AS n
FROM (SELECT started_at, fire_at, state FROM run WHERE id >= :first AND +queued_at >= :since
          AND (job IS NULL OR job NOT IN (SELECT name FROM job WHERE source = 'builtin'))
      ORDER BY id DESC LIMIT :most)
GROUP BY 1, 2 ORDER BY 1

-- name: activity_of_job
SELECT coalesce(started_at, fire_at) / :bucket * :bucket AS at, state, count(*) AS n
FROM (SELECT started_at, fire_at, state FROM run WHERE job = :job AND id >= :first
      AND +queued_at >= :since ORDER BY id DESC LIMIT :most)
GROUP BY 1, 2 ORDER BY 1

-- name: coming
SELECT j.name, j.definition, j.source, j.enabled, j.paused_at, j.pause_note, j.paused_until, j.created_at,
    j.updated_at, s.planned_until, s.next_fire_at, s.run_count, s.success_count, s.error_count,
    s.skip_count, s.miss_count, s.timeout_count, s.retry_count, s.last_run_at, s.last_result,
    s.last_error, s.last_duration_ms, s.last_skip_at, s.last_skip_reason,
    (SELECT count(*) FROM run r WHERE r.finished_at IS NULL AND r.state IN ('starting', 'running')
     AND r.job = j.name) AS running
FROM job j JOIN job_state s ON s.job_id = j.id
WHERE s.next_fire_at <= :until AND (j.name = :job OR (:job IS NULL AND j.source <> 'builtin'))
ORDER BY s.next_fire_at, j.name LIMIT :n

-- name: coming_count
SELECT count(*) AS n FROM job j JOIN job_state s ON s.job_id = j.id
WHERE s.next_fire_at <= :until AND (j.name = :job OR (:job IS NULL AND j.source <> 'builtin'))

-- name: own_jobs
SELECT name FROM job WHERE source = 'builtin'
