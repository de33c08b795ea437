-- name: lock
-- One biller at a time for a family: balances are drawn down in one order only. Its lock is the row of its first
-- customer, so that nobody ever holds a part of it. Those of several families are locked in one order.
SELECT id::text FROM customer
WHERE tenant_id = %(tenant_id)s
  AND id = ANY (ARRAY(SELECT DISTINCT ON (customer_id) member_id
                      FROM winkel_families(%(tenant_id)s, %(customer_ids)s::uuid[]) ORDER BY customer_id, member_id))
ORDER BY customer.id
FOR NO KEY UPDATE

-- name: families
-- Who belongs to the families of some customers, as it is now.
SELECT customer_id::text, member_id::text
FROM winkel_families(%(tenant_id)s, %(customer_ids)s::uuid[]) JOIN customer ON tenant_id = %(tenant_id)s AND id = member_id
ORDER BY customer_id, member_id

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
-- Lock the families of those of these customers that are due, as `lock` does, but for those that somebody else has.
SELECT id::text FROM customer
WHERE tenant_id = %(tenant_id)s
  AND id = ANY (ARRAY(SELECT DISTINCT ON (family.customer_id) family.member_id
                      FROM winkel_families(%(tenant_id)s, ARRAY(
                          SELECT customer_id FROM billing_due
                          WHERE tenant_id = %(tenant_id)s AND at <= %(at)s
                            AND customer_id = ANY (%(customer_ids)s::uuid[]))) AS family
                      ORDER BY family.customer_id, family.member_id))
ORDER BY customer.id
FOR NO KEY UPDATE SKIP LOCKED

-- name: still_due
-- Those of these customers that are due, with the others of their families: whoever waited for a lock looks again.
SELECT family.customer_id::text, family.member_id::text
FROM winkel_families(%(tenant_id)s, ARRAY(
    SELECT customer_id FROM billing_due
    WHERE tenant_id = %(tenant_id)s AND at <= %(at)s AND customer_id = ANY (%(customer_ids)s::uuid[]))) AS family
ORDER BY family.customer_id, family.member_id

-- name: set_due
-- Say when to look at some customers again; NULL: not until something changes.
UPDATE billing_due SET at = coalesce(look.next, 'infinity'), problem = look.problem
FROM unnest(%(customer_ids)s::uuid[], %(next)s::timestamptz[], %(problems)s::text[]) AS look (id, next, problem)
WHERE tenant_id = %(tenant_id)s AND customer_id = look.id
