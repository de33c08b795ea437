-- Edits that were asked for as amendments.

ALTER TABLE contract_edit ADD COLUMN amendment jsonb;
