-- Dates of open scheduled invoices that were moved.

ALTER TABLE contract ADD COLUMN issue_dates jsonb NOT NULL DEFAULT '{}';
