-- Custom pricing units, and what they are worth on a rate card.

CREATE TABLE credit_type (
    tenant_id   integer NOT NULL REFERENCES tenant,
    id          uuid NOT NULL,
    name        text NOT NULL,
    created_at  timestamptz NOT NULL,
    archived_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX credit_type_name ON credit_type (tenant_id, name) WHERE archived_at IS NULL;
ALTER TABLE credit_type ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON credit_type USING (tenant_id = winkel_tenant());
GRANT SELECT, INSERT, UPDATE (archived_at) ON credit_type TO winkel_app;

ALTER TABLE rate_card ADD COLUMN credit_type_conversions jsonb NOT NULL DEFAULT '[]';
