-- The whole schema as it is now. migrations/ is its history; tests/store/test_schema.py holds the two together.
--
-- Two walls between tenants: every statement names the tenant first, and row-level security hides the rows of all
-- others from the role winkel_app, as which the API works (set_config('winkel.tenant_id', …) opens one tenant for one
-- transaction). Workers connect as the owner of the tables, because they serve all tenants at once.
-- Tables of the machinery below the tenants (log positions, dedupe runs) are not visible to winkel_app at all.

DO $$ BEGIN
    CREATE ROLE winkel_app NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

-- Which tenant this transaction may see; NULL, and so no rows, when none was named.
CREATE FUNCTION winkel_tenant() RETURNS integer LANGUAGE sql STABLE
    RETURN nullif(current_setting('winkel.tenant_id', true), '')::integer;


-- ── Tenants and tokens ──────────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE tenant (
    id          integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    name        text NOT NULL UNIQUE CHECK (name <> ''),
    created_at  timestamptz NOT NULL,
    events_per_second integer CHECK (events_per_second >= 0)       -- quota of ingest; 0: no limit; NULL: the default
);

CREATE TABLE token (
    tenant_id   integer NOT NULL REFERENCES tenant,
    id          uuid NOT NULL,
    name        text NOT NULL,
    role        smallint NOT NULL CHECK (role BETWEEN 1 AND 4),
    hash        bytea NOT NULL UNIQUE CHECK (length(hash) = 32),   -- SHA-256 of the secret
    prefix      text NOT NULL,                                     -- its first characters, to recognise it by
    created_at  timestamptz NOT NULL,
    revoked_at  timestamptz,
    PRIMARY KEY (tenant_id, id)
);

