-- name: page
-- Dead letters, newest first; older than a place in that order, if one is given. No tenant: of all, for operators.
SELECT id::text, tenant_id, topic, partition, "offset", index, events, reason, detail, metric_id::text, transaction_id,
       payload, at, attempts, note, resolved_at, resolution
FROM dead_letter
WHERE (%(tenant_id)s::integer IS NULL OR tenant_id = %(tenant_id)s)
  AND (%(at)s::timestamptz IS NULL OR (at, id) < (%(at)s, %(letter)s::bigint))
  AND (%(reason)s::text IS NULL OR reason = %(reason)s)
  AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
  AND (%(resolved)s::boolean IS NULL OR (resolved_at IS NOT NULL) = %(resolved)s)
ORDER BY at DESC, id DESC LIMIT %(limit)s

-- name: open_ids
-- All dead letters that nothing was done about, the oldest first.
SELECT id::text FROM dead_letter
WHERE (%(tenant_id)s::integer IS NULL OR tenant_id = %(tenant_id)s) AND resolved_at IS NULL
  AND (%(reason)s::text IS NULL OR reason = %(reason)s) AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
ORDER BY id

-- name: find
-- One dead letter.
SELECT id::text, tenant_id, topic, partition, "offset", index, events, reason, detail, metric_id::text, transaction_id,
       payload, at, attempts, note, resolved_at, resolution
FROM dead_letter WHERE (%(tenant_id)s::integer IS NULL OR tenant_id = %(tenant_id)s) AND id = %(id)s::bigint

-- name: lock
-- One dead letter, held until the end of the transaction: two who retry it at once count it once.
SELECT id::text, tenant_id, topic, partition, "offset", index, events, reason, detail, metric_id::text, transaction_id,
       payload, at, attempts, note, resolved_at, resolution
FROM dead_letter WHERE (%(tenant_id)s::integer IS NULL OR tenant_id = %(tenant_id)s) AND id = %(id)s::bigint
FOR UPDATE

-- name: resolve
-- Note what was done about a dead letter, and why or how.
UPDATE dead_letter
SET resolved_at = %(at)s, resolution = %(resolution)s, note = %(note)s, attempts = %(attempts)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s::bigint

-- name: keep
-- Note that a retry failed, and why.
UPDATE dead_letter SET note = %(note)s, attempts = %(attempts)s WHERE tenant_id = %(tenant_id)s AND id = %(id)s::bigint

-- name: add_delta
-- What one event adds to usage. (COPY does not get past row-level security.)
INSERT INTO usage_delta (tenant_id, slot, series_ids, numbers, hours, quantities, ats, texts)
VALUES (%(tenant_id)s, %(slot)s, %(series_ids)s::uuid[], %(numbers)s::smallint[], %(hours)s::integer[],
        %(quantities)s::numeric[], %(ats)s::bigint[], %(texts)s::text[])

-- name: invoiced
-- The finalized usage invoices of a customer whose period an instant lies in.
SELECT id::text FROM invoice
WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s AND type = 'USAGE' AND status = 'FINALIZED'
  AND start <= %(at)s AND "end" > %(at)s
ORDER BY invoice.id

-- name: holder
-- The customer who has this identifier: as an alias, or as its id in small letters or in capitals (model/customer.py).
SELECT coalesce(
    (SELECT customer_id FROM ingest_alias WHERE tenant_id = %(tenant_id)s AND alias = %(customer_key)s),
    (SELECT id FROM customer WHERE tenant_id = %(tenant_id)s AND %(customer_key)s IN (id::text, upper(id::text))))::text
    AS id

-- name: unpublished
-- Dead letters of a log that were not told to its topic yet, in their order.
SELECT id::text, tenant_id, topic, partition, "offset", index, events, reason, detail, metric_id::text, transaction_id,
       payload, at, attempts, note, resolved_at, resolution
FROM dead_letter WHERE topic = %(topic)s AND published_at IS NULL
ORDER BY id LIMIT %(limit)s

-- name: published
-- Note that dead letters were told to the topic.
UPDATE dead_letter SET published_at = clock_timestamp() WHERE id = ANY(%(ids)s::bigint[])
