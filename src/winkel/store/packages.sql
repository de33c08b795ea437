-- name: insert
-- A new package, without aliases.
INSERT INTO package (tenant_id, id, name, terms, uniqueness_key, created_at, created_by)
VALUES (%(tenant_id)s, %(id)s, %(name)s, %(terms)s, %(uniqueness_key)s, %(created_at)s, %(created_by)s)

-- name: find
-- One package with its aliases, archived or not.
SELECT package.id::text, package.name, terms, uniqueness_key, created_at, created_by, archived_at,
       coalesce((SELECT jsonb_agg(jsonb_build_object('name', alias.name, 'starting_at', alias.starting_at,
                                                     'ending_before', alias.ending_before) ORDER BY alias.id)
                 FROM package_alias AS alias
                 WHERE alias.tenant_id = package.tenant_id AND alias.package_id = package.id), '[]') AS aliases
FROM package
WHERE package.tenant_id = %(tenant_id)s AND package.id = %(id)s

-- name: page
-- One page, oldest first; `archived` NULL: both the archived ones and the others.
SELECT package.id::text, package.name, terms, uniqueness_key, created_at, created_by, archived_at,
       coalesce((SELECT jsonb_agg(jsonb_build_object('name', alias.name, 'starting_at', alias.starting_at,
                                                     'ending_before', alias.ending_before) ORDER BY alias.id)
                 FROM package_alias AS alias
                 WHERE alias.tenant_id = package.tenant_id AND alias.package_id = package.id), '[]') AS aliases
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

-- name: lock_aliases
-- One assignment of aliases at a time in a tenant, so that a name never has two packages at one instant.
SELECT pg_advisory_xact_lock(hashtextextended('package_alias', %(tenant_id)s))

-- name: void_aliases
-- Assignments of a name that a new one replaces from their first instant on: nothing of them remains.
DELETE FROM package_alias
WHERE tenant_id = %(tenant_id)s AND name = %(name)s
  AND coalesce(starting_at, '-infinity') >= coalesce(%(starting_at)s::timestamptz, '-infinity')
  AND coalesce(starting_at, '-infinity') < coalesce(%(ending_before)s::timestamptz, 'infinity')

-- name: end_aliases
-- Assignments of a name that were there before a new one: they end where it begins.
UPDATE package_alias SET ending_before = %(starting_at)s
WHERE tenant_id = %(tenant_id)s AND name = %(name)s
  AND coalesce(starting_at, '-infinity') < coalesce(%(starting_at)s::timestamptz, '-infinity')
  AND coalesce(ending_before, 'infinity') > coalesce(%(starting_at)s::timestamptz, '-infinity')

-- name: insert_alias
-- Give a name to a package.
INSERT INTO package_alias (tenant_id, name, package_id, starting_at, ending_before)
VALUES (%(tenant_id)s, %(name)s, %(package_id)s, %(starting_at)s, %(ending_before)s)

-- name: resolve
-- The package that a name stands for at an instant.
SELECT package_id::text FROM package_alias
WHERE tenant_id = %(tenant_id)s AND name = %(name)s
  AND coalesce(starting_at, '-infinity') <= %(at)s AND coalesce(ending_before, 'infinity') > %(at)s
ORDER BY id DESC
LIMIT 1

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
