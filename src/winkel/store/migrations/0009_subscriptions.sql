-- What contracts charge period by period, and for which periods such prices are.

ALTER TABLE rate ADD COLUMN billing_frequency text;
ALTER TABLE contract ADD COLUMN subscriptions jsonb NOT NULL DEFAULT '[]';
