-- name: lock
-- One change at a time of what belongs to an owner, so that no schedule is made twice and no segment is lost.
SELECT pg_advisory_xact_lock(hashtextextended('named_schedule ' || %(owner_id)s, %(tenant_id)s))

-- name: find
-- The schedule of an owner with a name and exactly these properties.
SELECT id::text, owner, owner_id::text, schedule_name, properties, segments, created_at
FROM named_schedule
WHERE tenant_id = %(tenant_id)s AND owner_id = %(owner_id)s AND owner = %(owner)s
  AND schedule_name = %(schedule_name)s AND properties = %(properties)s

-- name: insert
-- A new schedule.
INSERT INTO named_schedule (tenant_id, id, owner, owner_id, schedule_name, properties, segments, created_at)
VALUES (%(tenant_id)s, %(id)s, %(owner)s, %(owner_id)s, %(schedule_name)s, %(properties)s, %(segments)s,
        %(created_at)s)

-- name: update
-- Other segments.
UPDATE named_schedule SET segments = %(segments)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: of_contracts
-- Schedules of a customer's contracts, archived ones too, oldest first.
SELECT schedule.id::text, owner, owner_id::text, schedule_name, properties, segments, schedule.created_at
FROM contract
JOIN named_schedule AS schedule
  ON schedule.tenant_id = contract.tenant_id AND schedule.owner_id = contract.id AND schedule.owner = 'CONTRACT'
WHERE contract.tenant_id = %(tenant_id)s AND contract.customer_id = %(customer_id)s
  AND (%(contract_id)s::uuid IS NULL OR contract.id = %(contract_id)s)
  AND (%(schedule_name)s::text IS NULL OR schedule_name = %(schedule_name)s)
  AND properties @> %(properties)s
  AND (%(after_at)s::timestamptz IS NULL OR (schedule.created_at, schedule.id) > (%(after_at)s, %(after_id)s::uuid))
ORDER BY schedule.created_at, schedule.id
LIMIT %(limit)s
