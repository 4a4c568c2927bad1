-- name: keep
INSERT OR REPLACE INTO removed_job
    (name, definition, source, enabled, paused_at, pause_note, paused_until, counters, removed_at)
SELECT j.name, j.definition, j.source, j.enabled, j.paused_at, j.pause_note, j.paused_until,
    json_array(s.run_count, s.success_count, s.error_count, s.skip_count, s.miss_count,
        s.timeout_count, s.retry_count, s.last_run_at, s.last_result, s.last_error,
        s.last_duration_ms, s.last_skip_at, s.last_skip_reason, s.timed_runs, s.duration_ms_sum,
        s.late_runs, s.lateness_ms_sum),
    :now
FROM job j JOIN job_state s ON s.job_id = j.id WHERE j.name = :name

-- name: prune
DELETE FROM removed_job WHERE name IN
    (SELECT name FROM removed_job ORDER BY removed_at DESC, name LIMIT -1 OFFSET ?)

-- name: find
SELECT * FROM removed_job WHERE name = ?

-- name: names
SELECT name FROM removed_job WHERE name NOT IN (SELECT name FROM job) ORDER BY removed_at DESC

-- name: give_back
UPDATE job_state SET
    (run_count, success_count, error_count, skip_count, miss_count, timeout_count, retry_count,
        last_run_at, last_result, last_error, last_duration_ms, last_skip_at, last_skip_reason,
        timed_runs, duration_ms_sum, late_runs, lateness_ms_sum) =
    (SELECT json_extract(c, '$[0]'), json_extract(c, '$[1]'), json_extract(c, '$[2]'),
        json_extract(c, '$[3]'), json_extract(c, '$[4]'), json_extract(c, '$[5]'),
        json_extract(c, '$[6]'), json_extract(c, '$[7]'), json_extract(c, '$[8]'),
        json_extract(c, '$[9]'), json_extract(c, '$[10]'), json_extract(c, '$[11]'),
        json_extract(c, '$[12]'), json_extract(c, '$[13]'), json_extract(c, '$[14]'),
        json_extract(c, '$[15]'), json_extract(c, '$[16]')
     FROM (SELECT counters AS c FROM removed_job WHERE name = :name))
WHERE job_id = (SELECT id FROM job WHERE name = :name)

-- name: forget
DELETE FROM removed_job WHERE name = ?
