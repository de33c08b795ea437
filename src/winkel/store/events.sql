-- name: summary
-- What became of a tenant's events, all hours and partitions together.
SELECT coalesce(sum(counted), 0)::bigint AS counted, coalesce(sum(duplicates), 0)::bigint AS duplicates,
       coalesce(sum(conflicts), 0)::bigint AS conflicts, coalesce(sum(dead_letters), 0)::bigint AS dead_letters
FROM event_count WHERE tenant_id = %(tenant_id)s

-- name: conflicting_duplicates
-- Repeated ids whose content differed, the last one to come first.
SELECT encode(key, 'hex') AS id, transaction_id, customer_id, event_type, timestamp, properties, times, last_at
FROM conflicting_duplicate
WHERE tenant_id = %(tenant_id)s
  AND (%(at)s::timestamptz IS NULL OR (last_at, key) < (%(at)s, decode(%(key)s, 'hex')))
ORDER BY last_at DESC, key DESC LIMIT %(limit)s

-- name: remembered
-- Which of these event identities were counted since a day.
SELECT winkel_remembered(%(space)s, %(since)s, %(identities)s) AS identity
