-- Void and regenerate: which invoice takes the place of which, and what was posted to the ledger for one.

ALTER TABLE invoice ADD COLUMN regenerated_from_invoice_id uuid,
    ADD FOREIGN KEY (tenant_id, regenerated_from_invoice_id) REFERENCES invoice;
-- Nor is a void one regenerated twice.
CREATE UNIQUE INDEX invoice_regenerated_once ON invoice (tenant_id, regenerated_from_invoice_id);
CREATE INDEX ledger_entry_invoice ON ledger_entry (tenant_id, invoice_id);

-- An invoice is voided, and never changed otherwise.
REVOKE UPDATE ON invoice FROM winkel_app;
GRANT UPDATE (status) ON invoice TO winkel_app;
