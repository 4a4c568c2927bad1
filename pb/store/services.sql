-- name: insert_service
INSERT INTO service (name, definition, source, enabled, desired, created_at, updated_at)
VALUES (:name, :definition, :source, :enabled, :desired, :now, :now)

-- name: update_service
UPDATE service SET definition = :definition, source = :source, enabled = :enabled, removing = 0, updated_at = :now
WHERE name = :name

-- name: set_enabled
UPDATE service SET enabled = :enabled, updated_at = :now WHERE name = :name

-- name: set_desired
UPDATE service SET desired = :desired, updated_at = :now WHERE name = :name

-- name: set_scale
UPDATE service SET scale = :scale, updated_at = :now WHERE name = :name

-- name: set_removing
UPDATE service SET removing = 1, desired = 'stopped', updated_at = :now WHERE name = :name

-- name: set_boot
UPDATE service SET boot_id = :boot_id WHERE name = :name

-- name: delete_service
DELETE FROM service WHERE name = ?

-- name: services
SELECT * FROM service ORDER BY name

-- name: service
SELECT * FROM service WHERE name = ?

-- name: service_sources
SELECT name, source FROM service WHERE removing = 0 ORDER BY name

-- name: instances
SELECT * FROM service_instance ORDER BY service, instance

-- name: instances_of
SELECT * FROM service_instance WHERE service = ? ORDER BY instance

-- name: delete_instance
DELETE FROM service_instance WHERE service = ? AND instance = ?
