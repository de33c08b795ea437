-- Contracts of other customers under a parent contract: shared balances, who pays, consolidated invoices.

ALTER TABLE contract
    ADD COLUMN as_child jsonb,
    ADD COLUMN consolidation text,
    ADD COLUMN parent_customer_id uuid GENERATED ALWAYS AS ((as_child -> 'parent' ->> 'customer_id')::uuid) STORED,
    ADD COLUMN parent_contract_id uuid GENERATED ALWAYS AS ((as_child -> 'parent' ->> 'contract_id')::uuid) STORED,
    ADD FOREIGN KEY (tenant_id, parent_customer_id) REFERENCES customer,
    ADD FOREIGN KEY (tenant_id, parent_contract_id) REFERENCES contract;
CREATE INDEX contract_parent ON contract (tenant_id, parent_customer_id) WHERE parent_customer_id IS NOT NULL;

ALTER TABLE balance ADD COLUMN child_access jsonb;

ALTER TABLE invoice
    ADD COLUMN payer jsonb,
    ADD COLUMN constituent_invoices jsonb NOT NULL DEFAULT '[]';
CREATE UNIQUE INDEX invoice_consolidated_once ON invoice (tenant_id, contract_id, start)
    WHERE status = 'FINALIZED' AND type = 'USAGE_CONSOLIDATED';

CREATE FUNCTION winkel_families(tenant integer, asked uuid[]) RETURNS TABLE (customer_id uuid, member_id uuid)
LANGUAGE sql STABLE AS $$
    WITH RECURSIVE family (customer_id, member_id) AS (
        SELECT each, each FROM unnest(asked) AS each
        UNION
        SELECT family.customer_id, link.member_id FROM family CROSS JOIN LATERAL (
            SELECT contract.parent_customer_id FROM contract
            WHERE contract.tenant_id = tenant AND contract.customer_id = family.member_id
              AND contract.parent_customer_id IS NOT NULL AND contract.archived_at IS NULL
            UNION ALL
            SELECT contract.customer_id FROM contract
            WHERE contract.tenant_id = tenant AND contract.parent_customer_id = family.member_id
              AND contract.archived_at IS NULL
        ) AS link (member_id)
    )
    SELECT family.customer_id, family.member_id FROM family
$$;
