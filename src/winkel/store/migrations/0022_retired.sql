-- Commits that are used up and take no part in billing any more.

ALTER TABLE balance ADD COLUMN retired_at timestamptz;