-- The one question that is asked before the tenant is known.
CREATE FUNCTION winkel_authenticate(secret_hash bytea)
    RETURNS TABLE (tenant_id integer, token_id uuid, name text, role smallint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT
    AS $$ SELECT token.tenant_id, token.id, token.name, token.role
          FROM token WHERE token.hash = secret_hash AND token.revoked_at IS NULL $$;


-- ── The event log (log/postgres.py) ─────────────────────────────────────────────────────────────────────────────────

CREATE TABLE log_partition (
    partition    integer PRIMARY KEY,
    next_offset  bigint NOT NULL DEFAULT 0,
    start_offset bigint NOT NULL DEFAULT 0      -- the oldest record still kept
);

-- One row is one block of events of one tenant. A day is a table of its own, dropped whole when its time is over.
CREATE TABLE log_record (
    tenant_id    integer NOT NULL,
    partition    integer NOT NULL,
    "offset"     bigint NOT NULL,
    events       integer NOT NULL,
    appended_at  timestamptz NOT NULL,
    data         bytea NOT NULL,
    routing      integer NOT NULL DEFAULT 1,    -- by which version its partition was chosen
    PRIMARY KEY (partition, "offset", appended_at)
) PARTITION BY RANGE (appended_at);
ALTER TABLE log_record ALTER COLUMN data SET STORAGE EXTERNAL;     -- it is compressed already
CREATE INDEX log_record_newest ON log_record (tenant_id, appended_at);

-- Make the table of one day (UTC), unless it is there. LIKE and ATTACH, because CREATE … PARTITION OF would lock out
-- whoever appends.
CREATE FUNCTION make_log_day(day date) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE name text := 'log_record_' || to_char(day, 'YYYYMMDD');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('make_log_day'));
    IF to_regclass(quote_ident(name)) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE log_record INCLUDING DEFAULTS INCLUDING STORAGE)', name);
    EXECUTE format('ALTER TABLE log_record ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name,
                   day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
END $$;

-- Drop the table of one day, with all its records.
CREATE FUNCTION drop_log_day(day date) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    EXECUTE format('DROP TABLE IF EXISTS %I', 'log_record_' || to_char(day, 'YYYYMMDD'));
END $$;

-- Values that belong to this installation and that no API may read.
CREATE TABLE setting (
    name   text PRIMARY KEY,
    value  bytea NOT NULL
);
-- The key with which event identities are hashed (ingest/block.py): 16 random bytes, the same for all gateways.
INSERT INTO setting VALUES
    ('identity_key', substr(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 1, 16));


-- ── The fleet (fleet/, ingest/worker.py) ───────────────────────────────────────────────────────────────────────────────

-- Which virtual buckets go to which partition of a log (model/routing.py): a history, because records that were routed
-- by an old version are still there. The newest active version is in force.
CREATE TABLE routing (
    topic        text NOT NULL,
    version      integer NOT NULL,
    state        text NOT NULL CHECK (state IN ('preparing', 'active', 'aborted')),
    lows         integer[] NOT NULL,       -- the first bucket of each range, ascending from 0
    partitions   integer[] NOT NULL,       -- the partition of each range
    seals        bigint[] NOT NULL,        -- by partition: the offset from which on this version is in force
    created_at   timestamptz NOT NULL,
    deadline     timestamptz NOT NULL,     -- a version that is not active by then never will be
    PRIMARY KEY (topic, version)
);
CREATE UNIQUE INDEX routing_preparing ON routing (topic) WHERE state = 'preparing';

-- A gateway appends under one version of the routing, and only while its lease lasts (ingest/worker.py).
CREATE TABLE gateway_lease (
    topic        text NOT NULL,
    gateway      text NOT NULL,
    version      integer NOT NULL,         -- it appends nothing under an older one any more; 0: nothing at all yet
    expires_at   timestamptz NOT NULL,
    PRIMARY KEY (topic, gateway)
);

-- What each meter did since it started, written about once a second: for the autoscaler, `winkel top` and metrics.
CREATE TABLE meter_status (
    topic          text NOT NULL,
    meter          text NOT NULL,
    started_at     timestamptz NOT NULL,
    seen_at        timestamptz NOT NULL,
    partitions     integer[] NOT NULL,     -- those it owns now
    records        bigint NOT NULL,
    events         bigint NOT NULL,
    duplicates     bigint NOT NULL,
    dead_letters   bigint NOT NULL,
    forwarded      bigint NOT NULL,        -- records of an old routing that it sent on
    batches        bigint NOT NULL,
    busy_seconds   double precision NOT NULL,   -- spent on batches, waiting for records not counted
    commit_seconds double precision NOT NULL,   -- of these, from the beginning of a transaction to its end
    age_seconds    double precision NOT NULL,   -- how old the oldest record of the last batch was when it was committed
    PRIMARY KEY (topic, meter)
) WITH (fillfactor = 50);

-- How many meters a log should have: the last decision of the autoscaler (fleet/autoscale.py).
CREATE TABLE autoscale (
    topic        text PRIMARY KEY,
    desired      integer NOT NULL CHECK (desired > 0),
    reason       text NOT NULL,            -- for people
    at           timestamptz NOT NULL      -- when it was last confirmed; an old one holds no longer
) WITH (fillfactor = 50);


-- ── Metering (meter/worker.py) ──────────────────────────────────────────────────────────────────────────────────────

-- How far each partition of a log has been metered, and by whom. The row that makes it exactly once: results and
-- next_offset move in one transaction, and only for the holder of the epoch.
CREATE TABLE log_progress (
    topic        text NOT NULL,
    partition    integer NOT NULL,
    epoch        bigint NOT NULL DEFAULT 0,
    next_offset  bigint NOT NULL DEFAULT 0,
    owner        text,
    backend_pid  integer,
    updated_at   timestamptz,
    tries         integer NOT NULL DEFAULT 0,   -- meters that died in a row: then batches get smaller (meter/caution.py)
    suspect_until bigint,                       -- the record that kills them is before this offset
    trying_until  bigint,                       -- where the batch ends that was begun last, if meters died before it
    PRIMARY KEY (topic, partition)
);

-- Keys of events that were counted: immutable sorted runs of 20 bytes (16 of key, 4 of fingerprint) for a range of
-- virtual buckets and one arrival day. Beside them what a worker keeps in memory of a run (meter/runs.py): the words of
-- its filter and the first half of every 256th key.
CREATE TABLE dedupe_run (
    topic        text NOT NULL,
    id           bigint GENERATED ALWAYS AS IDENTITY,
    bucket_low   integer NOT NULL,
    bucket_high  integer NOT NULL,
    day          date NOT NULL,
    level        smallint NOT NULL,
    keys         integer NOT NULL,
    sieve        bytea NOT NULL,
    samples      bytea NOT NULL,
    data         bytea NOT NULL,
    PRIMARY KEY (topic, id)
);
ALTER TABLE dedupe_run ALTER COLUMN data SET STORAGE EXTERNAL, ALTER COLUMN sieve SET STORAGE EXTERNAL,
    ALTER COLUMN samples SET STORAGE EXTERNAL;

-- Which of these event identities are remembered since a day. The API may ask, and sees nothing else of dedupe_run: an
-- identity is made with a secret, so nobody can ask for another tenant's. Runs are searched as meter/dedupe.py packs them.
CREATE FUNCTION winkel_remembered(space text, since date, identities bytea[]) RETURNS SETOF bytea
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    identity bytea;
    bucket integer;
    run record;
    low integer;
    high integer;
    middle integer;
BEGIN
    FOREACH identity IN ARRAY identities LOOP
        bucket := get_byte(identity, 0) * 16 + get_byte(identity, 1) / 16;
        FOR run IN SELECT keys, data FROM dedupe_run
                   WHERE topic = space AND day >= since AND bucket_low <= bucket AND bucket < bucket_high
        LOOP
            low := 0;
            high := run.keys;
            WHILE low < high LOOP
                middle := (low + high) / 2;
                IF substring(run.data FROM middle * 20 + 1 FOR 16) < identity THEN
                    low := middle + 1;
                ELSE
                    high := middle;
                END IF;
            END LOOP;
            IF substring(run.data FROM low * 20 + 1 FOR 16) = identity THEN
                RETURN NEXT identity;
                EXIT;
            END IF;
        END LOOP;
    END LOOP;
END $$;

-- From here on to conflicting_duplicate: tables that refer to no others, because with several databases each has its own
-- part of them and only one has the tenants and the metrics (store/shards.py).
CREATE TABLE usage_series (
    tenant_id    integer NOT NULL,
    series_id    uuid NOT NULL,
    metric_id    uuid NOT NULL,
    customer_key text NOT NULL,
    group_key    smallint NOT NULL,
    group_values text[] NOT NULL,
    aggregation_type text NOT NULL,             -- the metric's: compaction and readers need no other table
    PRIMARY KEY (tenant_id, series_id)
);
CREATE INDEX usage_series_customer ON usage_series (tenant_id, customer_key, metric_id);

-- What batches added and nobody merged yet; columns as in model/usage.py, Delta. Readers add it to usage_hour: they find
-- a customer key by its slot, for series of neighbours share a row.
CREATE TABLE usage_delta (
    tenant_id    integer NOT NULL,
    slot         smallint NOT NULL,
    series_ids   uuid[] NOT NULL,
    numbers      smallint[] NOT NULL,           -- by entry: which of the series, from 1
    hours        integer[] NOT NULL,
    quantities   numeric[],
    ats          bigint[],
    texts        text[]
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_insert_threshold = -1);
CREATE INDEX usage_delta_slot ON usage_delta (tenant_id, slot);

CREATE TABLE usage_hour (
    tenant_id    integer NOT NULL,
    series_id    uuid NOT NULL,
    hour         integer NOT NULL,
    quantity     numeric,
    at           bigint,
    text         text,
    PRIMARY KEY (tenant_id, series_id, hour)
) WITH (fillfactor = 80);

CREATE TABLE usage_distinct (
    tenant_id    integer NOT NULL,
    series_id    uuid NOT NULL,
    hour         integer NOT NULL,
    value        text NOT NULL,
    PRIMARY KEY (tenant_id, series_id, hour, value)
);

-- What could not be counted, and what became of it (letters/actions.py). Tenant 0: no tenant's, for operators only.
CREATE TABLE dead_letter (
    tenant_id      integer NOT NULL,
    id             bigint GENERATED ALWAYS AS IDENTITY,
    topic          text NOT NULL,
    partition      integer NOT NULL,
    "offset"       bigint NOT NULL,
    index          integer NOT NULL,
    reason         text NOT NULL,
    detail         text NOT NULL,
    metric_id      uuid,
    transaction_id text,
    payload        bytea NOT NULL,
    at             timestamptz NOT NULL,
    events         integer NOT NULL DEFAULT 1,  -- how many events the record held, if the letter is a whole record
    attempts       integer NOT NULL DEFAULT 0,  -- retries that failed
    note           text NOT NULL DEFAULT '',    -- what the last retry said, or why it was discarded
    resolved_at    timestamptz,
    resolution     text CHECK (resolution IN ('retried', 'discarded')),
    published_at   timestamptz,                 -- when it was told to the dead letters' topic, if the log has one
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT dead_letter_resolved CHECK ((resolved_at IS NULL) = (resolution IS NULL))
);
CREATE UNIQUE INDEX dead_letter_id ON dead_letter (id);
CREATE INDEX dead_letter_newest ON dead_letter (tenant_id, at, id);
CREATE INDEX dead_letter_unpublished ON dead_letter (topic, id) WHERE published_at IS NULL;

-- Events by arrival hour: what came, and what became of it. One row per partition, so that workers never meet.
CREATE TABLE event_count (
    tenant_id    integer NOT NULL,
    topic        text NOT NULL,
    partition    integer NOT NULL,
    hour         integer NOT NULL,
    counted      bigint NOT NULL,      -- new events, whether or not any metric wanted them
    duplicates   bigint NOT NULL,
    conflicts    bigint NOT NULL,      -- duplicates whose content differed from the first
    dead_letters bigint NOT NULL,
    PRIMARY KEY (tenant_id, topic, partition, hour)
);

-- A sample of conflicting duplicates, the newest content of each.
CREATE TABLE conflicting_duplicate (
    tenant_id      integer NOT NULL,
    topic          text NOT NULL,
    key            bytea NOT NULL,
    transaction_id text NOT NULL,
    customer_id    text NOT NULL,
    event_type     text NOT NULL,
    timestamp      timestamptz NOT NULL,
    properties     text NOT NULL,
    times          bigint NOT NULL,
    last_at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, topic, key)
);


