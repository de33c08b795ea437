-- name: open_deltas
-- How many additions to usage are not merged yet; counting stops at the limit.
SELECT count(*) AS count FROM (SELECT FROM usage_delta LIMIT %(limit)s) AS few

-- name: troubles
-- Events of all tenants since an hour that were not counted or not clear.
SELECT coalesce(sum(dead_letters), 0)::bigint AS dead_letters, coalesce(sum(conflicts), 0)::bigint AS conflicts
FROM event_count WHERE hour >= %(hour)s

-- name: failed_billings
-- How many customers could not be billed at the last try.
SELECT count(*) AS count FROM billing_due WHERE problem IS NOT NULL

-- name: data_folder
-- Where the server keeps its data; a refusal when the session may not know.
SELECT current_setting('data_directory') AS folder

-- name: now
-- The database's clock.
SELECT clock_timestamp() AS now
