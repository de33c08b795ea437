-- name: of_customers
-- Every posted entry of some customers' balances, oldest first.
SELECT balance.customer_id::text, entry.id::text, entry.balance_id::text, entry.segment_id::text, entry.kind, entry.amount, entry.timestamp,
       entry.invoice_id::text, entry.contract_id::text, entry.reason, entry.new_contract_id::text, entry.per_seat
FROM ledger_entry AS entry
JOIN balance ON balance.tenant_id = entry.tenant_id AND balance.id = entry.balance_id
WHERE entry.tenant_id = %(tenant_id)s AND balance.customer_id = ANY (%(customer_ids)s::uuid[])
ORDER BY entry.timestamp, entry.id

-- name: of_invoice
-- Every entry that was posted for an invoice: its deductions, and what came back when it was voided.
SELECT id::text, balance_id::text, segment_id::text, kind, amount, timestamp, invoice_id::text, contract_id::text, reason,
       new_contract_id::text, per_seat
FROM ledger_entry
WHERE tenant_id = %(tenant_id)s AND invoice_id = %(invoice_id)s
ORDER BY timestamp, id

-- name: of_balance
-- Every posted entry of a balance.
SELECT id::text, balance_id::text, segment_id::text, kind, amount, timestamp, invoice_id::text, contract_id::text, reason,
       new_contract_id::text, per_seat
FROM ledger_entry
WHERE tenant_id = %(tenant_id)s AND balance_id = %(balance_id)s
ORDER BY timestamp, id

-- name: post
-- Write one entry. There is no other way to change a balance.
INSERT INTO ledger_entry (tenant_id, id, balance_id, segment_id, kind, amount, timestamp, invoice_id, contract_id, reason,
                          new_contract_id, per_seat)
VALUES (%(tenant_id)s, %(id)s, %(balance_id)s, %(segment_id)s, %(kind)s, %(amount)s, %(timestamp)s, %(invoice_id)s,
        %(contract_id)s, %(reason)s, %(new_contract_id)s, %(per_seat)s)
