-- name: claim
-- Hold a key for this transaction; no row: it is taken, or was used and is not forgotten yet. While another transaction
-- holds it, this waits for that one's end.
INSERT INTO idempotency_key (tenant_id, key, request, created_at)
VALUES (%(tenant_id)s, %(key)s, %(request)s, %(at)s)
ON CONFLICT (tenant_id, key) DO UPDATE
SET request = EXCLUDED.request, status = NULL, body = NULL, created_at = EXCLUDED.created_at
WHERE idempotency_key.created_at < %(expired)s
RETURNING key

-- name: find
-- What was asked and answered under a key.
SELECT request, status, body FROM idempotency_key WHERE tenant_id = %(tenant_id)s AND key = %(key)s

-- name: keep
-- Keep the answer that was given.
UPDATE idempotency_key SET status = %(status)s, body = %(body)s WHERE tenant_id = %(tenant_id)s AND key = %(key)s

-- name: forget
-- Remove some of the keys whose time is over; every new key removes more than itself, so that none stay behind.
DELETE FROM idempotency_key
WHERE tenant_id = %(tenant_id)s AND key IN (
    SELECT key FROM idempotency_key WHERE tenant_id = %(tenant_id)s AND created_at < %(expired)s
    ORDER BY created_at LIMIT 20 FOR UPDATE SKIP LOCKED)