-- ── Customers and catalog ───────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE customer (
    tenant_id             integer NOT NULL REFERENCES tenant,
    id                    uuid NOT NULL,
    name                  text NOT NULL,
    created_at            timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL,
    custom_fields         jsonb NOT NULL DEFAULT '{}',
    salesforce_account_id text,
    archived_at           timestamptz,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX customer_page ON customer (tenant_id, created_at, id);

-- An alias belongs to one customer at a time; switching it moves all its usage, past and future.
CREATE TABLE ingest_alias (
    tenant_id    integer NOT NULL,
    alias        text NOT NULL CHECK (length(alias) BETWEEN 1 AND 128),
    customer_id  uuid NOT NULL,
    position     integer NOT NULL,
    PRIMARY KEY (tenant_id, alias),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customer
);
CREATE INDEX ingest_alias_customer ON ingest_alias (tenant_id, customer_id);

CREATE TABLE billable_metric (
    tenant_id         integer NOT NULL REFERENCES tenant,
    id                uuid NOT NULL,
    name              text NOT NULL,
    aggregation_type  text NOT NULL,
    aggregation_key   text,
    event_type_filter jsonb,
    property_filters  jsonb NOT NULL DEFAULT '[]',
    group_keys        jsonb NOT NULL DEFAULT '[]',
    custom_fields     jsonb NOT NULL DEFAULT '{}',
    created_at        timestamptz NOT NULL,
    archived_at       timestamptz,
    PRIMARY KEY (tenant_id, id)
);

-- Counts changes of a table that workers keep in memory. Writers queue on the row, so numbers appear in commit order.
CREATE TABLE change_counter (
    name   text PRIMARY KEY,
    value  bigint NOT NULL
);
INSERT INTO change_counter VALUES ('billable_metric', 0);

CREATE FUNCTION count_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE change_counter SET value = value + 1 WHERE name = TG_TABLE_NAME;
    RETURN NULL;
END $$;
CREATE TRIGGER billable_metric_changed AFTER INSERT OR UPDATE OR DELETE ON billable_metric
    FOR EACH STATEMENT EXECUTE FUNCTION count_change();

CREATE TABLE product (
    tenant_id      integer NOT NULL REFERENCES tenant,
    id             uuid NOT NULL,
    type           text NOT NULL,
    initial        jsonb NOT NULL,                -- model/product.py, ProductState
    updates        jsonb NOT NULL DEFAULT '[]',   -- list of ProductUpdate, in the order in which they were made
    custom_fields  jsonb NOT NULL DEFAULT '{}',
    created_at     timestamptz NOT NULL,
    archived_at    timestamptz,
    PRIMARY KEY (tenant_id, id)
);

-- Custom pricing units; currencies are in model/credit_type.py.
CREATE TABLE credit_type (
    tenant_id   integer NOT NULL REFERENCES tenant,
    id          uuid NOT NULL,
    name        text NOT NULL,
    created_at  timestamptz NOT NULL,
    archived_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX credit_type_name ON credit_type (tenant_id, name) WHERE archived_at IS NULL;

CREATE TABLE rate_card (
    tenant_id           integer NOT NULL REFERENCES tenant,
    id                  uuid NOT NULL,
    name                text NOT NULL,
    description         text,
    fiat_credit_type_id uuid NOT NULL,
    custom_fields       jsonb NOT NULL DEFAULT '{}',
    created_at          timestamptz NOT NULL,
    created_by          text NOT NULL,
    archived_at         timestamptz,
    credit_type_conversions jsonb NOT NULL DEFAULT '[]',   -- list of model/rate_card.py, Conversion
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE rate (
    tenant_id            integer NOT NULL,
    id                   uuid NOT NULL,
    number               bigint GENERATED ALWAYS AS IDENTITY,
    rate_card_id         uuid NOT NULL,
    product_id           uuid NOT NULL,
    price                jsonb NOT NULL,          -- model/price.py, Price
    entitled             boolean NOT NULL,
    starting_at          timestamptz NOT NULL,
    ending_before        timestamptz CHECK (ending_before > starting_at),
    credit_type_id       uuid NOT NULL,
    pricing_group_values jsonb NOT NULL DEFAULT '{}',
    commit_price         jsonb,                   -- model/price.py, Price
    billing_frequency    text,                    -- of subscriptions: model/period.py, Frequency
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, rate_card_id) REFERENCES rate_card,
    FOREIGN KEY (tenant_id, product_id) REFERENCES product
);
CREATE INDEX rate_of_card ON rate (tenant_id, rate_card_id, number);
CREATE INDEX rate_of_product ON rate (tenant_id, product_id);

CREATE TABLE rate_card_product (
    tenant_id    integer NOT NULL,
    rate_card_id uuid NOT NULL,
    product_id   uuid NOT NULL,
    position     integer NOT NULL,               -- products without one come last, in the order of their first rates
    PRIMARY KEY (tenant_id, rate_card_id, product_id),
    FOREIGN KEY (tenant_id, rate_card_id) REFERENCES rate_card,
    FOREIGN KEY (tenant_id, product_id) REFERENCES product
);

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

-- Other names of rate cards and of packages, for a time.
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

-- The aliases of a rate card or a package, as model/alias.py has them, in the order in which they were assigned.
CREATE FUNCTION winkel_aliases(tenant integer, of_owner uuid) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_object('name', alias.name, 'starting_at', alias.starting_at,
                                                 'ending_before', alias.ending_before) ORDER BY alias.id), '[]')
    FROM alias WHERE alias.tenant_id = tenant AND alias.owner_id = of_owner
