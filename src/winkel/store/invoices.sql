-- name: insert
-- Keep finalized invoices. As jsonb: line items are parsed once, where json would have them parsed again for the column.
INSERT INTO invoice (tenant_id, id, customer_id, contract_id, type, status, start, "end", issued_at, created_at,
                     credit_type_id, total, line_items, net_payment_terms_days, regenerated_from_invoice_id, payer,
                     constituent_invoices, imported_usage)
SELECT %(tenant_id)s, id, customer_id, contract_id, type, status, start, "end", issued_at, created_at, credit_type_id,
       total, line_items, net_payment_terms_days, regenerated_from_invoice_id, payer,
       coalesce(constituent_invoices, '[]'), coalesce(imported_usage, '[]')
FROM jsonb_to_recordset(%(final)s)
     AS final (id uuid, customer_id uuid, contract_id uuid, type text, status text, start timestamptz,
               "end" timestamptz, issued_at timestamptz, created_at timestamptz, credit_type_id uuid, total numeric,
               line_items jsonb, net_payment_terms_days numeric, regenerated_from_invoice_id uuid, payer jsonb,
               constituent_invoices jsonb, imported_usage jsonb)

-- name: ids
-- The ids of all kept invoices of some customers, void ones too: these periods and dates are no drafts any more.
SELECT customer_id::text, id::text FROM invoice
WHERE tenant_id = %(tenant_id)s AND customer_id = ANY (%(customer_ids)s::uuid[])

-- name: items
-- What kept invoices of some customers ask for by schedules and subscriptions, and whether a final one does; else a void
-- one does that can be made anew. That can't be where it was before, where the contract is archived, and for a usage
-- statement where the contract ends before its period. Of usage statements only those of contracts that have such items
-- there are looked at, archived ones too: they have many lines, and few have such.
SELECT customer_id::text, line ->> 'schedule_item_id' AS id, bool_or(status = 'FINALIZED') AS is_final
FROM invoice, jsonb_array_elements(line_items) AS line
WHERE tenant_id = %(tenant_id)s AND customer_id = ANY (%(customer_ids)s::uuid[])
  AND (type = 'SCHEDULED' OR contract_id IN (
        SELECT contract.id FROM contract
        WHERE contract.tenant_id = %(tenant_id)s AND contract.customer_id = ANY (%(customer_ids)s::uuid[])
          AND (subscriptions <> '[]' OR scheduled_charges_on_usage_invoices IS NOT NULL)))
  AND (status = 'FINALIZED' OR NOT EXISTS (
        SELECT FROM invoice AS made
        WHERE made.tenant_id = %(tenant_id)s AND made.regenerated_from_invoice_id = invoice.id
      ) AND EXISTS (
        SELECT FROM contract
        WHERE contract.tenant_id = %(tenant_id)s AND contract.id = invoice.contract_id AND archived_at IS NULL
          AND (invoice.type = 'SCHEDULED' OR ending_before IS NULL OR ending_before > invoice.start)))
  AND line ? 'schedule_item_id'
GROUP BY 1, 2

-- name: charged_parts
-- Until when final invoices of a customer have charged parts of the periods of subscriptions, by item.
SELECT line ->> 'schedule_item_id' AS id, max((line ->> 'ending_before')::timestamptz) AS until
FROM invoice, jsonb_array_elements(line_items) AS line
WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s AND status = 'FINALIZED'
  AND (type = 'SCHEDULED' OR type = 'USAGE' AND contract_id IN (
        SELECT contract.id FROM contract
        WHERE contract.tenant_id = %(tenant_id)s AND contract.customer_id = %(customer_id)s AND subscriptions <> '[]'))
  AND line ? 'schedule_item_id' AND (line ->> 'is_prorated')::boolean
GROUP BY 1

-- name: find
-- One kept invoice of a customer.
SELECT id::text, customer_id::text, contract_id::text, type, status, start, "end", issued_at, created_at,
       credit_type_id::text, total, line_items, net_payment_terms_days, regenerated_from_invoice_id::text,
       payer, constituent_invoices, imported_usage
FROM invoice
WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s AND id = %(id)s

-- name: customers_of
-- Whose invoice it is, and whose invoices it copies, and whose balances it may have drawn on: its contract's parent's.
SELECT invoice.customer_id::text,
       ARRAY(SELECT ref ->> 'customer_id' FROM jsonb_array_elements(constituent_invoices) AS ref
             UNION SELECT parent_customer_id::text WHERE parent_customer_id IS NOT NULL) AS others
FROM invoice JOIN contract ON contract.tenant_id = invoice.tenant_id AND contract.id = invoice.contract_id
WHERE invoice.tenant_id = %(tenant_id)s AND invoice.id = %(id)s

-- name: repeating
-- The final consolidated invoice of a parent contract that copies an invoice.
SELECT id::text FROM invoice
WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s AND contract_id = %(contract_id)s
  AND type = 'USAGE_CONSOLIDATED' AND status = 'FINALIZED' AND constituent_invoices @> %(constituents)s

