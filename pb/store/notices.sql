-- name: insert
INSERT INTO notice (thing, channel, occasion, at, job, run_id, service, text, details, state, due_at)
VALUES (:thing, :channel, :occasion, :at, :job, :run_id, :service, :text, :details, 'waiting', :due_at)
ON CONFLICT DO NOTHING

-- name: dues
SELECT channel, min(due_at) AS at FROM notice WHERE state = 'waiting' GROUP BY channel

-- name: due
SELECT * FROM notice WHERE state = 'waiting' AND channel = :channel AND (due_at <= :now OR attempts = 0)
ORDER BY id LIMIT :most

-- name: finish
UPDATE notice SET state = :state, attempts = attempts + 1, finished_at = :at, answer = :answer, message = :message
WHERE id = :id AND state = 'waiting'

-- name: postpone
UPDATE notice SET attempts = attempts + 1, due_at = :due_at, answer = :answer WHERE id = :id AND state = 'waiting'

-- name: prune
DELETE FROM notice WHERE state <> 'waiting' AND id <= (SELECT max(id) FROM notice) - :kept

-- name: history
SELECT * FROM notice
WHERE (:channel IS NULL OR channel = :channel) AND (:state IS NULL OR state = :state)
    AND (:job IS NULL OR job = :job) AND (:service IS NULL OR service = :service)
    AND (:before IS NULL OR id < :before)
ORDER BY id DESC LIMIT :n

-- name: row
SELECT * FROM notice WHERE id = ?

-- name: by_thing
SELECT * FROM notice WHERE thing = ? AND channel = ?

-- name: last
SELECT * FROM notice WHERE channel = ? AND state <> 'waiting' ORDER BY finished_at DESC, id DESC LIMIT 1

-- name: waiting
SELECT channel, count(*) AS n FROM notice WHERE state = 'waiting' GROUP BY channel

-- name: known
SELECT state FROM notice_state WHERE kind = ? AND name = ?

-- name: save_known
INSERT INTO notice_state (kind, name, state) VALUES (:kind, :name, :state)
ON CONFLICT (kind, name) DO UPDATE SET state = excluded.state

-- name: forget
DELETE FROM notice_state
WHERE (kind = 'job' AND name NOT IN (SELECT name FROM job))
    OR (kind = 'service' AND substr(name, 1, instr(name || '@', '@') - 1) NOT IN (SELECT name FROM service))