$$;

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


-- ── Contracts, balances, ledger, invoices ───────────────────────────────────────────────────────────────────────────

CREATE TABLE contract (
    tenant_id                integer NOT NULL REFERENCES tenant,
    id                       uuid NOT NULL,
    customer_id              uuid NOT NULL,
    rate_card_id             uuid,
    name                     text,
    starting_at              timestamptz NOT NULL,
    ending_before            timestamptz CHECK (ending_before > starting_at),
    usage_statement_schedule jsonb NOT NULL,      -- model/contract.py, StatementSchedule
    net_payment_terms_days   numeric,
    netsuite_sales_order_id  text,
    salesforce_opportunity_id text,
    total_contract_value     numeric,
    uniqueness_key           text,
    custom_fields            jsonb NOT NULL DEFAULT '{}',
    created_at               timestamptz NOT NULL,
    created_by               text NOT NULL,
    archived_at              timestamptz,
    overrides                jsonb NOT NULL DEFAULT '[]',   -- list of model/override.py, Override
    multiplier_override_prioritization text NOT NULL DEFAULT 'LOWEST_MULTIPLIER',
    scheduled_charges        jsonb NOT NULL DEFAULT '[]',   -- list of model/contract.py, ScheduledCharge
    recurring_balances       jsonb NOT NULL DEFAULT '[]',   -- list of model/recurring.py, RecurringBalance
    subscriptions            jsonb NOT NULL DEFAULT '[]',   -- list of model/subscription.py, Subscription
    usage_filters            jsonb NOT NULL DEFAULT '[]',   -- list of model/contract.py, UsageFilter
    as_child                 jsonb,               -- model/hierarchy.py, AsChild
    consolidation            text,                -- of a parent: model/hierarchy.py, Consolidation
    parent_customer_id       uuid GENERATED ALWAYS AS ((as_child -> 'parent' ->> 'customer_id')::uuid) STORED,
    parent_contract_id       uuid GENERATED ALWAYS AS ((as_child -> 'parent' ->> 'contract_id')::uuid) STORED,
    transition               jsonb,                         -- model/contract.py, Transition
    package_id               uuid,
    discounts                jsonb NOT NULL DEFAULT '[]',   -- list of model/contract.py, Discount
    scheduled_charges_on_usage_invoices text,
    professional_services    jsonb NOT NULL DEFAULT '[]',   -- list of model/pro_service.py, ProService
    pro_service_invoices     jsonb NOT NULL DEFAULT '[]',   -- list of model/pro_service.py, ProServiceInvoice
    issue_dates              jsonb NOT NULL DEFAULT '{}',   -- invoice id → date, of open scheduled invoices that were moved
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customer,
    FOREIGN KEY (tenant_id, rate_card_id) REFERENCES rate_card,
    FOREIGN KEY (tenant_id, package_id) REFERENCES package,
    FOREIGN KEY (tenant_id, parent_customer_id) REFERENCES customer,
    FOREIGN KEY (tenant_id, parent_contract_id) REFERENCES contract
);
CREATE INDEX contract_customer ON contract (tenant_id, customer_id, created_at);
CREATE INDEX contract_package ON contract (tenant_id, package_id, created_at) WHERE package_id IS NOT NULL;
CREATE INDEX contract_filtered ON contract (tenant_id, rate_card_id) WHERE usage_filters <> '[]';
CREATE INDEX contract_parent ON contract (tenant_id, parent_customer_id) WHERE parent_customer_id IS NOT NULL;

