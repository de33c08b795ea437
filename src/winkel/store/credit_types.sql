-- name: insert
-- A new custom pricing unit; nothing when a live one has the name.
INSERT INTO credit_type (tenant_id, id, name, created_at)
VALUES (%(tenant_id)s, %(id)s, %(name)s, %(created_at)s)
ON CONFLICT (tenant_id, name) WHERE archived_at IS NULL DO NOTHING
RETURNING id::text

-- name: page
-- Custom pricing units that are not archived, oldest first.
SELECT id::text, name, false AS is_currency, created_at, archived_at
FROM credit_type
WHERE tenant_id = %(tenant_id)s AND archived_at IS NULL
  AND (%(after_at)s::timestamptz IS NULL OR (created_at, id) > (%(after_at)s, %(after_id)s::uuid))
ORDER BY created_at, id
LIMIT %(limit)s

-- name: every
-- All custom pricing units of a tenant.
SELECT id::text, name, false AS is_currency, created_at, archived_at FROM credit_type WHERE tenant_id = %(tenant_id)s

-- name: archive
-- Archive a custom pricing unit; the first time counts.
UPDATE credit_type SET archived_at = coalesce(archived_at, %(at)s)
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
RETURNING id::text
