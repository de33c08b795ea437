-- name: lead
-- Be the only one who decides for this log, until this connection ends.
SELECT pg_try_advisory_lock(hashtext('winkel autoscale'), hashtext(%(topic)s)) AS leads

-- name: keep
-- The last decision; a new one in place of the old.
INSERT INTO autoscale (topic, desired, reason, at) VALUES (%(topic)s, %(desired)s, %(reason)s, clock_timestamp())
ON CONFLICT (topic) DO UPDATE SET desired = excluded.desired, reason = excluded.reason, at = excluded.at

-- name: last
-- The last decision for a log.
SELECT topic, desired, reason, at, extract(epoch FROM clock_timestamp() - at)::float8 AS age_seconds
FROM autoscale WHERE topic = %(topic)s

-- name: newest
-- The last decision for whichever log is metered now.
SELECT topic, desired, reason, at, extract(epoch FROM clock_timestamp() - at)::float8 AS age_seconds
FROM autoscale ORDER BY at DESC LIMIT 1
