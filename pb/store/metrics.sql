-- name: jobs
SELECT j.name, j.enabled, j.paused_at, s.*, coalesce(active.n, 0) AS running
FROM job j JOIN job_state s ON s.job_id = j.id
LEFT JOIN (SELECT job, count(*) AS n FROM run
           WHERE finished_at IS NULL AND state IN ('starting', 'running') GROUP BY job) active
       ON active.job = j.name
WHERE j.source <> 'builtin'
ORDER BY j.name

-- name: soonest
SELECT min(s.next_fire_at) AS at FROM job j JOIN job_state s ON s.job_id = j.id
WHERE j.enabled AND j.paused_at IS NULL