-- The families of some customers: each with itself and all that hierarchies of contracts link it with, however far
-- away. A link ends when the child contract is archived. A tenant without hierarchies has the answer at once; ROWS keeps
-- whoever joins it from reading all customers.
CREATE FUNCTION winkel_families(tenant integer, asked uuid[])
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

-- A prepaid commit or a credit. What is left of it is the sum of its ledger entries, never a column.
CREATE TABLE balance (
    tenant_id                integer NOT NULL REFERENCES tenant,
    id                       uuid NOT NULL,
    type                     text NOT NULL,
    customer_id              uuid NOT NULL,
    contract_id              uuid,
    product_id               uuid NOT NULL,
    credit_type_id           uuid NOT NULL,
    segments                 jsonb NOT NULL,      -- list of model/commit.py, Segment
    priority                 numeric NOT NULL,
    name                     text,
    description              text,
    applicable_contract_ids  jsonb NOT NULL DEFAULT '[]',
    applicable_product_ids   jsonb NOT NULL DEFAULT '[]',
    applicable_product_tags  jsonb NOT NULL DEFAULT '[]',
    specifiers               jsonb NOT NULL DEFAULT '[]',
    rate_type                text NOT NULL,
    invoice_schedule         jsonb,
    invoice_contract_id      uuid,
    rollover_fraction        numeric CHECK (rollover_fraction BETWEEN 0 AND 1),
    netsuite_sales_order_id  text,
    salesforce_opportunity_id text,
    uniqueness_key           text,
    custom_fields            jsonb NOT NULL DEFAULT '{}',
    created_at               timestamptz NOT NULL,
    created_by               text NOT NULL,
    archived_at              timestamptz,
    recurring_id             uuid,                -- of the contract's recurring commit or credit that gave it
    child_access             jsonb,               -- model/hierarchy.py, ChildAccess
    rolled_over_from         jsonb,               -- model/commit.py, RolledOverFrom
    allocation               jsonb,               -- model/allocation.py, SeatAllocation: how it follows seats
    retired_at               timestamptz,         -- since when it takes no part in billing: it is used up
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customer,
    FOREIGN KEY (tenant_id, contract_id) REFERENCES contract,
    FOREIGN KEY (tenant_id, product_id) REFERENCES product
);
CREATE INDEX balance_customer ON balance (tenant_id, customer_id, created_at);

