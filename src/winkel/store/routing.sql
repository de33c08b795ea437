-- name: history
-- The versions that were ever in force, oldest first.
SELECT version, lows, partitions, seals FROM routing WHERE topic = %(topic)s AND state = 'active' ORDER BY version

-- name: current
-- The version in force and, if there is one, the one that is being prepared.
(SELECT state, version, lows, partitions, seals FROM routing
 WHERE topic = %(topic)s AND state = 'active' ORDER BY version DESC LIMIT 1)
UNION ALL
(SELECT state, version, lows, partitions, seals FROM routing
 WHERE topic = %(topic)s AND state = 'preparing' AND deadline > clock_timestamp())

-- name: newest
-- The version in force.
SELECT coalesce(max(version), 0) AS version FROM routing WHERE topic = %(topic)s AND state = 'active'

-- name: begin
-- The first version; one that exists stays.
INSERT INTO routing (topic, version, state, lows, partitions, seals, created_at, deadline)
VALUES (%(topic)s, %(version)s, 'active', %(lows)s, %(partitions)s, '{}', clock_timestamp(), clock_timestamp())
ON CONFLICT DO NOTHING

-- name: overdue
-- What was not active in time never will be: whoever prepared it is gone.
UPDATE routing SET state = 'aborted'
WHERE topic = %(topic)s AND state = 'preparing' AND deadline <= clock_timestamp()

-- name: next_version
-- The number of the next version; numbers of aborted ones do not come again.
SELECT coalesce(max(version), 0) + 1 AS version FROM routing WHERE topic = %(topic)s

-- name: prepare
-- Announce a version: from now on gateways hold their events back and say so. No row: another one is being prepared.
INSERT INTO routing (topic, version, state, lows, partitions, seals, created_at, deadline)
VALUES (%(topic)s, %(version)s, 'preparing', %(lows)s, %(partitions)s, '{}', clock_timestamp(),
        clock_timestamp() + make_interval(secs => %(seconds)s))
ON CONFLICT DO NOTHING
RETURNING version

-- name: activate
-- Put a version in force, from these offsets on. No row: it is too late.
UPDATE routing SET state = 'active', seals = %(seals)s
WHERE topic = %(topic)s AND version = %(version)s AND state = 'preparing' AND deadline > clock_timestamp()
RETURNING version

-- name: abort
-- Give up a version that is being prepared, whichever it is or only this one: gateways go on as before.
UPDATE routing SET state = 'aborted'
WHERE topic = %(topic)s AND state = 'preparing' AND version = coalesce(%(version)s::integer, version)
RETURNING version

-- name: renew
-- Take or renew a gateway's lease, and say that it appends nothing under an older version any more.
INSERT INTO gateway_lease (topic, gateway, version, expires_at)
VALUES (%(topic)s, %(gateway)s, %(version)s, clock_timestamp() + make_interval(secs => %(seconds)s))
ON CONFLICT (topic, gateway) DO UPDATE SET version = excluded.version, expires_at = excluded.expires_at

-- name: leave
-- Give the lease back.
DELETE FROM gateway_lease WHERE topic = %(topic)s AND gateway = %(gateway)s

-- name: gateways
-- The gateways that may be appending now.
SELECT gateway, version, extract(epoch FROM expires_at - clock_timestamp())::float8 AS seconds_left
FROM gateway_lease WHERE topic = %(topic)s AND expires_at > clock_timestamp() ORDER BY gateway

-- name: forget_gateways
-- Leases that ended long ago.
DELETE FROM gateway_lease WHERE topic = %(topic)s AND expires_at < clock_timestamp() - interval '1 hour'
