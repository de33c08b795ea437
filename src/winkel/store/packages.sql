-- name: insert
-- A new package, without aliases.
INSERT INTO package (tenant_id, id, name, terms, uniqueness_key, created_at, created_by)
VALUES (%(tenant_id)s, %(id)s, %(name)s, %(terms)s, %(uniqueness_key)s, %(created_at)s, %(created_by)s)

-- name: find
-- One package with its aliases, archived or not.
SELECT package.id::text, package.name, terms, uniqueness_key, created_at, created_by, archived_at,
       winkel_aliases(package.tenant_id, package.id) AS aliases
FROM package
WHERE package.tenant_id = %(tenant_id)s AND package.id = %(id)s

-- name: page
-- One page, oldest first; `archived` NULL: both the archived ones and the others.
SELECT package.id::text, package.name, terms, uniqueness_key, created_at, created_by, archived_at,
       winkel_aliases(package.tenant_id, package.id) AS aliases
FROM package
WHERE package.tenant_id = %(tenant_id)s
  AND (%(archived)s::boolean IS NULL OR (archived_at IS NOT NULL) = %(archived)s::boolean)
  AND (%(after_at)s::timestamptz IS NULL OR (created_at, package.id) > (%(after_at)s, %(after_id)s::uuid))
ORDER BY created_at, package.id
LIMIT %(limit)s

-- name: archive
-- Archive a package; the first time counts.
UPDATE package SET archived_at = coalesce(archived_at, %(at)s)
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
RETURNING id::text

-- name: contracts
-- Contracts that were made from a package, that cover an instant, or that start at one or later, oldest first.
SELECT id::text, customer_id::text, starting_at, ending_before, archived_at, created_at
FROM contract
WHERE tenant_id = %(tenant_id)s AND package_id = %(package_id)s
  AND (%(include_archived)s OR archived_at IS NULL)
  AND (%(covering)s::timestamptz IS NULL
       OR starting_at <= %(covering)s AND coalesce(ending_before, 'infinity') > %(covering)s)
  AND (%(starting_at)s::timestamptz IS NULL OR starting_at >= %(starting_at)s)
  AND (%(after_at)s::timestamptz IS NULL OR (created_at, id) > (%(after_at)s, %(after_id)s::uuid))
ORDER BY created_at, id
LIMIT %(limit)s
