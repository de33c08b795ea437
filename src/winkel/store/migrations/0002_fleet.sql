-- A fleet: many gateways and meters on one log, whose partitions may change in number while events come in.

ALTER TABLE log_record ADD COLUMN routing integer NOT NULL DEFAULT 1;   -- by which version its partition was chosen

-- A partition whose meters die (meter/caution.py): how many in a row, up to which offset the record may be that kills
-- them, and up to which offset the batch goes that was begun last.
ALTER TABLE log_progress ADD COLUMN tries integer NOT NULL DEFAULT 0, ADD COLUMN suspect_until bigint,
    ADD COLUMN trying_until bigint;

-- What became of a dead letter (letters/actions.py), and when it was told to the dead letters' topic (letters/worker.py).
ALTER TABLE dead_letter ADD COLUMN events integer NOT NULL DEFAULT 1, ADD COLUMN attempts integer NOT NULL DEFAULT 0,
    ADD COLUMN note text NOT NULL DEFAULT '', ADD COLUMN resolved_at timestamptz,
    ADD COLUMN resolution text CHECK (resolution IN ('retried', 'discarded')), ADD COLUMN published_at timestamptz,
    ADD CONSTRAINT dead_letter_resolved CHECK ((resolved_at IS NULL) = (resolution IS NULL));
CREATE UNIQUE INDEX dead_letter_id ON dead_letter (id);
CREATE INDEX dead_letter_newest ON dead_letter (tenant_id, at, id);
CREATE INDEX dead_letter_unpublished ON dead_letter (topic, id) WHERE published_at IS NULL;
GRANT UPDATE (attempts, note, resolved_at, resolution) ON dead_letter TO winkel_app;
GRANT INSERT ON usage_series, usage_delta TO winkel_app;     -- an event that is retried for one metric

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

-- Usage, progress and runs may be spread over several databases (store/shards.py), of which one has the tenants and the
-- metrics: a series says itself how its values are merged.
ALTER TABLE usage_series DROP CONSTRAINT usage_series_tenant_id_fkey, ADD COLUMN aggregation_type text;
UPDATE usage_series AS series SET aggregation_type = metric.aggregation_type
FROM billable_metric AS metric WHERE metric.tenant_id = series.tenant_id AND metric.id = series.metric_id;
ALTER TABLE usage_series ALTER COLUMN aggregation_type SET NOT NULL;

-- A row of open usage is what one batch added to many series of neighbours (model/usage.py, slot_of): a row for each
-- series and hour cost several times as much to write.
ALTER TABLE usage_delta ADD COLUMN slot smallint, ADD COLUMN series_ids uuid[], ADD COLUMN numbers smallint[],
    ADD COLUMN hours integer[], ADD COLUMN quantities numeric[], ADD COLUMN ats bigint[], ADD COLUMN texts text[];
UPDATE usage_delta AS delta SET
    slot = (SELECT (get_byte(hash, 0) * 256 + get_byte(hash, 1)) % 1024
            FROM usage_series AS series, sha256(convert_to(series.customer_key, 'UTF8')) AS hash
            WHERE series.tenant_id = delta.tenant_id AND series.series_id = delta.series_id),
    series_ids = ARRAY[series_id],
    numbers = ARRAY[1],
    hours = ARRAY[hour],
    quantities = CASE WHEN quantity IS NOT NULL THEN ARRAY[quantity] END,
    ats = CASE WHEN at IS NOT NULL THEN ARRAY[at] END,
    texts = CASE WHEN text IS NOT NULL THEN ARRAY[text] END;
ALTER TABLE usage_delta ALTER COLUMN slot SET NOT NULL, ALTER COLUMN series_ids SET NOT NULL, ALTER COLUMN numbers SET NOT NULL,
    ALTER COLUMN hours SET NOT NULL, DROP COLUMN series_id, DROP COLUMN hour, DROP COLUMN quantity, DROP COLUMN at,
    DROP COLUMN text;
CREATE INDEX usage_delta_slot ON usage_delta (tenant_id, slot);
ALTER TABLE usage_delta SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000,
    autovacuum_vacuum_insert_threshold = -1);

-- A tenant's quota of ingest: 0 is no limit, NULL the default of the installation (ingest/quota.py).
ALTER TABLE tenant ADD COLUMN events_per_second integer CHECK (events_per_second >= 0);
