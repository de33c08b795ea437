-- name: insert
-- A new prepaid commit or credit.
INSERT INTO balance (tenant_id, id, type, customer_id, contract_id, product_id, credit_type_id, segments, priority,
                     name, description, applicable_contract_ids, applicable_product_ids, applicable_product_tags,
                     specifiers, rate_type, invoice_schedule, invoice_contract_id, rollover_fraction,
                     netsuite_sales_order_id, salesforce_opportunity_id, uniqueness_key, custom_fields, created_at,
                     created_by, recurring_id, child_access, rolled_over_from, allocation)
VALUES (%(tenant_id)s, %(id)s, %(type)s, %(customer_id)s, %(contract_id)s, %(product_id)s, %(credit_type_id)s,
        %(segments)s, %(priority)s, %(name)s, %(description)s, %(applicable_contract_ids)s,
        %(applicable_product_ids)s, %(applicable_product_tags)s, %(specifiers)s, %(rate_type)s, %(invoice_schedule)s,
        %(invoice_contract_id)s, %(rollover_fraction)s, %(netsuite_sales_order_id)s, %(salesforce_opportunity_id)s,
        %(uniqueness_key)s, %(custom_fields)s, %(created_at)s, %(created_by)s, %(recurring_id)s, %(child_access)s,
        %(rolled_over_from)s, %(allocation)s)

-- name: find
-- One balance of a customer, archived or not.
SELECT id::text, type, customer_id::text, contract_id::text, product_id::text, credit_type_id::text, segments,
       priority, name, description, applicable_contract_ids, applicable_product_ids, applicable_product_tags,
       specifiers, rate_type, invoice_schedule, invoice_contract_id::text, rollover_fraction,
       netsuite_sales_order_id, salesforce_opportunity_id, uniqueness_key, custom_fields, created_at, created_by,
       archived_at, recurring_id::text, child_access, rolled_over_from, allocation, retired_at
FROM balance
WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s AND id = %(id)s

-- name: ids
-- The ids of all balances of some customers and of their contracts, archived and retired ones too.
SELECT customer_id::text, id::text FROM balance
WHERE tenant_id = %(tenant_id)s AND customer_id = ANY (%(customer_ids)s::uuid[])

-- name: of_customers
-- The balances of some customers and of their contracts, oldest first; archived and retired ones if asked for.
SELECT id::text, type, customer_id::text, contract_id::text, product_id::text, credit_type_id::text, segments,
       priority, name, description, applicable_contract_ids, applicable_product_ids, applicable_product_tags,
       specifiers, rate_type, invoice_schedule, invoice_contract_id::text, rollover_fraction,
       netsuite_sales_order_id, salesforce_opportunity_id, uniqueness_key, custom_fields, created_at, created_by,
       archived_at, recurring_id::text, child_access, rolled_over_from, allocation, retired_at
FROM balance
WHERE tenant_id = %(tenant_id)s AND customer_id = ANY (%(customer_ids)s::uuid[])
  AND (%(include_archived)s OR archived_at IS NULL AND retired_at IS NULL)
ORDER BY created_at, id

-- name: page
-- Balances of a customer, oldest first, by type and by when they give access.
SELECT id::text, type, customer_id::text, contract_id::text, product_id::text, credit_type_id::text, segments,
       priority, name, description, applicable_contract_ids, applicable_product_ids, applicable_product_tags,
       specifiers, rate_type, invoice_schedule, invoice_contract_id::text, rollover_fraction,
       netsuite_sales_order_id, salesforce_opportunity_id, uniqueness_key, custom_fields, created_at, created_by,
       archived_at, recurring_id::text, child_access, rolled_over_from, allocation, retired_at
FROM balance
WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s
  AND type = ANY (%(types)s)
  AND (%(id)s::uuid IS NULL OR id = %(id)s)
  AND (%(by_quantity)s::boolean IS NULL OR (credit_type_id = %(quantity)s) = %(by_quantity)s)
  AND (%(include_archived)s OR archived_at IS NULL AND retired_at IS NULL)
  AND (%(include_contracts)s OR contract_id IS NULL)
  AND (%(covering)s::timestamptz IS NULL OR EXISTS (
       SELECT FROM jsonb_to_recordset(segments) AS segment (starting_at timestamptz, ending_before timestamptz)
       WHERE segment.starting_at <= %(covering)s AND segment.ending_before > %(covering)s))
  AND (%(starting_at)s::timestamptz IS NULL OR EXISTS (
       SELECT FROM jsonb_to_recordset(segments) AS segment (ending_before timestamptz)
       WHERE segment.ending_before > %(starting_at)s))
  AND (%(effective_before)s::timestamptz IS NULL OR EXISTS (
       SELECT FROM jsonb_to_recordset(segments) AS segment (starting_at timestamptz)
       WHERE segment.starting_at < %(effective_before)s))
  AND (%(after_at)s::timestamptz IS NULL OR (created_at, id) > (%(after_at)s, %(after_id)s::uuid))
ORDER BY created_at, id
LIMIT %(limit)s

-- name: update
-- Change the terms of a balance; whose it is, and in which pricing unit, stays.
UPDATE balance SET product_id = %(product_id)s, segments = %(segments)s, priority = %(priority)s, name = %(name)s,
    description = %(description)s, applicable_contract_ids = %(applicable_contract_ids)s,
    applicable_product_ids = %(applicable_product_ids)s, applicable_product_tags = %(applicable_product_tags)s,
    specifiers = %(specifiers)s, rate_type = %(rate_type)s, invoice_schedule = %(invoice_schedule)s,
    invoice_contract_id = %(invoice_contract_id)s, rollover_fraction = %(rollover_fraction)s,
    netsuite_sales_order_id = %(netsuite_sales_order_id)s, archived_at = %(archived_at)s,
    child_access = %(child_access)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: set_schedules
-- Shorten the access or the invoicing of a balance.
UPDATE balance SET segments = %(segments)s, invoice_schedule = %(invoice_schedule)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: retire
-- Take used up commits out of billing.
UPDATE balance SET retired_at = %(at)s WHERE tenant_id = %(tenant_id)s AND id = ANY (%(ids)s::uuid[])

-- name: bring_back
-- Let retired commits take part in billing again.
UPDATE balance SET retired_at = NULL
WHERE tenant_id = %(tenant_id)s AND id = ANY (%(ids)s::uuid[]) AND retired_at IS NOT NULL

-- name: archive_of_contract
-- Archive the balances of a contract together with it.
UPDATE balance SET archived_at = %(at)s
WHERE tenant_id = %(tenant_id)s AND contract_id = %(contract_id)s AND archived_at IS NULL

-- name: unbalanced
-- Balances whose amount is not what rolled over to them, in all tenants.
SELECT tenant_id, id::text
FROM balance, LATERAL (
    SELECT coalesce(sum((segment ->> 'amount')::numeric), 0) AS amount FROM jsonb_array_elements(segments) AS segment
) AS given
WHERE rolled_over_from IS NOT NULL AND amount + (
    SELECT coalesce(sum(entry.amount), 0) FROM ledger_entry AS entry
    WHERE entry.tenant_id = balance.tenant_id AND entry.kind = 'ROLLOVER'
      AND entry.balance_id = (rolled_over_from ->> 'balance_id')::uuid AND entry.new_contract_id = balance.contract_id
) <> 0
ORDER BY tenant_id, id
