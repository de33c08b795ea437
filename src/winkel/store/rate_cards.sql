-- name: insert
-- A new rate card, without aliases.
INSERT INTO rate_card (tenant_id, id, name, description, fiat_credit_type_id, custom_fields, created_at, created_by)
VALUES (%(tenant_id)s, %(id)s, %(name)s, %(description)s, %(fiat_credit_type_id)s, %(custom_fields)s, %(created_at)s,
        %(created_by)s)

-- name: find
-- One rate card with its aliases, archived or not.
SELECT card.id::text, card.name, card.description, card.fiat_credit_type_id::text, card.custom_fields,
       card.created_at, card.created_by, card.archived_at,
       coalesce((SELECT jsonb_agg(jsonb_build_object('name', alias.name, 'starting_at', alias.starting_at,
                                                     'ending_before', alias.ending_before) ORDER BY alias.id)
                 FROM rate_card_alias AS alias
                 WHERE alias.tenant_id = card.tenant_id AND alias.rate_card_id = card.id), '[]') AS aliases
FROM rate_card AS card
WHERE card.tenant_id = %(tenant_id)s AND card.id = %(id)s

-- name: page
-- Rate cards that are not archived, oldest first.
SELECT card.id::text, card.name, card.description, card.fiat_credit_type_id::text, card.custom_fields,
       card.created_at, card.created_by, card.archived_at,
       coalesce((SELECT jsonb_agg(jsonb_build_object('name', alias.name, 'starting_at', alias.starting_at,
                                                     'ending_before', alias.ending_before) ORDER BY alias.id)
                 FROM rate_card_alias AS alias
                 WHERE alias.tenant_id = card.tenant_id AND alias.rate_card_id = card.id), '[]') AS aliases
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

-- name: lock_aliases
-- One assignment of aliases at a time in a tenant, so that a name never has two cards at one instant.
SELECT pg_advisory_xact_lock(hashtextextended('rate_card_alias', %(tenant_id)s))

-- name: drop_aliases
-- Take all names from a rate card, to give it others.
DELETE FROM rate_card_alias WHERE tenant_id = %(tenant_id)s AND rate_card_id = %(rate_card_id)s

-- name: void_aliases
-- Assignments of a name that a new one replaces from their first instant on: nothing of them remains.
DELETE FROM rate_card_alias
WHERE tenant_id = %(tenant_id)s AND name = %(name)s
  AND coalesce(starting_at, '-infinity') >= coalesce(%(starting_at)s::timestamptz, '-infinity')
  AND coalesce(starting_at, '-infinity') < coalesce(%(ending_before)s::timestamptz, 'infinity')

-- name: end_aliases
-- Assignments of a name that were there before a new one: they end where it begins.
UPDATE rate_card_alias SET ending_before = %(starting_at)s
WHERE tenant_id = %(tenant_id)s AND name = %(name)s
  AND coalesce(starting_at, '-infinity') < coalesce(%(starting_at)s::timestamptz, '-infinity')
  AND coalesce(ending_before, 'infinity') > coalesce(%(starting_at)s::timestamptz, '-infinity')

-- name: insert_alias
-- Give a name to a rate card.
INSERT INTO rate_card_alias (tenant_id, name, rate_card_id, starting_at, ending_before)
VALUES (%(tenant_id)s, %(name)s, %(rate_card_id)s, %(starting_at)s, %(ending_before)s)

-- name: resolve
-- The rate card that a name stands for at an instant.
SELECT rate_card_id::text FROM rate_card_alias
WHERE tenant_id = %(tenant_id)s AND name = %(name)s
  AND coalesce(starting_at, '-infinity') <= %(at)s AND coalesce(ending_before, 'infinity') > %(at)s
ORDER BY id DESC
LIMIT 1

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

-- name: lock
-- One change of a card's order at a time.
SELECT id::text FROM rate_card WHERE tenant_id = %(tenant_id)s AND id = %(id)s FOR UPDATE

-- name: drop_order
-- Take all products of a rate card from their places, to give them others.
DELETE FROM rate_card_product WHERE tenant_id = %(tenant_id)s AND rate_card_id = %(rate_card_id)s

-- name: insert_order
-- The products of a rate card in their order.
INSERT INTO rate_card_product (tenant_id, rate_card_id, product_id, position)
SELECT %(tenant_id)s, %(rate_card_id)s, product_id, position
FROM unnest(%(product_ids)s::uuid[]) WITH ORDINALITY AS wanted (product_id, position)
