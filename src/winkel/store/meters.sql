-- name: put
-- Say what a meter did since it started.
INSERT INTO meter_status (topic, meter, started_at, seen_at, partitions, records, events, duplicates, dead_letters,
                          forwarded, batches, busy_seconds, commit_seconds, age_seconds)
VALUES (%(topic)s, %(meter)s, %(started_at)s, clock_timestamp(), %(partitions)s, %(records)s, %(events)s,
        %(duplicates)s, %(dead_letters)s, %(forwarded)s, %(batches)s, %(busy_seconds)s, %(commit_seconds)s,
        %(age_seconds)s)
ON CONFLICT (topic, meter) DO UPDATE SET
    started_at = excluded.started_at, seen_at = excluded.seen_at, partitions = excluded.partitions,
    records = excluded.records, events = excluded.events, duplicates = excluded.duplicates,
    dead_letters = excluded.dead_letters, forwarded = excluded.forwarded, batches = excluded.batches,
    busy_seconds = excluded.busy_seconds, commit_seconds = excluded.commit_seconds, age_seconds = excluded.age_seconds

-- name: alive
-- The meters that gave a sign lately, and how long ago that was by the database's clock.
SELECT meter, started_at, seen_at, extract(epoch FROM clock_timestamp() - seen_at)::float8 AS silent_seconds,
       partitions, records, events, duplicates, dead_letters, forwarded, batches, busy_seconds, commit_seconds,
       age_seconds
FROM meter_status
WHERE topic = %(topic)s AND seen_at > clock_timestamp() - make_interval(secs => %(within)s)
ORDER BY meter

-- name: remove
-- A meter that ended in peace.
DELETE FROM meter_status WHERE topic = %(topic)s AND meter = %(meter)s

-- name: forget
-- Meters that were killed long ago.
DELETE FROM meter_status WHERE topic = %(topic)s AND seen_at < clock_timestamp() - interval '1 hour'
