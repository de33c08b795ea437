-- name: opening
-- One process at a time makes the partitions of a log.
SELECT pg_advisory_xact_lock(hashtext('winkel log'))

-- name: make_partitions
-- The partitions of a new log; one that exists keeps those it has.
INSERT INTO log_partition (partition)
SELECT generate_series(0, %(partitions)s - 1) WHERE NOT EXISTS (SELECT FROM log_partition)

-- name: grow
-- More partitions, as many as are missing.
INSERT INTO log_partition (partition) SELECT generate_series(0, %(partitions)s - 1) ON CONFLICT DO NOTHING

-- name: describe
-- How many partitions there are, and the key of event identities.
SELECT (SELECT count(*) FROM log_partition) AS partitions,
       (SELECT value FROM setting WHERE name = 'identity_key') AS secret

-- name: make_days
-- The tables of today and the days to come. The database's clock says what today is; sessions are in UTC.
SELECT make_log_day(current_date + ahead) FROM generate_series(0, %(days)s) AS ahead

-- name: append
-- Queue for the partitions that will be appended to, always in the same order, so that nobody waits in a circle; give
-- the records the next offsets and keep them, all with one instant of the database's clock, taken after the locks are
-- held. The locks last until the end: whoever sees offset n sees everything before it. Returns how many were kept.
-- It is one statement, and a transaction by itself: between two, or before a COMMIT, a gateway could hang and hold the
-- partitions. (The b sends the bytes as they are; s would spell every byte out and take five times as long.)
WITH locked AS MATERIALIZED (
    SELECT array_agg(partition) AS partitions
    FROM (SELECT partition FROM log_partition WHERE partition = ANY(%(partitions)s::integer[])
          ORDER BY partition FOR UPDATE) AS one
), moved AS (
    UPDATE log_partition SET next_offset = next_offset + added.records
    FROM (SELECT unnest(%(partitions)s::integer[]) AS partition, unnest(%(counts)s::bigint[]) AS records) AS added
    WHERE log_partition.partition = added.partition AND added.partition = ANY((SELECT partitions FROM locked)::integer[])
    RETURNING log_partition.partition, next_offset - added.records AS first
), clock AS MATERIALIZED (
    SELECT clock_timestamp() AS at FROM (SELECT count(*) FROM moved) AS all_of_them
), kept AS (
    INSERT INTO log_record (tenant_id, partition, "offset", events, routing, appended_at, data)
    SELECT new.tenant_id, new.partition, moved.first + new.rank, new.events, new.routing, clock.at, new.data
    FROM unnest(%(tenant_ids)s::integer[], %(of)s::integer[], %(ranks)s::bigint[], %(events)s::integer[],
                %(routings)s::integer[], %(data)b::bytea[]) AS new (tenant_id, partition, rank, events, routing, data)
    JOIN moved ON moved.partition = new.partition
    CROSS JOIN clock
    RETURNING 1
)
SELECT count(*) AS records FROM kept

-- name: bounds
-- The offsets of the oldest record and of the next one.
SELECT start_offset, next_offset FROM log_partition WHERE partition = %(partition)s

-- name: all_bounds
-- The same of every partition, for readers that wait.
SELECT partition, start_offset, next_offset FROM log_partition ORDER BY partition

-- name: read
-- Records from an offset on, until they hold enough events or bytes. `since` lets the planner leave out earlier days.
SELECT tenant_id, partition, "offset", events, routing, appended_at, data
FROM (
    SELECT *, sum(events) OVER this - events AS before, sum(octet_length(data)) OVER this - octet_length(data) AS bytes
    FROM (
        SELECT * FROM log_record
        WHERE partition = %(partition)s AND "offset" >= %(offset)s AND appended_at >= %(since)s
        ORDER BY "offset" LIMIT %(records)s
    ) AS next
    WINDOW this AS (ORDER BY "offset")
) AS counted
WHERE before < %(events)s AND bytes < %(bytes)s
ORDER BY "offset"

-- name: hurry
-- Rather give up than make appenders queue behind us.
SELECT set_config('lock_timeout', '200ms', true)

-- name: lock_all
-- Hold back appends; in the order of the partitions, as `append` does.
SELECT partition FROM log_partition ORDER BY partition FOR UPDATE

-- name: days
-- The days that have a table, oldest first.
SELECT to_date(right(child.relname, 8), 'YYYYMMDD') AS day
FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
WHERE inhparent = 'log_record'::regclass ORDER BY 1

-- name: ends_of_day
-- Where each partition stood after the last record of a day.
SELECT partition, (
    SELECT "offset" + 1 FROM log_record
    WHERE log_record.partition = log_partition.partition AND appended_at >= %(day)s AND appended_at < %(next_day)s
    ORDER BY "offset" DESC LIMIT 1
) AS past
FROM log_partition ORDER BY partition

-- name: move_start
-- The records before `start` are gone. Returns how many they were.
UPDATE log_partition SET start_offset = %(start)s
FROM log_partition AS old
WHERE log_partition.partition = %(partition)s AND old.partition = log_partition.partition
  AND old.start_offset < %(start)s
RETURNING log_partition.start_offset - old.start_offset AS dropped

-- name: drop_day
-- Drop a day's table.
SELECT drop_log_day(%(day)s)

-- name: as_tenant
-- For this transaction, be the role that sees nothing but one tenant's rows.
SELECT set_config('role', 'winkel_app', true), set_config('winkel.tenant_id', %(tenant_id)s, true)

-- name: newest
-- A tenant's newest records before a place in that order. (The first condition is for the index.)
SELECT tenant_id, partition, "offset", events, routing, appended_at, data
FROM log_record
WHERE tenant_id = %(tenant_id)s AND appended_at <= %(at)s
  AND (appended_at, partition, "offset") < (%(at)s, %(partition)s, %(offset)s)
ORDER BY appended_at DESC, partition DESC, "offset" DESC LIMIT %(limit)s
