-- name: authenticate
-- Who holds the token with this hash; asked before a tenant is known.
SELECT tenant_id, token_id::text, name, role FROM winkel_authenticate(%(hash)s)

-- name: create_tenant
-- A new, empty tenant.
INSERT INTO tenant (name, created_at) VALUES (%(name)s, %(created_at)s)
ON CONFLICT (name) DO NOTHING RETURNING id, name, created_at, events_per_second

-- name: list_tenants
-- All tenants, oldest first; for the owner of the system only.
SELECT id, name, created_at, events_per_second FROM tenant ORDER BY id

-- name: get
-- One tenant by id.
SELECT id, name, created_at, events_per_second FROM tenant WHERE id = %(id)s

-- name: find_tenant
-- One tenant by name.
SELECT id, name, created_at, events_per_second FROM tenant WHERE name = %(name)s

-- name: quotas
-- The tenants that have a quota of their own.
SELECT id, events_per_second FROM tenant WHERE events_per_second IS NOT NULL

-- name: set_quota
-- Give a tenant a quota of its own, or, with NULL, the default.
UPDATE tenant SET events_per_second = %(events_per_second)s WHERE name = %(name)s
RETURNING id, name, created_at, events_per_second

-- name: create_token
-- Keep a token: the hash of the secret, never the secret. A hash that is there already stays as it is.
INSERT INTO token (tenant_id, id, name, role, hash, prefix, created_at)
VALUES (%(tenant_id)s, %(id)s, %(name)s, %(role)s, %(hash)s, %(prefix)s, %(created_at)s)
ON CONFLICT (hash) DO NOTHING
RETURNING tenant_id, id::text, name, role, prefix, created_at, revoked_at

-- name: list_tokens
-- The tokens of a tenant, oldest first.
SELECT tenant_id, id::text, name, role, prefix, created_at, revoked_at
FROM token WHERE tenant_id = %(tenant_id)s ORDER BY created_at, id

-- name: revoke_token
-- End a token, for ever. Revoking it again changes nothing.
UPDATE token SET revoked_at = coalesce(revoked_at, %(at)s)
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
RETURNING tenant_id, id::text, name, role, prefix, created_at, revoked_at
