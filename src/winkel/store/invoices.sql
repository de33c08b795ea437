-- name: insert
-- Keep a finalized invoice.
INSERT INTO invoice (tenant_id, id, customer_id, contract_id, type, status, start, "end", issued_at, created_at,
                     credit_type_id, total, line_items, net_payment_terms_days)
VALUES (%(tenant_id)s, %(id)s, %(customer_id)s, %(contract_id)s, %(type)s, %(status)s, %(start)s, %(end)s,
        %(issued_at)s, %(created_at)s, %(credit_type_id)s, %(total)s, %(line_items)s, %(net_payment_terms_days)s)

-- name: ids
-- The ids of all kept invoices of a customer: these periods and dates are no drafts any more.
SELECT id::text FROM invoice WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s

-- name: schedule_items
-- The invoice schedule items on kept invoices of a customer. Of usage statements only those of some contracts are
-- looked at: they have many lines, and only lines of subscriptions are such items.
SELECT DISTINCT line ->> 'schedule_item_id' AS id
FROM invoice, jsonb_array_elements(line_items) AS line
WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s
  AND (type = 'SCHEDULED' OR contract_id = ANY (%(subscribed)s::uuid[]))
  AND line ? 'schedule_item_id'

-- name: find
-- One kept invoice of a customer.
SELECT id::text, customer_id::text, contract_id::text, type, status, start, "end", issued_at, created_at,
       credit_type_id::text, total, line_items, net_payment_terms_days
FROM invoice
WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s AND id = %(id)s

-- name: page
-- Kept invoices of a customer in the order in which they were issued.
SELECT id::text, customer_id::text, contract_id::text, type, status, start, "end", issued_at, created_at,
       credit_type_id::text, total, line_items, net_payment_terms_days
FROM invoice
WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s
  AND (%(status)s::text IS NULL OR status = %(status)s)
  AND (%(type)s::text IS NULL OR type = %(type)s)
  AND (%(contract_id)s::uuid IS NULL OR contract_id = %(contract_id)s)
  AND (%(credit_type_id)s::uuid IS NULL OR credit_type_id = %(credit_type_id)s)
  AND (%(starting_on)s::timestamptz IS NULL OR coalesce(start, issued_at) >= %(starting_on)s)
  AND (%(ending_before)s::timestamptz IS NULL OR coalesce("end", issued_at) <= %(ending_before)s)
  AND (%(after_at)s::timestamptz IS NULL OR
       CASE WHEN %(newest_first)s THEN (issued_at, id) < (%(after_at)s, %(after_id)s::uuid)
            ELSE (issued_at, id) > (%(after_at)s, %(after_id)s::uuid) END)
ORDER BY CASE WHEN %(newest_first)s THEN issued_at END DESC, CASE WHEN %(newest_first)s THEN id END DESC,
         issued_at, id
LIMIT %(limit)s
