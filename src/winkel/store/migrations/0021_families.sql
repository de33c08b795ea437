-- Most tenants have no hierarchies: then everybody is a family by himself, and nobody's contracts need to be read.

CREATE OR REPLACE FUNCTION winkel_families(tenant integer, asked uuid[])
    RETURNS TABLE (customer_id uuid, member_id uuid) LANGUAGE plpgsql STABLE ROWS 10 AS $$
#variable_conflict use_column
BEGIN
    IF NOT EXISTS (SELECT FROM contract WHERE contract.tenant_id = tenant AND contract.parent_customer_id IS NOT NULL)
    THEN
        RETURN QUERY SELECT DISTINCT each, each FROM unnest(asked) AS each;
        RETURN;
    END IF;
    RETURN QUERY WITH RECURSIVE family (customer_id, member_id) AS (
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
    SELECT family.customer_id, family.member_id FROM family;
END $$;
