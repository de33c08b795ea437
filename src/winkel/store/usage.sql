-- name: compact_lock
-- One compaction at a time in one database; who comes second has nothing to do.
SELECT pg_try_advisory_xact_lock(hashtext('winkel compaction')) AS alone

-- name: compact
-- Merge some deltas into usage. One statement, one snapshot: a reader sees each delta either here or there.
-- Text is ordered by code point (COLLATE "C"), as everywhere outside the database. A delta's shape tells LATEST and
-- UNIQUE (model/usage.py, Delta); to tell SUM from MAX its series is looked up, after grouping, because many deltas
-- are of one series. Looked up one by one: the planner takes ten rows for what may be a quarter of a million, and with
-- statistics from before there were series it joined them in a nested loop that did not end.
WITH moved AS (
    DELETE FROM usage_delta
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM usage_delta LIMIT %(limit)s))
    RETURNING tenant_id, series_ids, numbers, hours, quantities, ats, texts
), entries AS (
    SELECT tenant_id, series_ids[number] AS series_id, hour, quantity, at, text
    FROM moved, unnest(numbers, hours, quantities, ats, texts) AS entry (number, hour, quantity, at, text)
), numbers AS (
    SELECT tenant_id, series_id, hour, sum(quantity) AS total, max(quantity) AS largest, count(*) AS entries
    FROM entries WHERE text IS NULL
    GROUP BY tenant_id, series_id, hour
), typed AS (
    SELECT numbers.*, (
        SELECT series.aggregation_type FROM usage_series AS series
        WHERE series.tenant_id = numbers.tenant_id AND series.series_id = numbers.series_id
    ) AS kind
    FROM numbers
), sums AS (
    INSERT INTO usage_hour AS base (tenant_id, series_id, hour, quantity)
    SELECT tenant_id, series_id, hour, total FROM typed WHERE kind IN ('COUNT', 'SUM')
    ORDER BY tenant_id, series_id, hour
    ON CONFLICT (tenant_id, series_id, hour) DO UPDATE SET quantity = base.quantity + excluded.quantity
), largest AS (
    INSERT INTO usage_hour AS base (tenant_id, series_id, hour, quantity)
    SELECT tenant_id, series_id, hour, largest FROM typed WHERE kind = 'MAX'
    ON CONFLICT (tenant_id, series_id, hour) DO UPDATE SET quantity = greatest(base.quantity, excluded.quantity)
), latest AS (
    INSERT INTO usage_hour AS base (tenant_id, series_id, hour, quantity, at, text)
    SELECT DISTINCT ON (tenant_id, series_id, hour) tenant_id, series_id, hour, quantity, at, text
    FROM entries WHERE at IS NOT NULL
    ORDER BY tenant_id, series_id, hour, at DESC, text COLLATE "C" DESC, quantity DESC
    ON CONFLICT (tenant_id, series_id, hour) DO UPDATE
    SET quantity = excluded.quantity, at = excluded.at, text = excluded.text
    WHERE (excluded.at, excluded.text COLLATE "C", excluded.quantity) > (base.at, base.text COLLATE "C", base.quantity)
), distinct_values AS (
    INSERT INTO usage_distinct (tenant_id, series_id, hour, value)
    SELECT DISTINCT tenant_id, series_id, hour, text FROM entries WHERE text IS NOT NULL AND at IS NULL
    ON CONFLICT (tenant_id, series_id, hour, value) DO NOTHING
)
SELECT (SELECT count(*) FROM moved) AS moved,
       (SELECT coalesce(sum(entries), 0) FROM typed WHERE kind IS NULL)::bigint AS untyped

-- name: hours
-- Merged hours and distinct values of some series, and then, in rows without a metric, what is open of them: each as
-- columns. One statement, one snapshot: what compaction moves meanwhile is seen exactly once. Numbers come as one text:
-- that is read four times as fast as an array. The two parts are not joined, because the planner knows nothing of what is
-- in arrays: it chose a nested loop over all pairs of series. IS TRUE keeps it from making one of the IN.
WITH wanted AS MATERIALIZED (
    SELECT series.*
    FROM unnest(%(metric_ids)s::uuid[], %(group_keys)s::smallint[]) AS asked (metric_id, group_key)
    JOIN usage_series AS series
      ON series.tenant_id = %(tenant_id)s AND series.customer_key = ANY(%(customer_keys)s)
     AND series.metric_id = asked.metric_id AND series.group_key = asked.group_key
)
SELECT uuid_send(series_id) AS series_id, metric_id::text, customer_key, group_values, aggregation_type,
       base.hours, base.quantities, base.ats, base.texts, seen.hours AS seen_hours, seen.values AS seen_values
FROM wanted
LEFT JOIN LATERAL (
    SELECT array_agg(hour) AS hours, string_agg(quantity::text, ' ') AS quantities,
           array_agg(at) FILTER (WHERE at IS NOT NULL) AS ats, array_agg(text) FILTER (WHERE at IS NOT NULL) AS texts
    FROM usage_hour
    WHERE tenant_id = %(tenant_id)s AND series_id = wanted.series_id
      AND hour >= %(start_hour)s AND hour < %(end_hour)s
) AS base ON wanted.aggregation_type <> 'UNIQUE'
LEFT JOIN LATERAL (
    SELECT array_agg(hour) AS hours, array_agg(value) AS values
    FROM usage_distinct
    WHERE tenant_id = %(tenant_id)s AND series_id = wanted.series_id
      AND hour >= %(start_hour)s AND hour < %(end_hour)s
) AS seen ON wanted.aggregation_type = 'UNIQUE'
UNION ALL
SELECT uuid_send(series_ids[number]), NULL, NULL, NULL, NULL,
       array_agg(hour), string_agg(quantity::text, ' '), array_agg(at), array_agg(text), NULL, NULL
FROM usage_delta AS delta,
     unnest(numbers, delta.hours, quantities, ats, delta.texts) AS entry (number, hour, quantity, at, text)
WHERE tenant_id = %(tenant_id)s AND slot = ANY(%(slots)s) AND hour >= %(start_hour)s AND hour < %(end_hour)s
  AND (series_ids[number] IN (SELECT series_id FROM wanted)) IS TRUE
GROUP BY series_ids[number]
ORDER BY customer_key, series_id
