-- name: insert_token
INSERT INTO token (name, digest, scope, created_at, created_by, expires_at)
VALUES (:name, :digest, :scope, :now, :by, :expires_at)

-- name: revoke_token
UPDATE token SET revoked_at = :now, revoked_by = :by WHERE id = :id AND revoked_at IS NULL

-- name: tokens
SELECT * FROM token ORDER BY id

-- name: add_audit
INSERT INTO audit (at, actor, face, peer, method, target, details)
VALUES (:at, :actor, :face, :peer, :method, :target, :details)

-- name: prune_audit
DELETE FROM audit WHERE seq <= (SELECT max(seq) FROM audit) - :kept

-- name: last_audit
SELECT coalesce(max(seq), 0) AS seq FROM audit

-- name: audit
SELECT * FROM audit
WHERE seq < :before AND at >= :since AND at <= :until
    AND (:actor IS NULL OR actor = :actor OR face || ':' || actor = :actor)
    AND (:method IS NULL OR method = :method OR method GLOB :method || '.*')
    AND (:target IS NULL OR target = :target)
ORDER BY seq DESC LIMIT :n
