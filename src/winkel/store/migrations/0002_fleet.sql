-- A fleet: many gateways and meters on one log, whose partitions may change in number while events come in.

ALTER TABLE log_record ADD COLUMN routing integer NOT NULL DEFAULT 1;   -- by which version its partition was chosen

-- Meters that died since a partition last moved on (fleet/worker.py takes smaller and smaller batches then).
ALTER TABLE log_progress ADD COLUMN tries integer NOT NULL DEFAULT 0;

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
    batches        bigint NOT NULL,
    busy_seconds   double precision NOT NULL,   -- spent on batches, waiting for records not counted
    commit_seconds double precision NOT NULL,   -- of these, from the beginning of a transaction to its end
    age_seconds    double precision NOT NULL,   -- how old the oldest record of the last batch was when it was committed
    PRIMARY KEY (topic, meter)
) WITH (fillfactor = 50);
