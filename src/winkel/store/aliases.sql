-- name: lock
-- One assignment of aliases at a time in a tenant, so that a name never has two owners of a kind at one instant.
SELECT pg_advisory_xact_lock(hashtextextended('alias', %(tenant_id)s))

-- name: drop
-- Take all names from an owner, to give it others.
DELETE FROM alias WHERE tenant_id = %(tenant_id)s AND owner_id = %(owner_id)s

-- name: void
-- Assignments of a name that a new one replaces from their first instant on: nothing of them remains.
DELETE FROM alias
WHERE tenant_id = %(tenant_id)s AND owner = %(owner)s AND name = %(name)s
  AND coalesce(starting_at, '-infinity') >= coalesce(%(starting_at)s::timestamptz, '-infinity')
  AND coalesce(starting_at, '-infinity') < coalesce(%(ending_before)s::timestamptz, 'infinity')

-- name: end
-- Assignments of a name that were there before a new one: they end where it begins.
UPDATE alias SET ending_before = %(starting_at)s
WHERE tenant_id = %(tenant_id)s AND owner = %(owner)s AND name = %(name)s
  AND coalesce(starting_at, '-infinity') < coalesce(%(starting_at)s::timestamptz, '-infinity')
  AND coalesce(ending_before, 'infinity') > coalesce(%(starting_at)s::timestamptz, '-infinity')

-- name: insert
-- Give a name to a rate card or a package.
INSERT INTO alias (tenant_id, owner, owner_id, name, starting_at, ending_before)
VALUES (%(tenant_id)s, %(owner)s, %(owner_id)s, %(name)s, %(starting_at)s, %(ending_before)s)

-- name: resolve
-- The rate card, or the package, that a name stands for at an instant.
SELECT owner_id::text FROM alias
WHERE tenant_id = %(tenant_id)s AND owner = %(owner)s AND name = %(name)s
  AND coalesce(starting_at, '-infinity') <= %(at)s AND coalesce(ending_before, 'infinity') > %(at)s
ORDER BY id DESC
LIMIT 1
