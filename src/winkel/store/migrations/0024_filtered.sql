-- Who filters usage on a card, and which cards sell a product: looked for when either is added to.

CREATE INDEX contract_filtered ON contract (tenant_id, rate_card_id) WHERE usage_filters <> '[]';
CREATE INDEX rate_of_product ON rate (tenant_id, product_id);
