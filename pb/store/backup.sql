-- What a backup says of a database, of any schema since the first; and what a restored one forgets.

-- name: jobs
SELECT name, definition, source, enabled, paused_at IS NOT NULL AS paused FROM job
WHERE source <> 'builtin' ORDER BY name

-- name: services
SELECT name, definition, source, enabled FROM service WHERE removing = 0 ORDER BY name

-- name: tables
SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name

-- name: store_id
SELECT value FROM meta WHERE key = 'store_id'

-- name: numbers
SELECT name, seq FROM sqlite_sequence ORDER BY name

-- name: raise_number
UPDATE sqlite_sequence SET seq = max(seq, :seq) WHERE name = :name

-- name: first_number
INSERT INTO sqlite_sequence (name, seq)
SELECT :name, :seq WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = :name)

-- name: forget_schedulers
DELETE FROM scheduler
