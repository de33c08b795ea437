-- name: identity_key
-- The key of event identities.
SELECT value FROM setting WHERE name = 'identity_key'

-- name: in_use
-- What was noted of the log in use: its name and its address. An installation that is older than the note uses the log
-- on which a gateway had its last lease.
SELECT coalesce((SELECT convert_from(value, 'UTF8') FROM setting WHERE name = 'log'),
                (SELECT topic FROM gateway_lease ORDER BY expires_at DESC LIMIT 1), '') AS noted

-- name: turn
-- One process at a time notes which log is in use.
SELECT pg_advisory_xact_lock(hashtext('winkel log in use'))

-- name: note
-- Note the log in use; '': none, the next one that is opened to work on it will be.
INSERT INTO setting (name, value) VALUES ('log', convert_to(%(noted)s, 'UTF8'))
ON CONFLICT (name) DO UPDATE SET value = excluded.value

-- name: owner
-- What tells this database from all others: made from the key of event identities, which a copy of it has too, and from
-- where it is, which a copy made by a dump has not.
SELECT encode(substr(sha256(value), 1, 8), 'hex') || ' ' || (SELECT system_identifier FROM pg_control_system()) || '/'
       || (SELECT oid FROM pg_database WHERE datname = current_database()) AS owner
FROM setting WHERE name = 'identity_key'
