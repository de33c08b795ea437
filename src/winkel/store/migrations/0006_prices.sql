-- What usage costs that a commit pays for.

ALTER TABLE rate ADD COLUMN commit_price jsonb;
