-- Contracts that renew others, what rolls over to them, and invoices that were imported.

ALTER TABLE contract ADD COLUMN transition jsonb;
ALTER TABLE balance ADD COLUMN rolled_over_from jsonb;
ALTER TABLE ledger_entry ADD COLUMN new_contract_id uuid;
ALTER TABLE invoice ADD COLUMN imported_usage jsonb NOT NULL DEFAULT '[]';
