-- name: installation
-- What tells installations apart: made from the key of event identities, without giving that away.
SELECT encode(substr(sha256(value), 1, 8), 'hex') AS installation FROM setting WHERE name = 'identity_key'

-- name: claim
-- Note the place of this database in an installation. One that has counted events was alone until now; one that has
-- counted nothing yet may get another place, but never in another installation.
INSERT INTO setting (name, value)
SELECT 'shard', convert_to(CASE WHEN EXISTS (SELECT FROM log_progress) THEN %(alone)s ELSE %(place)s END, 'UTF8')
ON CONFLICT (name) DO UPDATE SET value = excluded.value
WHERE NOT EXISTS (SELECT FROM log_progress) AND NOT EXISTS (SELECT FROM routing)
  AND starts_with(convert_from(setting.value, 'UTF8'), %(installation)s)

-- name: place
-- The place that was noted.
SELECT convert_from(value, 'UTF8') AS place FROM setting WHERE name = 'shard'

-- name: number_letters
-- Let the ids of dead letters begin where those of no other database come.
SELECT setval(pg_get_serial_sequence('dead_letter', 'id'), %(first)s, false)
WHERE NOT EXISTS (SELECT FROM log_progress)