CREATE TABLE invoice (
    tenant_id       integer NOT NULL REFERENCES tenant,
    id              uuid NOT NULL,
    customer_id     uuid NOT NULL,
    contract_id     uuid NOT NULL,
    type            text NOT NULL,
    status          text NOT NULL CHECK (status IN ('FINALIZED', 'VOID')),   -- a draft is computed, never kept
    start           timestamptz,
    "end"           timestamptz,
    issued_at       timestamptz NOT NULL,
    created_at      timestamptz NOT NULL,
    credit_type_id  uuid NOT NULL,
    total           numeric NOT NULL,
    line_items      jsonb NOT NULL,
    net_payment_terms_days numeric,
    regenerated_from_invoice_id uuid,             -- the void one whose place it takes
    payer                    jsonb,               -- in a hierarchy: model/hierarchy.py, ContractRef
    constituent_invoices     jsonb NOT NULL DEFAULT '[]',   -- list of model/invoice.py, InvoiceRef
    imported_usage  jsonb NOT NULL DEFAULT '[]',  -- list of model/invoice.py, ImportedUsage
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customer,
    FOREIGN KEY (tenant_id, contract_id) REFERENCES contract,
    FOREIGN KEY (tenant_id, regenerated_from_invoice_id) REFERENCES invoice
);
CREATE INDEX invoice_customer ON invoice (tenant_id, customer_id, issued_at);
-- Two workers never invoice one period twice.
CREATE UNIQUE INDEX invoice_once ON invoice (tenant_id, contract_id, type, start)
    WHERE status = 'FINALIZED' AND type = 'USAGE';
