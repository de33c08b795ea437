-- Which usage counts for a contract.

ALTER TABLE contract ADD COLUMN usage_filters jsonb NOT NULL DEFAULT '[]';
