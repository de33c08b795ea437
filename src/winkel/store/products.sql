-- name: insert
-- A new product.
INSERT INTO product (tenant_id, id, type, initial, custom_fields, created_at)
VALUES (%(tenant_id)s, %(id)s, %(type)s, %(initial)s, %(custom_fields)s, %(created_at)s)

-- name: by_ids
-- Those of these products that exist, archived ones too.
SELECT id::text, type, initial, updates, custom_fields, archived_at
FROM product
WHERE tenant_id = %(tenant_id)s AND id = ANY(%(ids)s::uuid[])

-- name: lock
-- One product, held until the end of the transaction, so that two updates of it queue.
SELECT id::text, type, initial, updates, custom_fields, archived_at
FROM product
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
FOR NO KEY UPDATE

-- name: page
-- One page, oldest first; `archived` NULL: both the archived ones and the others.
SELECT id::text, type, initial, updates, custom_fields, archived_at
FROM product
WHERE tenant_id = %(tenant_id)s
  AND (%(archived)s::boolean IS NULL OR (archived_at IS NOT NULL) = %(archived)s::boolean)
  AND (%(after_at)s::timestamptz IS NULL OR (created_at, id) > (%(after_at)s::timestamptz, %(after_id)s::uuid))
ORDER BY created_at, id
LIMIT %(limit)s

-- name: add_update
-- Schedule a change behind those that were made before.
UPDATE product SET updates = updates || %(update)s::jsonb
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: archive
-- Archive a product; rates that have it go on. Doing it again changes nothing.
UPDATE product SET archived_at = coalesce(archived_at, %(at)s)
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
RETURNING id::text
