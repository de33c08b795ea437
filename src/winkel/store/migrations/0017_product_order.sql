-- In which order a rate card's products stand on invoices.

CREATE TABLE rate_card_product (
    tenant_id    integer NOT NULL,
    rate_card_id uuid NOT NULL,
    product_id   uuid NOT NULL,
    position     integer NOT NULL,               -- products without one come last, in the order of their first rates
    PRIMARY KEY (tenant_id, rate_card_id, product_id),
    FOREIGN KEY (tenant_id, rate_card_id) REFERENCES rate_card,
    FOREIGN KEY (tenant_id, product_id) REFERENCES product
);

ALTER TABLE rate_card_product ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON rate_card_product USING (tenant_id = winkel_tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON rate_card_product TO winkel_app;
