-- name: lock_customer
-- One biller at a time for a customer: balances are drawn down in one order only.
SELECT id FROM customer WHERE tenant_id = %(tenant_id)s AND id = %(customer_id)s FOR NO KEY UPDATE

-- name: due
-- Customers whose time to be billed has come, the longest waiting first.
SELECT tenant_id, customer_id::text FROM billing_due WHERE at <= %(at)s ORDER BY at, tenant_id, customer_id
LIMIT %(limit)s

-- name: count_due
-- How many customers' time to be billed has come.
SELECT count(*) AS count FROM billing_due WHERE at <= %(at)s

-- name: retry_now
-- Let those whose last look failed be due at once.
UPDATE billing_due SET at = %(at)s WHERE problem IS NOT NULL AND at > %(at)s

-- name: problems
-- The customers whose last look failed, with the reason.
SELECT tenant.name AS tenant, billing_due.customer_id::text, customer.name AS customer, billing_due.problem
FROM billing_due
JOIN tenant ON tenant.id = billing_due.tenant_id
JOIN customer ON customer.tenant_id = billing_due.tenant_id AND customer.id = billing_due.customer_id
WHERE billing_due.problem IS NOT NULL
ORDER BY tenant.name, customer.name, billing_due.customer_id

-- name: take
-- Take those of these customers that are due, and that nobody else has, until the end of the transaction. Both rows are
-- locked at once and without waiting: who changes a customer's contracts or balances waits, or has it first.
SELECT customer.id::text
FROM billing_due JOIN customer ON customer.tenant_id = billing_due.tenant_id AND customer.id = billing_due.customer_id
WHERE billing_due.tenant_id = %(tenant_id)s AND billing_due.customer_id = ANY (%(customer_ids)s::uuid[])
  AND billing_due.at <= %(at)s
ORDER BY customer.id
FOR NO KEY UPDATE SKIP LOCKED

-- name: set_due
-- Say when to look at some customers again; NULL: not until something changes.
UPDATE billing_due SET at = coalesce(look.next, 'infinity'), problem = look.problem
FROM unnest(%(customer_ids)s::uuid[], %(next)s::timestamptz[], %(problems)s::text[]) AS look (id, next, problem)
WHERE tenant_id = %(tenant_id)s AND customer_id = look.id
