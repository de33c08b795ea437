-- name: claim
-- Use a key; no row back: it was used before. Waits for a transaction that is using the same key now.
INSERT INTO uniqueness_key (tenant_id, kind, key, object_id)
VALUES (%(tenant_id)s, %(kind)s, %(key)s, %(object_id)s)
ON CONFLICT DO NOTHING
RETURNING key
