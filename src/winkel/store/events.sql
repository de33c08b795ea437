-- name: newest_records
-- Records of the log that hold a tenant's newest events, newest first; older than a place in that order, if one is given.
SELECT tenant_id, partition, "offset", events, appended_at, data
FROM log_record
WHERE tenant_id = %(tenant_id)s
  AND appended_at <= coalesce(%(at)s, 'infinity'::timestamptz)
  AND (%(at)s::timestamptz IS NULL OR (appended_at, partition, "offset") < (%(at)s, %(partition)s, %(offset)s))
ORDER BY appended_at DESC, partition DESC, "offset" DESC LIMIT %(limit)s

-- name: summary
-- What became of a tenant's events, all hours and partitions together.
SELECT coalesce(sum(counted), 0)::bigint AS counted, coalesce(sum(duplicates), 0)::bigint AS duplicates,
       coalesce(sum(conflicts), 0)::bigint AS conflicts, coalesce(sum(dead_letters), 0)::bigint AS dead_letters
FROM event_count WHERE tenant_id = %(tenant_id)s

-- name: dead_letters
-- Events that could not be counted, newest first.
SELECT id::text, topic, partition, "offset", index, reason, detail, metric_id::text, transaction_id, payload, at
FROM dead_letter
WHERE tenant_id = %(tenant_id)s AND (%(before)s::bigint IS NULL OR id < %(before)s)
ORDER BY id DESC LIMIT %(limit)s

-- name: conflicting_duplicates
-- Repeated ids whose content differed, the last one to come first.
SELECT encode(key, 'hex') AS id, transaction_id, customer_id, event_type, timestamp, properties, times, last_at
FROM conflicting_duplicate
WHERE tenant_id = %(tenant_id)s
  AND (%(at)s::timestamptz IS NULL OR (last_at, key) < (%(at)s, decode(%(key)s, 'hex')))
ORDER BY last_at DESC, key DESC LIMIT %(limit)s
