-- name: of_customers
-- Every posted entry of some customers' balances, without retired ones, oldest first. The balances come as an array, so that entries are always
-- looked up by index: joined, the planner read all entries there are while a run had outgrown its statistics.
SELECT balance.customer_id::text, entry.id::text, entry.balance_id::text, entry.segment_id::text, entry.kind, entry.amount, entry.timestamp,
       entry.invoice_id::text, entry.contract_id::text, entry.reason, entry.new_contract_id::text, entry.per_seat
FROM ledger_entry AS entry
JOIN balance ON balance.tenant_id = entry.tenant_id AND balance.id = entry.balance_id
WHERE entry.tenant_id = %(tenant_id)s AND entry.balance_id = ANY (ARRAY(
    SELECT id FROM balance
    WHERE tenant_id = %(tenant_id)s AND customer_id = ANY (%(customer_ids)s::uuid[]) AND retired_at IS NULL
))
ORDER BY entry.timestamp, entry.id

-- name: of_invoice
-- Every entry that was posted for an invoice: its deductions, and what came back when it was voided.
SELECT id::text, balance_id::text, segment_id::text, kind, amount, timestamp, invoice_id::text, contract_id::text, reason,
       new_contract_id::text, per_seat
FROM ledger_entry
WHERE tenant_id = %(tenant_id)s AND invoice_id = %(invoice_id)s
ORDER BY timestamp, id

-- name: of_balances
-- Every posted entry of some balances.
SELECT id::text, balance_id::text, segment_id::text, kind, amount, timestamp, invoice_id::text, contract_id::text, reason,
       new_contract_id::text, per_seat
FROM ledger_entry
WHERE tenant_id = %(tenant_id)s AND balance_id = ANY (%(balance_ids)s::uuid[])
ORDER BY timestamp, id

-- name: post
-- Write entries. There is no other way to change a balance.
INSERT INTO ledger_entry (tenant_id, id, balance_id, segment_id, kind, amount, timestamp, invoice_id, contract_id, reason,
                          new_contract_id, per_seat)
SELECT %(tenant_id)s, id, balance_id, segment_id, kind, amount, timestamp, invoice_id, contract_id, reason,
       new_contract_id, coalesce(per_seat, '{}')
FROM jsonb_to_recordset(%(entries)s)
     AS entry (id uuid, balance_id uuid, segment_id uuid, kind text, amount numeric, timestamp timestamptz,
               invoice_id uuid, contract_id uuid, reason text, new_contract_id uuid, per_seat jsonb)
