-- name: insert
-- A new contract.
INSERT INTO contract (tenant_id, id, customer_id, rate_card_id, name, starting_at, ending_before,
                      usage_statement_schedule, net_payment_terms_days, netsuite_sales_order_id,
                      salesforce_opportunity_id, total_contract_value, uniqueness_key, custom_fields, overrides,
                      multiplier_override_prioritization, scheduled_charges, recurring_balances, subscriptions,
                      usage_filters, as_child, consolidation, transition, package_id, discounts,
                      scheduled_charges_on_usage_invoices, professional_services, pro_service_invoices,
                      created_at, created_by)
VALUES (%(tenant_id)s, %(id)s, %(customer_id)s, %(rate_card_id)s, %(name)s, %(starting_at)s, %(ending_before)s,
        %(usage_statement_schedule)s, %(net_payment_terms_days)s, %(netsuite_sales_order_id)s,
        %(salesforce_opportunity_id)s, %(total_contract_value)s, %(uniqueness_key)s, %(custom_fields)s, %(overrides)s,
        %(multiplier_override_prioritization)s, %(scheduled_charges)s, %(recurring_balances)s, %(subscriptions)s, %(usage_filters)s,
        %(as_child)s, %(consolidation)s, %(transition)s, %(package_id)s, %(discounts)s,
        %(scheduled_charges_on_usage_invoices)s, %(professional_services)s, %(pro_service_invoices)s,
        %(created_at)s, %(created_by)s)

-- name: find
-- One contract of a customer, archived or not.
SELECT id::text, customer_id::text, rate_card_id::text, name, starting_at, ending_before, usage_statement_schedule,
       net_payment_terms_days, netsuite_sales_order_id, salesforce_opportunity_id, total_contract_value,
       uniqueness_key, custom_fields, overrides, multiplier_override_prioritization, scheduled_charges,
       created_at, created_by, archived_at, recurring_balances, subscriptions, usage_filters,
       as_child, consolidation, transition, package_id::text, discounts, scheduled_charges_on_usage_invoices,
       professional_services, pro_service_invoices, issue_dates
FROM contract
WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s AND id = %(id)s

-- name: of_customers
-- All contracts of some customers, oldest first.
SELECT id::text, customer_id::text, rate_card_id::text, name, starting_at, ending_before, usage_statement_schedule,
       net_payment_terms_days, netsuite_sales_order_id, salesforce_opportunity_id, total_contract_value,
       uniqueness_key, custom_fields, overrides, multiplier_override_prioritization, scheduled_charges,
       created_at, created_by, archived_at, recurring_balances, subscriptions, usage_filters,
       as_child, consolidation, transition, package_id::text, discounts, scheduled_charges_on_usage_invoices,
       professional_services, pro_service_invoices, issue_dates
FROM contract
WHERE tenant_id = %(tenant_id)s AND customer_id = ANY (%(customer_ids)s::uuid[])
  AND (%(include_archived)s OR archived_at IS NULL)
ORDER BY created_at, id

-- name: page
-- Contracts of a customer that cover an instant, or that start at one or later, oldest first.
SELECT id::text, customer_id::text, rate_card_id::text, name, starting_at, ending_before, usage_statement_schedule,
       net_payment_terms_days, netsuite_sales_order_id, salesforce_opportunity_id, total_contract_value,
       uniqueness_key, custom_fields, overrides, multiplier_override_prioritization, scheduled_charges,
       created_at, created_by, archived_at, recurring_balances, subscriptions, usage_filters,
       as_child, consolidation, transition, package_id::text, discounts, scheduled_charges_on_usage_invoices,
       professional_services, pro_service_invoices, issue_dates
FROM contract
WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s
  AND (%(include_archived)s OR archived_at IS NULL)
  AND (%(covering)s::timestamptz IS NULL
       OR starting_at <= %(covering)s AND coalesce(ending_before, 'infinity') > %(covering)s)
  AND (%(starting_at)s::timestamptz IS NULL OR starting_at >= %(starting_at)s)
  AND (%(after_at)s::timestamptz IS NULL OR (created_at, id) > (%(after_at)s, %(after_id)s::uuid))
ORDER BY created_at, id
LIMIT %(limit)s

-- name: holders
-- The next customers that have open contracts, by id.
SELECT customer_id::text FROM contract
WHERE tenant_id = %(tenant_id)s AND archived_at IS NULL
  AND (%(after)s::uuid IS NULL OR customer_id > %(after)s)
GROUP BY customer_id
ORDER BY contract.customer_id
LIMIT %(limit)s

-- name: update
-- Change the terms of a contract; whose it is, when it began and how it is billed stays.
UPDATE contract SET name = %(name)s, ending_before = %(ending_before)s,
    net_payment_terms_days = %(net_payment_terms_days)s, overrides = %(overrides)s,
    scheduled_charges = %(scheduled_charges)s, recurring_balances = %(recurring_balances)s,
    subscriptions = %(subscriptions)s, usage_filters = %(usage_filters)s,
    discounts = %(discounts)s, issue_dates = %(issue_dates)s,
    professional_services = %(professional_services)s, pro_service_invoices = %(pro_service_invoices)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: filter_names
-- The names by which live contracts of some cards filter usage after an instant: each choice of them once.
SELECT DISTINCT ARRAY(SELECT DISTINCT filter ->> 'group_key' FROM jsonb_array_elements(usage_filters) AS filter
                      ORDER BY 1) AS names
FROM contract
WHERE tenant_id = %(tenant_id)s AND rate_card_id = ANY (%(rate_card_ids)s::uuid[]) AND usage_filters <> '[]'
  AND archived_at IS NULL AND coalesce(ending_before, 'infinity') > %(since)s

-- name: archive
-- Archive a contract; the first time counts.
UPDATE contract SET archived_at = coalesce(archived_at, %(at)s)
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: invoiced_periods
-- The periods of a contract that have a finalized usage statement, the oldest first.
SELECT start, "end" FROM invoice
WHERE tenant_id = %(tenant_id)s AND contract_id = %(id)s AND type = 'USAGE' AND status = 'FINALIZED'
ORDER BY start

-- name: archived_renewals
-- The archived contracts of some customers that renew others, and which.
SELECT id::text, transition ->> 'from_contract_id' AS renewed FROM contract
WHERE tenant_id = %(tenant_id)s AND customer_id = ANY (%(customer_ids)s::uuid[])
  AND archived_at IS NOT NULL AND transition IS NOT NULL

-- name: children_of
-- The children of a customer's contracts, without archived ones, oldest first.
SELECT id::text, customer_id::text, rate_card_id::text, name, starting_at, ending_before, usage_statement_schedule,
       net_payment_terms_days, netsuite_sales_order_id, salesforce_opportunity_id, total_contract_value,
       uniqueness_key, custom_fields, overrides, multiplier_override_prioritization, scheduled_charges,
       created_at, created_by, archived_at, recurring_balances, subscriptions, usage_filters,
       package_id::text, as_child, consolidation
FROM contract
WHERE tenant_id = %(tenant_id)s AND parent_customer_id = %(customer_id)s AND archived_at IS NULL
ORDER BY created_at, id
