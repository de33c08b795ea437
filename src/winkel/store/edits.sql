-- name: insert
-- Write down one edit. None is ever changed.
INSERT INTO contract_edit (tenant_id, id, contract_id, at, made_by, record, before, amendment)
VALUES (%(tenant_id)s, %(id)s, %(contract_id)s, %(at)s, %(made_by)s, %(record)s, %(before)s, %(amendment)s)

-- name: of_contract
-- Every edit of a contract, oldest first.
SELECT id::text, contract_id::text, at, made_by, record, before, amendment
FROM contract_edit
WHERE tenant_id = %(tenant_id)s AND contract_id = %(contract_id)s
ORDER BY number

-- name: amendments
-- The edits of these contracts that were asked for as amendments, oldest first.
SELECT id::text, contract_id::text, at, made_by, record, before, amendment
FROM contract_edit
WHERE tenant_id = %(tenant_id)s AND contract_id = ANY (%(contract_ids)s::uuid[]) AND amendment IS NOT NULL
ORDER BY number

-- name: first_after
-- Of each of these contracts, what it was before its first edit after an instant, or before the first of all.
SELECT DISTINCT ON (contract_id) before
FROM contract_edit
WHERE tenant_id = %(tenant_id)s AND contract_id = ANY (%(contract_ids)s::uuid[])
  AND (%(instant)s::timestamptz IS NULL OR at > %(instant)s)
ORDER BY contract_id, number
