-- name: meta
SELECT value FROM meta WHERE key = ?

-- name: set_meta
INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value

-- name: insert_job
INSERT INTO job (name, definition, source, enabled, paused_at, pause_note, created_at, updated_at)
VALUES (:name, :definition, :source, :enabled, :paused_at, :pause_note, :now, :now)

-- name: insert_state
INSERT INTO job_state (job_id, planned_until, next_fire_at, revision)
VALUES (:job_id, :planned_until, :next_fire_at, (SELECT coalesce(max(revision), 0) + 1 FROM job_state))

-- name: update_job
UPDATE job SET definition = :definition, source = :source, enabled = :enabled,
    updated_at = max(:now, updated_at + 1)
WHERE name = :name

-- name: set_paused
UPDATE job SET paused_at = :paused_at, pause_note = :note, paused_until = :until,
    updated_at = max(:now, updated_at + 1)
WHERE name = :name

-- name: touch
UPDATE job_state SET revision = (SELECT max(revision) + 1 FROM job_state)
WHERE job_id = (SELECT id FROM job WHERE name = ?)

-- name: count_removal
INSERT INTO meta (key, value) VALUES (?, '1') ON CONFLICT (key) DO UPDATE SET value = value + 1

-- name: delete_job
DELETE FROM job WHERE name = ?

-- name: job_names
SELECT name FROM job ORDER BY name

-- name: job_sources
SELECT name, source FROM job ORDER BY name

-- name: jobs
SELECT j.name, j.definition, j.source, j.enabled, j.paused_at, j.pause_note, j.paused_until, j.created_at,
    j.updated_at, s.planned_until, s.next_fire_at, s.run_count, s.success_count, s.error_count,
    s.skip_count, s.miss_count, s.timeout_count, s.retry_count, s.last_run_at, s.last_result,
    s.last_error, s.last_duration_ms, s.last_skip_at, s.last_skip_reason,
    coalesce(active.n, 0) AS running
FROM job j JOIN job_state s ON s.job_id = j.id
LEFT JOIN (SELECT job, count(*) AS n FROM run
           WHERE finished_at IS NULL AND state IN ('starting', 'running') GROUP BY job) active
       ON active.job = j.name

-- name: plans
SELECT j.name, j.definition, j.enabled, j.paused_at, j.paused_until, j.created_at, j.updated_at,
    s.planned_until, s.next_fire_at, s.boot_id, s.revision
FROM job j JOIN job_state s ON s.job_id = j.id

-- name: definition
SELECT definition FROM job WHERE name = ?

-- name: set_plan
UPDATE job_state SET planned_until = :planned_until, next_fire_at = :next_fire_at,
    revision = (SELECT max(revision) + 1 FROM job_state)
WHERE job_id = (SELECT id FROM job WHERE name = :name)

-- name: set_boot
UPDATE job_state SET boot_id = ?, revision = (SELECT max(revision) + 1 FROM job_state)
WHERE job_id = (SELECT id FROM job WHERE name = ?)

-- name: count_skip
UPDATE job_state SET skip_count = skip_count + 1, last_skip_at = :at, last_skip_reason = :reason,
    last_result = 'skipped'
WHERE job_id = (SELECT id FROM job WHERE name = :job)

-- name: count_miss
UPDATE job_state SET miss_count = miss_count + :fire_count
WHERE job_id = (SELECT id FROM job WHERE name = :job)

-- name: count_retry
UPDATE job_state SET retry_count = retry_count + 1 WHERE job_id = (SELECT id FROM job WHERE name = ?)

-- name: count_run
UPDATE job_state SET
    run_count = run_count + 1,
    success_count = success_count + :success,
    error_count = error_count + :error,
    timeout_count = timeout_count + :timeout,
    timed_runs = timed_runs + (:duration_ms IS NOT NULL),
    duration_ms_sum = duration_ms_sum + coalesce(:duration_ms, 0),
    late_runs = late_runs + (:lateness_ms IS NOT NULL),
    lateness_ms_sum = lateness_ms_sum + coalesce(:lateness_ms, 0),
    last_run_at = coalesce(:started_at, last_run_at),
    last_result = :state,
    last_error = :last_error,
    last_duration_ms = :duration_ms
