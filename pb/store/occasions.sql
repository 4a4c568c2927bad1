-- name: add_part
INSERT INTO run_event (run_id, part, event, items, occasions, count, size)
VALUES (:run_id, :part, :event, :items, :occasions, :count, :size)

-- name: last_part
SELECT part, occasions, count, size FROM run_event WHERE run_id = ? ORDER BY part DESC LIMIT 1

-- name: grow
UPDATE run_event SET occasions = :occasions, count = :count WHERE run_id = :run_id AND part = :part

-- name: parts
SELECT event, items, occasions, count FROM run_event WHERE run_id = ? ORDER BY part

-- name: hand_on
INSERT INTO run_event (run_id, part, event, items, occasions, count, size)
SELECT :to, part, event, items, occasions, count, size FROM run_event WHERE run_id = :from

-- name: pause_record
SELECT id FROM run
WHERE job = :job AND finished_at IS NOT NULL AND state <> 'succeeded' AND state = 'skipped'
    AND trigger = :trigger AND reason = :reason AND queued_at >= :since
ORDER BY id DESC LIMIT 1

-- name: count_more
UPDATE run SET fire_count = fire_count + 1 WHERE id = ?

-- name: states
SELECT trigger, state FROM trigger_state WHERE job = ?

-- name: phases
SELECT job, json_extract(state, '$.phase') AS phase FROM trigger_state
WHERE json_extract(state, '$.phase') IS NOT NULL

-- name: set_state
INSERT INTO trigger_state (job, trigger, state) VALUES (:job, :trigger, :state)
ON CONFLICT (job, trigger) DO UPDATE SET state = excluded.state

-- name: forget_states
DELETE FROM trigger_state
WHERE job = :job AND trigger NOT IN (SELECT value FROM json_each(:kept))

-- name: emit
INSERT INTO emitted (at, name, facts, actor) VALUES (:at, :name, :facts, :actor)

-- name: emitted
SELECT seq, at, name, facts, actor FROM emitted ORDER BY seq LIMIT ?

-- name: emitted_count
SELECT count(*) AS n FROM emitted

-- name: take_emitted
DELETE FROM emitted WHERE seq <= ?

-- name: emitted_size
SELECT coalesce(sum(length(facts)), 0) AS n FROM emitted
