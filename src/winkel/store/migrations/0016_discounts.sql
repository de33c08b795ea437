-- What contracts take off on dates, and whether dates stand on usage invoices.

ALTER TABLE contract
    ADD COLUMN discounts jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN scheduled_charges_on_usage_invoices text;