WHERE job_id = (SELECT id FROM job WHERE name = :job)

-- name: claim
INSERT INTO run (job, fire_at, fire_count, attempt, trigger, requested_by, command, state, reason,
                 queued_at, not_before_at, started_at, finished_at, owner)
VALUES (:job, :fire_at, :fire_count, :attempt, :trigger, :requested_by, :command, :state, :reason,
        :queued_at, :not_before_at, :started_at, :finished_at, :owner)
ON CONFLICT DO NOTHING

-- name: recorded
SELECT fire_at FROM run
WHERE job = ? AND fire_at BETWEEN ? AND ? AND trigger NOT IN ('manual', 'cli')

-- name: attempts
SELECT max(attempt) AS n FROM run WHERE job = ? AND fire_at = ? AND trigger NOT IN ('manual', 'cli')

-- name: save_run
UPDATE run SET state = :state, reason = :reason, started_at = :started_at,
    finished_at = :finished_at, exit_code = :exit_code, signal = :signal, pid = :pid,
    start_ticks = :start_ticks, boot_id = :boot_id, pid_namespace = :pid_namespace, host = :host,
    log_path = :log_path, max_rss_bytes = :max_rss_bytes, cpu_seconds = :cpu_seconds,
    output = :output, owner = :owner
WHERE id = :id AND finished_at IS NULL AND fence = :fence

-- name: run
SELECT * FROM run WHERE id = ?

-- name: open_runs
-- The + keeps SQLite from walking through all of history for the order's sake.
SELECT * FROM run WHERE finished_at IS NULL ORDER BY +id

-- name: open_foreground
SELECT * FROM run WHERE finished_at IS NULL AND +trigger = 'cli' ORDER BY +id

-- name: open_count
SELECT state, count(*) AS n FROM run WHERE finished_at IS NULL GROUP BY state

-- name: last_end
SELECT id, state, finished_at FROM run
WHERE job = ? AND state IN ('succeeded', 'failed', 'timed_out', 'cancelled', 'lost')
ORDER BY id DESC LIMIT 1

-- name: last_follow
SELECT max(queued_at) AS at FROM run WHERE job = ? AND +trigger = 'job'

-- name: dependents
SELECT name, definition FROM job WHERE json_extract(definition, '$.depends_on') IS NOT NULL

-- name: add_event
INSERT INTO event (at, type, job, run_id, service, actor, text)
VALUES (:at, :type, :job, :run_id, :service, :actor, :text)

-- name: events
SELECT * FROM event
WHERE (:family IS NULL OR type = :family OR type GLOB :family || '.*')
    AND (:job IS NULL OR job = :job) AND (:service IS NULL OR service = :service OR (:service = '*' AND service IS NOT NULL))
ORDER BY seq DESC LIMIT :n

-- name: events_since
SELECT * FROM event
WHERE seq > :since AND (:family IS NULL OR type = :family OR type GLOB :family || '.*')
    AND (:job IS NULL OR job = :job) AND (:service IS NULL OR service = :service OR (:service = '*' AND service IS NOT NULL))
ORDER BY seq LIMIT :n

-- name: event_bounds
SELECT coalesce(min(seq), 0) AS oldest, coalesce(max(seq), 0) AS newest FROM event

-- name: queue_sizes
SELECT coalesce(json_extract(definition, '$.queue'), 'default') AS queue, count(*) AS n
FROM job WHERE source <> 'builtin' GROUP BY 1

-- name: queue_lengths
SELECT coalesce(json_extract(j.definition, '$.queue'), 'default') AS queue, r.state, count(*) AS n
FROM run r LEFT JOIN job j ON j.name = r.job
WHERE r.finished_at IS NULL AND +r.trigger <> 'cli' GROUP BY 1, 2

-- name: prune_events
DELETE FROM event WHERE seq <= (SELECT max(seq) FROM event) - ?
