-- All of pricing: what contracts may agree to beside the rates of a card.

ALTER TABLE contract ADD COLUMN overrides jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN multiplier_override_prioritization text NOT NULL DEFAULT 'LOWEST_MULTIPLIER',
    ADD COLUMN scheduled_charges jsonb NOT NULL DEFAULT '[]';