CREATE UNIQUE INDEX invoice_consolidated_once ON invoice (tenant_id, contract_id, start)
    WHERE status = 'FINALIZED' AND type = 'USAGE_CONSOLIDATED';
-- Nor is a void one regenerated twice.
CREATE UNIQUE INDEX invoice_regenerated_once ON invoice (tenant_id, regenerated_from_invoice_id);

CREATE TABLE ledger_entry (
    tenant_id    integer NOT NULL REFERENCES tenant,
    id           uuid NOT NULL,
    balance_id   uuid NOT NULL,
    segment_id   uuid NOT NULL,
    kind         text NOT NULL,
    amount       numeric NOT NULL,
    timestamp    timestamptz NOT NULL,
    invoice_id   uuid,
    contract_id  uuid,
    reason       text,
    new_contract_id uuid,                         -- of what rolls over: to where
    per_seat     jsonb NOT NULL DEFAULT '{}',     -- how much of the amount is whose, by the id of the seat
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, balance_id) REFERENCES balance
);
CREATE INDEX ledger_entry_balance ON ledger_entry (tenant_id, balance_id, timestamp);
CREATE INDEX ledger_entry_invoice ON ledger_entry (tenant_id, invoice_id);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed or removed: write a new one', TG_TABLE_NAME;
END $$;
CREATE TRIGGER ledger_entry_is_final BEFORE UPDATE OR DELETE ON ledger_entry
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Every edit of a contract, with the whole contract as it was before (model/edit.py). Nothing of it ever changes.
CREATE TABLE contract_edit (
    tenant_id    integer NOT NULL REFERENCES tenant,
    id           uuid NOT NULL,
    number       bigint GENERATED ALWAYS AS IDENTITY,   -- the order of a contract's edits
    contract_id  uuid NOT NULL,
    at           timestamptz NOT NULL,
    made_by      text NOT NULL,
    record       jsonb NOT NULL,                 -- as the API shows it
    before       jsonb NOT NULL,                 -- model/contract.py, Contract
    amendment    jsonb,                          -- model/edit.py, Amendment; NULL: it was not asked for as one
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, contract_id) REFERENCES contract
);
CREATE INDEX contract_edit_of ON contract_edit (tenant_id, contract_id, number);
CREATE TRIGGER contract_edit_is_final BEFORE UPDATE OR DELETE ON contract_edit
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- When the bill worker must look at a customer next. Any change of its contracts or balances says: now. So does an invoice
-- that is made anew: what it leaves out of the void one may be due.
CREATE TABLE billing_due (
    tenant_id    integer NOT NULL REFERENCES tenant,
    customer_id  uuid NOT NULL,
    at           timestamptz NOT NULL,
    problem      text,                            -- why the last look failed; it is tried again
    PRIMARY KEY (tenant_id, customer_id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customer
);
CREATE INDEX billing_due_at ON billing_due (at);

CREATE FUNCTION bill_now() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO billing_due (tenant_id, customer_id, at) VALUES (NEW.tenant_id, NEW.customer_id, to_timestamp(0))
    ON CONFLICT (tenant_id, customer_id) DO UPDATE SET at = EXCLUDED.at;
    RETURN NULL;
END $$;
CREATE TRIGGER contract_changed AFTER INSERT OR UPDATE ON contract FOR EACH ROW EXECUTE FUNCTION bill_now();
CREATE TRIGGER balance_changed AFTER INSERT OR UPDATE ON balance FOR EACH ROW EXECUTE FUNCTION bill_now();
CREATE TRIGGER invoice_made_anew AFTER INSERT ON invoice FOR EACH ROW
    WHEN (NEW.regenerated_from_invoice_id IS NOT NULL) EXECUTE FUNCTION bill_now();

-- uniqueness_key of request bodies: one use per kind of object (metronome-api.md §2).
CREATE TABLE uniqueness_key (
    tenant_id  integer NOT NULL REFERENCES tenant,
    kind       text NOT NULL,
    key        text NOT NULL CHECK (length(key) BETWEEN 1 AND 128),
    object_id  uuid NOT NULL,
    PRIMARY KEY (tenant_id, kind, key)
);

-- Idempotency-Key headers and the answers that were given (metronome-api.md §2).
CREATE TABLE idempotency_key (
    tenant_id   integer NOT NULL REFERENCES tenant,
    key         text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    request     bytea NOT NULL,                  -- SHA-256 of method, path and body
    status      smallint,                        -- NULL only inside the transaction of the first request
    body        bytea,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key)
);
CREATE INDEX idempotency_key_age ON idempotency_key (tenant_id, created_at);


