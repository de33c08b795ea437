-- Recurring commits and credits: the terms are the contract's, what they give are balances.

ALTER TABLE contract ADD COLUMN recurring_balances jsonb NOT NULL DEFAULT '[]';
ALTER TABLE balance ADD COLUMN recurring_id uuid;
