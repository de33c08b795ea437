-- The history of contracts: every edit, and what the contract was before.

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
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, contract_id) REFERENCES contract
);
CREATE INDEX contract_edit_of ON contract_edit (tenant_id, contract_id, number);
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed or removed: write a new one', TG_TABLE_NAME;
END $$;
CREATE TRIGGER contract_edit_is_final BEFORE UPDATE OR DELETE ON contract_edit
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE contract_edit ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON contract_edit USING (tenant_id = winkel_tenant());
GRANT SELECT, INSERT ON contract_edit TO winkel_app;

-- Until now only the end of a contract could change: those changes are its first edits.
INSERT INTO contract_edit (tenant_id, id, contract_id, at, made_by, record, before)
SELECT tenant_id, id, contract_id, (change ->> 'changed_at')::timestamptz, change ->> 'changed_by',
       jsonb_build_object('id', id, 'timestamp', change -> 'changed_at',
                          'update_contract_end_date', change -> 'new'),
       agreed || jsonb_build_object('ending_before', change -> 'old', 'archived_at', NULL)
FROM (SELECT contract.tenant_id, gen_random_uuid() AS id, contract.id AS contract_id, change, place,
             to_jsonb(contract) - 'tenant_id' - 'end_changes' AS agreed
      FROM contract, jsonb_array_elements(contract.end_changes) WITH ORDINALITY AS one (change, place)) AS edit
ORDER BY tenant_id, contract_id, place;
ALTER TABLE contract DROP COLUMN end_changes;
