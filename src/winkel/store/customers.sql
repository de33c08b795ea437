-- name: insert
-- A new customer, without aliases yet.
INSERT INTO customer (tenant_id, id, name, created_at, updated_at, custom_fields, salesforce_account_id)
VALUES (%(tenant_id)s, %(id)s, %(name)s, %(created_at)s, %(updated_at)s, %(custom_fields)s, %(salesforce_account_id)s)

-- name: by_ids
-- Those of these customers that exist with their aliases in order, archived or not.
SELECT id::text, name, created_at, updated_at, custom_fields, salesforce_account_id, archived_at,
       ARRAY(SELECT alias FROM ingest_alias
             WHERE ingest_alias.tenant_id = customer.tenant_id AND customer_id = customer.id
             ORDER BY position) AS ingest_aliases
FROM customer
WHERE tenant_id = %(tenant_id)s AND id = ANY (%(ids)s::uuid[])

-- name: page
-- One page of customers, oldest first; each filter that is not NULL must hold.
SELECT id::text, name, created_at, updated_at, custom_fields, salesforce_account_id, archived_at,
       ARRAY(SELECT alias FROM ingest_alias
             WHERE ingest_alias.tenant_id = customer.tenant_id AND customer_id = customer.id
             ORDER BY position) AS ingest_aliases
FROM customer
WHERE tenant_id = %(tenant_id)s
  AND (%(archived)s::boolean IS NULL OR (archived_at IS NOT NULL) = %(archived)s::boolean)
  AND (%(ids)s::uuid[] IS NULL OR id = ANY(%(ids)s::uuid[]))
  AND (%(alias)s::text IS NULL OR id = (SELECT customer_id FROM ingest_alias
                                        WHERE tenant_id = %(tenant_id)s AND alias = %(alias)s::text))
  AND (%(salesforce_account_ids)s::text[] IS NULL OR salesforce_account_id = ANY(%(salesforce_account_ids)s::text[]))
  AND (%(after_at)s::timestamptz IS NULL OR (created_at, id) > (%(after_at)s::timestamptz, %(after_id)s::uuid))
ORDER BY created_at, id
LIMIT %(limit)s

-- name: lock
-- Hold a customer until the end of the transaction, so that nobody else changes its aliases meanwhile.
SELECT id::text FROM customer WHERE tenant_id = %(tenant_id)s AND id = %(id)s FOR NO KEY UPDATE

-- name: remove_aliases
-- Take all aliases away from a customer; its usage under them has no customer until another gets them.
DELETE FROM ingest_alias WHERE tenant_id = %(tenant_id)s AND customer_id = %(id)s

-- name: add_aliases
-- Give a customer aliases in this order. Those that others hold are left out; in the order of their text, so that two
-- transactions which want the same ones queue and never block each other.
INSERT INTO ingest_alias (tenant_id, alias, customer_id, position)
SELECT %(tenant_id)s, alias, %(id)s, position
FROM unnest(%(aliases)s::text[]) WITH ORDINALITY AS wanted (alias, position)
ORDER BY alias
ON CONFLICT (tenant_id, alias) DO NOTHING
RETURNING alias

-- name: holders
-- Which customers hold these aliases.
SELECT alias, customer_id::text FROM ingest_alias WHERE tenant_id = %(tenant_id)s AND alias = ANY(%(aliases)s::text[])

-- name: known_ids
-- Which of these are ids of customers.
SELECT id::text FROM customer WHERE tenant_id = %(tenant_id)s AND id = ANY(%(ids)s::uuid[])

-- name: touch
-- Note that a customer changed.
UPDATE customer SET updated_at = %(at)s WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: set_name
-- Rename a customer.
UPDATE customer SET name = %(name)s, updated_at = %(at)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
RETURNING id::text

-- name: set_salesforce_account
-- Set, or with NULL clear, the Salesforce account of a customer.
UPDATE customer SET salesforce_account_id = %(salesforce_account_id)s, updated_at = %(at)s
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
RETURNING id::text

-- name: archive
-- Archive a customer for good. Doing it again changes nothing.
UPDATE customer SET archived_at = coalesce(archived_at, %(at)s),
                    updated_at = CASE WHEN archived_at IS NULL THEN %(at)s ELSE updated_at END
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
RETURNING id::text

-- name: archive_contracts
-- Archive every contract of a customer that is not archived yet.
UPDATE contract SET archived_at = %(at)s
WHERE tenant_id = %(tenant_id)s AND customer_id = %(id)s AND archived_at IS NULL

-- name: archive_balances
-- Archive every commit and credit of a customer that is not archived yet.
UPDATE balance SET archived_at = %(at)s
WHERE tenant_id = %(tenant_id)s AND customer_id = %(id)s AND archived_at IS NULL

-- name: products_on_contract
-- Products that have a rate, at an instant, on a contract of the customer that covers it.
SELECT DISTINCT rate.product_id::text
FROM contract JOIN rate ON rate.tenant_id = contract.tenant_id AND rate.rate_card_id = contract.rate_card_id
WHERE contract.tenant_id = %(tenant_id)s AND contract.customer_id = %(id)s AND contract.archived_at IS NULL
  AND contract.starting_at <= %(at)s AND coalesce(contract.ending_before, 'infinity') > %(at)s
  AND rate.starting_at <= %(at)s AND coalesce(rate.ending_before, 'infinity') > %(at)s
