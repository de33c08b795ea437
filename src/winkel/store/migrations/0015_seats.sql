-- Recurring commits and credits that follow the seats of a subscription.

ALTER TABLE balance ADD COLUMN allocation jsonb;
ALTER TABLE ledger_entry ADD COLUMN per_seat jsonb NOT NULL DEFAULT '{}';
