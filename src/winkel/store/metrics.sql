-- name: insert
-- A new billable metric.
INSERT INTO billable_metric (tenant_id, id, name, aggregation_type, aggregation_key, event_type_filter,
                             property_filters, group_keys, custom_fields, created_at)
VALUES (%(tenant_id)s, %(id)s, %(name)s, %(aggregation_type)s, %(aggregation_key)s, %(event_type_filter)s,
        %(property_filters)s, %(group_keys)s, %(custom_fields)s, %(created_at)s)

-- name: by_ids
-- Those of these ids that exist, archived ones too.
SELECT id::text, name, aggregation_type, aggregation_key, event_type_filter, property_filters, group_keys,
       custom_fields, created_at, archived_at
FROM billable_metric
WHERE tenant_id = %(tenant_id)s AND id = ANY(%(ids)s::uuid[])

-- name: page
-- One page, oldest first; with `ids`, only those.
SELECT id::text, name, aggregation_type, aggregation_key, event_type_filter, property_filters, group_keys,
       custom_fields, created_at, archived_at
FROM billable_metric
WHERE tenant_id = %(tenant_id)s
  AND (%(include_archived)s OR archived_at IS NULL)
  AND (%(ids)s::uuid[] IS NULL OR id = ANY(%(ids)s::uuid[]))
  AND (%(after_at)s::timestamptz IS NULL OR (created_at, id) > (%(after_at)s::timestamptz, %(after_id)s::uuid))
ORDER BY created_at, id
LIMIT %(limit)s

-- name: all_by_tenant
-- The metrics of every tenant, archived ones too: events of both are metered. For the owner's connection.
SELECT tenant_id, id::text, name, aggregation_type, aggregation_key, event_type_filter, property_filters, group_keys,
       custom_fields, created_at, archived_at
FROM billable_metric
ORDER BY tenant_id, created_at, id

-- name: rename
-- Give a metric another name, the only thing about it that changes.
UPDATE billable_metric SET name = %(name)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
RETURNING id::text

-- name: archive
-- End the use of a metric in new products. Archiving it again changes nothing.
UPDATE billable_metric SET archived_at = coalesce(archived_at, %(at)s)
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
RETURNING id::text
