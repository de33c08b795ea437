-- name: insert
-- A new rate card, without aliases.
INSERT INTO rate_card (tenant_id, id, name, description, fiat_credit_type_id, custom_fields, created_at, created_by,
                       credit_type_conversions)
VALUES (%(tenant_id)s, %(id)s, %(name)s, %(description)s, %(fiat_credit_type_id)s, %(custom_fields)s, %(created_at)s,
        %(created_by)s, %(credit_type_conversions)s)

-- name: find
-- One rate card with its aliases, archived or not.
SELECT card.id::text, card.name, card.description, card.fiat_credit_type_id::text, card.custom_fields,
       card.created_at, card.created_by, card.archived_at, card.credit_type_conversions,
       winkel_aliases(card.tenant_id, card.id) AS aliases
FROM rate_card AS card
WHERE card.tenant_id = %(tenant_id)s AND card.id = %(id)s

-- name: by_ids
-- Some rate cards without their aliases, archived or not.
SELECT id::text, name, description, fiat_credit_type_id::text, custom_fields, created_at, created_by, archived_at,
       credit_type_conversions
FROM rate_card
WHERE tenant_id = %(tenant_id)s AND id = ANY (%(ids)s::uuid[])

-- name: lock
-- Nobody else adds rates or conversions to a rate card, or changes its order, until the transaction ends.
SELECT id::text FROM rate_card WHERE tenant_id = %(tenant_id)s AND id = %(id)s FOR NO KEY UPDATE

-- name: hold
-- Nobody adds rates to some rate cards until the transaction ends; in order, so that nobody waits in a circle.
SELECT id::text FROM rate_card WHERE tenant_id = %(tenant_id)s AND id = ANY (%(ids)s::uuid[]) ORDER BY id FOR SHARE

-- name: lock_selling
-- The rate cards that have rates of a product: nobody else adds to them, or counts on what they sell, until the
-- transaction ends.
SELECT id::text FROM rate_card
WHERE tenant_id = %(tenant_id)s
  AND id IN (SELECT rate_card_id FROM rate WHERE tenant_id = %(tenant_id)s AND product_id = %(product_id)s)
ORDER BY id FOR NO KEY UPDATE

-- name: add_conversions
-- Say what more custom pricing units are worth on a rate card.
UPDATE rate_card SET credit_type_conversions = credit_type_conversions || %(conversions)s::jsonb
WHERE tenant_id = %(tenant_id)s AND id = %(id)s

-- name: units_of_products
-- The pricing units of the rates that some products have on a rate card.
SELECT DISTINCT product_id::text, credit_type_id::text FROM rate
WHERE tenant_id = %(tenant_id)s AND rate_card_id = %(id)s AND product_id = ANY (%(product_ids)s::uuid[])

-- name: page
-- Rate cards that are not archived, oldest first.
SELECT card.id::text, card.name, card.description, card.fiat_credit_type_id::text, card.custom_fields,
       card.created_at, card.created_by, card.archived_at, card.credit_type_conversions,
       winkel_aliases(card.tenant_id, card.id) AS aliases
FROM rate_card AS card
WHERE card.tenant_id = %(tenant_id)s AND card.archived_at IS NULL
  AND (%(after_at)s::timestamptz IS NULL OR (card.created_at, card.id) > (%(after_at)s, %(after_id)s::uuid))
ORDER BY card.created_at, card.id
LIMIT %(limit)s

-- name: update
-- Rename or describe a rate card; NULL leaves a field as it is.
UPDATE rate_card SET name = coalesce(%(name)s, name), description = coalesce(%(description)s, description)
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
RETURNING id::text

-- name: archive
-- Archive a rate card; the first time counts.
UPDATE rate_card SET archived_at = coalesce(archived_at, %(at)s)
WHERE tenant_id = %(tenant_id)s AND id = %(id)s
RETURNING id::text

-- name: insert_rate
-- One more rate; its number says in which order rates came.
INSERT INTO rate (tenant_id, id, rate_card_id, product_id, price, entitled, starting_at, ending_before,
                  credit_type_id, pricing_group_values, commit_price, billing_frequency)
VALUES (%(tenant_id)s, %(id)s, %(rate_card_id)s, %(product_id)s, %(price)s, %(entitled)s, %(starting_at)s,
        %(ending_before)s, %(credit_type_id)s, %(pricing_group_values)s, %(commit_price)s, %(billing_frequency)s)

-- name: rates
-- All rates of some rate cards, in the order in which they came.
SELECT id::text, number, rate_card_id::text, product_id::text, price, entitled, starting_at, ending_before,
       credit_type_id::text, pricing_group_values, commit_price, billing_frequency, place.position
FROM rate LEFT JOIN rate_card_product AS place USING (tenant_id, rate_card_id, product_id)
WHERE tenant_id = %(tenant_id)s AND rate_card_id = ANY (%(rate_card_ids)s::uuid[])
ORDER BY number

-- name: drop_order
-- Take all products of a rate card from their places, to give them others.
DELETE FROM rate_card_product WHERE tenant_id = %(tenant_id)s AND rate_card_id = %(rate_card_id)s

-- name: insert_order
-- The products of a rate card in their order.
INSERT INTO rate_card_product (tenant_id, rate_card_id, product_id, position)
SELECT %(tenant_id)s, %(rate_card_id)s, product_id, position
FROM unnest(%(product_ids)s::uuid[]) WITH ORDINALITY AS wanted (product_id, position)