-- name: standing_for
-- What stands for the constituents of a consolidated invoice, of the first one if it was made anew: they themselves, or
-- what took their place since; without those that are void.
WITH RECURSIVE earlier (made_from, constituents) AS (
    SELECT regenerated_from_invoice_id, constituent_invoices FROM invoice
    WHERE tenant_id = %(tenant_id)s AND id = %(id)s
    UNION ALL
    SELECT regenerated_from_invoice_id, constituent_invoices FROM earlier
    JOIN invoice ON invoice.tenant_id = %(tenant_id)s AND invoice.id = earlier.made_from
), chain (number, id) AS (
    SELECT number, (ref ->> 'invoice_id')::uuid
    FROM earlier, jsonb_array_elements(constituents) WITH ORDINALITY AS asked (ref, number)
    WHERE made_from IS NULL
    UNION ALL
    SELECT chain.number, invoice.id FROM chain
    JOIN invoice ON invoice.tenant_id = %(tenant_id)s AND invoice.regenerated_from_invoice_id = chain.id
)
SELECT invoice.id::text, customer_id::text, contract_id::text, type, status, start, "end", issued_at, created_at,
       credit_type_id::text, total, line_items, net_payment_terms_days, regenerated_from_invoice_id::text,
       payer, constituent_invoices, imported_usage
FROM chain JOIN invoice ON invoice.tenant_id = %(tenant_id)s AND invoice.id = chain.id
WHERE status = 'FINALIZED'
ORDER BY chain.number

-- name: finalized
-- Finalized invoices of a customer, or of one of its contracts, the oldest first.
SELECT id::text, customer_id::text, contract_id::text, type, status, start, "end", issued_at, created_at,
       credit_type_id::text, total, line_items, net_payment_terms_days, regenerated_from_invoice_id::text,
       payer, constituent_invoices, imported_usage
FROM invoice
WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s AND status = 'FINALIZED'
  AND (%(contract_id)s::uuid IS NULL OR contract_id = %(contract_id)s)
ORDER BY issued_at, id

-- name: awaiting
-- Void usage statements of some customers in whose place none has come.
SELECT id::text, customer_id::text, contract_id::text, type, status, start, "end", issued_at, created_at,
       credit_type_id::text, total, line_items, net_payment_terms_days, regenerated_from_invoice_id::text,
       payer, constituent_invoices, imported_usage
FROM invoice
WHERE tenant_id = %(tenant_id)s AND customer_id = ANY (%(customer_ids)s::uuid[]) AND status = 'VOID' AND type = 'USAGE'
  AND NOT EXISTS (
        SELECT FROM invoice AS made WHERE made.tenant_id = %(tenant_id)s AND made.regenerated_from_invoice_id = invoice.id
      )
ORDER BY start, id

-- name: set_void
-- Void an invoice: the only change that one ever sees.
UPDATE invoice SET status = 'VOID' WHERE tenant_id = %(tenant_id)s AND id = %(id)s AND status = 'FINALIZED'

-- name: unbalanced
-- Invoices for which a balance's ledger entries do not sum to what their lines take from it: what it pays or counts, and
-- what its true-up asks for (of a void one: nothing). In all tenants.
WITH taken AS (
    SELECT tenant_id, invoice.id, (line ->> 'balance_id')::uuid AS balance_id,
           CASE WHEN line ->> 'type' = 'commit_purchase' THEN -(line ->> 'total')::numeric
                WHEN line ->> 'access_type' = 'QUANTITY' THEN (line ->> 'quantity')::numeric
                ELSE (line ->> 'total')::numeric
           END AS amount
    FROM invoice, jsonb_array_elements(line_items) AS line
    WHERE status = 'FINALIZED' AND invoice.type <> 'USAGE_CONSOLIDATED'
      AND (line ->> 'type' = 'applied_commit_or_credit'
           OR line ->> 'type' = 'commit_purchase' AND line ->> 'balance_type' = 'POSTPAID')
), posted AS (
    SELECT tenant_id, invoice_id, balance_id, -amount FROM ledger_entry WHERE invoice_id IS NOT NULL
)
SELECT DISTINCT tenant_id, id::text
FROM (SELECT * FROM taken UNION ALL SELECT * FROM posted) AS part
GROUP BY tenant_id, id, balance_id
HAVING sum(amount) <> 0
ORDER BY tenant_id, id

-- name: page
-- Kept invoices of a customer in the order in which they were issued.
SELECT id::text, customer_id::text, contract_id::text, type, status, start, "end", issued_at, created_at,
       credit_type_id::text, total, line_items, net_payment_terms_days, regenerated_from_invoice_id::text,
       payer, constituent_invoices, imported_usage
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

-- name: meeting
-- Final usage invoices of a customer whose billing period has a part in some time.
SELECT id::text, customer_id::text, contract_id::text, type, status, start, "end", issued_at, created_at,
       credit_type_id::text, total, line_items, net_payment_terms_days, payer, imported_usage
FROM invoice
WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s
  AND type = 'USAGE' AND status = 'FINALIZED' AND start < %(end)s AND "end" > %(start)s
ORDER BY start, id
