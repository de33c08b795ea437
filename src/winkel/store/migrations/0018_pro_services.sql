-- Professional services of contracts, and the invoices that were scheduled for them.

ALTER TABLE contract
    ADD COLUMN professional_services jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN pro_service_invoices jsonb NOT NULL DEFAULT '[]';
