-- Aliases of rate cards and of packages are of one kind: one table instead of two alike. Rows keep their order.

CREATE TABLE alias (
    tenant_id      integer NOT NULL REFERENCES tenant,
    id             bigint GENERATED ALWAYS AS IDENTITY,
    owner          text NOT NULL,               -- model/alias.py, AliasOwner
    owner_id       uuid NOT NULL,
    name           text NOT NULL,
    starting_at    timestamptz,
    ending_before  timestamptz,
    rate_card_id   uuid GENERATED ALWAYS AS (CASE owner WHEN 'RATE_CARD' THEN owner_id END) STORED,
    package_id     uuid GENERATED ALWAYS AS (CASE owner WHEN 'PACKAGE' THEN owner_id END) STORED,
    PRIMARY KEY (tenant_id, id),
    CHECK (num_nonnulls(rate_card_id, package_id) = 1),
    FOREIGN KEY (tenant_id, rate_card_id) REFERENCES rate_card,
    FOREIGN KEY (tenant_id, package_id) REFERENCES package
);
CREATE INDEX alias_name ON alias (tenant_id, owner, name);
CREATE INDEX alias_of ON alias (tenant_id, owner_id);

INSERT INTO alias (tenant_id, owner, owner_id, name, starting_at, ending_before)
SELECT tenant_id, 'RATE_CARD', rate_card_id, name, starting_at, ending_before FROM rate_card_alias ORDER BY id;
INSERT INTO alias (tenant_id, owner, owner_id, name, starting_at, ending_before)
SELECT tenant_id, 'PACKAGE', package_id, name, starting_at, ending_before FROM package_alias ORDER BY id;
DROP TABLE rate_card_alias, package_alias;

-- The aliases of a rate card or a package, as model/alias.py has them, in the order in which they were assigned.
CREATE FUNCTION winkel_aliases(tenant integer, of_owner uuid) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_object('name', alias.name, 'starting_at', alias.starting_at,
                                                 'ending_before', alias.ending_before) ORDER BY alias.id), '[]')
    FROM alias WHERE alias.tenant_id = tenant AND alias.owner_id = of_owner
$$;

ALTER TABLE alias ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON alias USING (tenant_id = winkel_tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON alias TO winkel_app;
