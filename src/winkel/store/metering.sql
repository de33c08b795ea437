-- name: metrics_version
-- How often billable metrics have changed.
SELECT value FROM change_counter WHERE name = 'billable_metric'

-- name: runs
-- What a worker keeps in memory of the runs that reach into some buckets.
SELECT id, bucket_low, bucket_high, day, level, keys, sieve, samples
FROM dedupe_run
WHERE topic = %(topic)s AND bucket_low < %(bucket_high)s AND bucket_high > %(bucket_low)s ORDER BY id

-- name: insert_run
-- A new run.
INSERT INTO dedupe_run (topic, bucket_low, bucket_high, day, level, keys, sieve, samples, data)
VALUES (%(topic)s, %(bucket_low)s, %(bucket_high)s, %(day)s, %(level)s, %(keys)s, %(sieve)s, %(samples)s, %(data)s)
RETURNING id

-- name: run_data
-- All keys of a run.
SELECT data FROM dedupe_run WHERE topic = %(topic)s AND id = %(id)s

-- name: run_blocks
-- Some blocks of some runs, in the order in which they are asked for.
SELECT wanted.id, substring(run.data FROM wanted.block * %(bytes)s + 1 FOR %(bytes)s) AS data
FROM unnest(%(ids)s::bigint[], %(blocks)s::integer[]) WITH ORDINALITY AS wanted (id, block, number)
JOIN dedupe_run AS run ON run.topic = %(topic)s AND run.id = wanted.id
ORDER BY wanted.number

-- name: delete_runs
-- Runs whose keys are in a merged run now, or whose day is over.
DELETE FROM dedupe_run WHERE topic = %(topic)s AND id = ANY(%(ids)s) RETURNING id

-- name: expire_conflicts
-- Samples as old as the keys that made them conflicts.
DELETE FROM conflicting_duplicate WHERE topic = %(topic)s AND last_at < %(before)s

-- name: insert_series
-- Series that may be new.
INSERT INTO usage_series (tenant_id, series_id, metric_id, customer_key, group_key, group_values, aggregation_type)
SELECT tenant_id, series_id, metric_id, customer_key, group_key, group_values, aggregation_type
FROM json_to_recordset(%(new)s)
     AS new (tenant_id integer, series_id uuid, metric_id uuid, customer_key text, group_key smallint,
             group_values text[], aggregation_type text)
ON CONFLICT (tenant_id, series_id) DO NOTHING

-- name: copy_deltas
-- What a batch adds to usage.
COPY usage_delta (tenant_id, slot, series_ids, numbers, hours, quantities, ats, texts) FROM STDIN

-- name: copy_dead_letters
-- What could not be counted.
COPY dead_letter (tenant_id, topic, partition, "offset", index, reason, detail, metric_id, transaction_id, payload, at,
                  events)
FROM STDIN

-- name: count_events
-- What became of the events of an arrival hour.
INSERT INTO event_count (tenant_id, topic, partition, hour, counted, duplicates, conflicts, dead_letters)
SELECT tenant_id, %(topic)s, partition, hour, counted, duplicates, conflicts, dead_letters
FROM unnest(%(tenant_id)s::integer[], %(partition)s::integer[], %(hour)s::integer[], %(counted)s::bigint[],
            %(duplicates)s::bigint[], %(conflicts)s::bigint[], %(dead_letters)s::bigint[])
     AS new (tenant_id, partition, hour, counted, duplicates, conflicts, dead_letters)
ON CONFLICT (tenant_id, topic, partition, hour) DO UPDATE SET
    counted = event_count.counted + excluded.counted, duplicates = event_count.duplicates + excluded.duplicates,
    conflicts = event_count.conflicts + excluded.conflicts,
    dead_letters = event_count.dead_letters + excluded.dead_letters

-- name: keep_conflict
-- A sample of a conflicting duplicate; of each key the newest content.
INSERT INTO conflicting_duplicate (tenant_id, topic, key, transaction_id, customer_id, event_type, timestamp,
                                   properties, times, last_at)
VALUES (%(tenant_id)s, %(topic)s, %(key)s, %(transaction_id)s, %(customer_id)s, %(event_type)s, %(timestamp)s,
        %(properties)s, 1, %(at)s)
ON CONFLICT (tenant_id, topic, key) DO UPDATE SET
    customer_id = excluded.customer_id, event_type = excluded.event_type, timestamp = excluded.timestamp,
    properties = excluded.properties, times = conflicting_duplicate.times + 1, last_at = excluded.last_at
