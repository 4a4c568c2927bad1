-- What of the past is over its limits. An outcome's index says its condition word for word.

-- name: crowded
SELECT g.job
FROM (SELECT job, count(*) AS n, min(id) AS id FROM run GROUP BY job) g
JOIN run r ON r.id = g.id
LEFT JOIN job j ON j.name = g.job
WHERE g.n > coalesce(json_extract(j.definition, '$.retention.keep_runs'), :keep_runs)
    OR r.finished_at < :now - :day * coalesce(
        json_extract(j.definition, '$.retention.keep_days'), :keep_days)

-- name: rule
SELECT json_extract(definition, '$.retention.keep_runs') AS keep_runs,
       json_extract(definition, '$.retention.keep_days') AS keep_days
FROM job WHERE name = ?

-- name: executed_at
SELECT id FROM run
WHERE job IS :job AND finished_at IS NOT NULL AND state <> 'skipped' AND state <> 'missed'
ORDER BY id DESC LIMIT 1 OFFSET :place

-- name: unlucky_at
SELECT id FROM run
WHERE job IS :job AND state = :state AND finished_at IS NOT NULL AND state <> 'succeeded'
ORDER BY id DESC LIMIT 1 OFFSET :place

-- name: last_success
SELECT id FROM run WHERE job IS :job AND +state = 'succeeded' ORDER BY id DESC LIMIT 1

-- name: newest
SELECT id FROM run WHERE job IS :job ORDER BY id DESC LIMIT 1

-- name: expired
SELECT id, log_path FROM run
WHERE job IS :job AND finished_at IS NOT NULL
    AND (finished_at < :before OR id <= CASE state
         WHEN 'skipped' THEN :skipped WHEN 'missed' THEN :missed ELSE :executed END)
    AND id NOT IN (SELECT value FROM json_each(:kept))
ORDER BY id LIMIT :n

-- name: delete
DELETE FROM run WHERE id = ? AND finished_at IS NOT NULL

-- name: recorded_at
SELECT queued_at FROM run WHERE id = ?