-- ── The second wall ─────────────────────────────────────────────────────────────────────────────────────────────────

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'token', 'log_record', 'usage_series', 'usage_delta', 'usage_hour', 'usage_distinct', 'dead_letter',
        'event_count', 'conflicting_duplicate', 'customer', 'ingest_alias', 'billable_metric', 'product', 'rate_card',
        'alias', 'rate', 'contract', 'balance', 'invoice', 'ledger_entry', 'billing_due', 'uniqueness_key',
        'idempotency_key', 'contract_edit', 'credit_type', 'named_schedule', 'package',
        'rate_card_product']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_tenant ON %I USING (tenant_id = winkel_tenant())', name);
    END LOOP;
    ALTER TABLE tenant ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own_tenant ON tenant USING (id = winkel_tenant());
END $$;

GRANT SELECT ON tenant, log_record, log_partition, usage_series, usage_delta, usage_hour, usage_distinct, dead_letter,
    event_count, conflicting_duplicate TO winkel_app;
GRANT SELECT, INSERT, UPDATE ON token, customer, billable_metric, product, rate_card, rate, contract,
    balance, uniqueness_key, idempotency_key TO winkel_app;
GRANT SELECT, INSERT, UPDATE (status) ON invoice TO winkel_app;      -- voided, and never changed otherwise
GRANT SELECT, INSERT, DELETE ON ingest_alias TO winkel_app;
GRANT SELECT, INSERT, UPDATE (archived_at) ON credit_type TO winkel_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON rate_card_product TO winkel_app;
GRANT DELETE ON idempotency_key TO winkel_app;
GRANT SELECT, INSERT ON ledger_entry, contract_edit TO winkel_app;
GRANT UPDATE (attempts, note, resolved_at, resolution) ON dead_letter TO winkel_app;
GRANT SELECT, INSERT, UPDATE (segments) ON named_schedule TO winkel_app;
GRANT SELECT, INSERT, UPDATE (archived_at) ON package TO winkel_app;     -- archived, and never changed otherwise
GRANT SELECT, INSERT, UPDATE, DELETE ON alias TO winkel_app;
GRANT INSERT ON usage_series, usage_delta TO winkel_app;     -- an event that is retried for one metric
