-- name: lag
-- How many records of each partition are logged but not metered yet, who meters it, and when it last moved.
SELECT log_partition.partition, log_partition.next_offset,
       coalesce(log_progress.next_offset, 0) AS metered_offset, log_progress.owner, log_progress.updated_at
FROM log_partition
LEFT JOIN log_progress ON log_progress.partition = log_partition.partition AND log_progress.topic = %(topic)s
ORDER BY log_partition.partition

-- name: open_deltas
-- How many additions to usage are not merged yet; counting stops at the limit.
SELECT count(*) AS count FROM (SELECT FROM usage_delta LIMIT %(limit)s) AS few

-- name: troubles
-- Events of all tenants since an hour that were not counted or not clear.
SELECT coalesce(sum(dead_letters), 0)::bigint AS dead_letters, coalesce(sum(conflicts), 0)::bigint AS conflicts
FROM event_count WHERE hour >= %(hour)s

-- name: failed_billings
-- How many customers could not be billed at the last try.
SELECT count(*) AS count FROM billing_due WHERE problem IS NOT NULL

-- name: now
-- The database's clock.
SELECT clock_timestamp() AS now
