-- Values that change over time, under a name.

CREATE TABLE named_schedule (
    tenant_id      integer NOT NULL REFERENCES tenant,
    id             uuid NOT NULL,
    owner          text NOT NULL,               -- model/named_schedule.py, ScheduleOwner
    owner_id       uuid NOT NULL,
    schedule_name  text NOT NULL,
    properties     jsonb NOT NULL DEFAULT '{}',
    segments       jsonb NOT NULL,              -- list of model/named_schedule.py, NamedSegment
    created_at     timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX named_schedule_owner ON named_schedule (tenant_id, owner_id, schedule_name);

-- Terms of contracts to be, with dates that count from the contract's start.

CREATE TABLE package (
    tenant_id       integer NOT NULL REFERENCES tenant,
    id              uuid NOT NULL,
    name            text NOT NULL,
    terms           jsonb NOT NULL,             -- the template of a createContract body: api/templates.py
    uniqueness_key  text,
    created_at      timestamptz NOT NULL,
    created_by      text NOT NULL,
    archived_at     timestamptz,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX package_created ON package (tenant_id, created_at, id);

CREATE TABLE package_alias (
    tenant_id      integer NOT NULL,
    id             bigint GENERATED ALWAYS AS IDENTITY,
    name           text NOT NULL,
    package_id     uuid NOT NULL,
    starting_at    timestamptz,
    ending_before  timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, package_id) REFERENCES package
);
CREATE INDEX package_alias_name ON package_alias (tenant_id, name);

ALTER TABLE contract ADD COLUMN package_id uuid;
ALTER TABLE contract ADD FOREIGN KEY (tenant_id, package_id) REFERENCES package;
CREATE INDEX contract_package ON contract (tenant_id, package_id, created_at) WHERE package_id IS NOT NULL;

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['named_schedule', 'package', 'package_alias'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_tenant ON %I USING (tenant_id = winkel_tenant())', name);
    END LOOP;
END $$;

GRANT SELECT, INSERT, UPDATE (segments) ON named_schedule TO winkel_app;
GRANT SELECT, INSERT, UPDATE (archived_at) ON package TO winkel_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON package_alias TO winkel_app;
