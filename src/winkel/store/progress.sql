-- name: create
-- The row of a partition that nobody metered yet; one that exists stays as it is.
INSERT INTO log_progress (topic, partition, next_offset) VALUES (%(topic)s, %(partition)s, %(start)s)
ON CONFLICT (topic, partition) DO NOTHING

-- name: wait_at_most
-- Wait no longer than this for a lock, until the transaction ends.
SELECT set_config('lock_timeout', %(seconds)s || 's', true)

-- name: lock
-- Ask for the row: who holds it is in the middle of a batch.
SELECT partition FROM log_progress WHERE topic = %(topic)s AND partition = %(partition)s FOR UPDATE

-- name: take
-- Become the owner. The row lock waits for a batch of the previous owner; after this it can commit nothing more.
UPDATE log_progress
SET epoch = epoch + 1, owner = %(owner)s, backend_pid = pg_backend_pid(), updated_at = clock_timestamp()
WHERE topic = %(topic)s AND partition = %(partition)s
RETURNING topic, partition, epoch, next_offset, owner, backend_pid, updated_at, tries, suspect_until, trying_until

-- name: orphaned
-- Whether the owner is gone without having given the partition up: its connection has ended, or it has been silent.
SELECT owner IS NOT NULL AND (updated_at < clock_timestamp() - make_interval(secs => %(lease)s)
       OR NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = backend_pid AND datname = current_database())) AS orphaned
FROM log_progress WHERE topic = %(topic)s AND partition = %(partition)s

-- name: suspect
-- Keep what follows from the death of the owner before.
UPDATE log_progress SET tries = %(tries)s, suspect_until = %(suspect_until)s, trying_until = NULL
WHERE topic = %(topic)s AND partition = %(partition)s AND epoch = %(epoch)s

-- name: try_until
-- Note where the batch ends that is begun now. No row: another worker owns the partition.
UPDATE log_progress SET trying_until = %(end)s
WHERE topic = %(topic)s AND partition = %(partition)s AND epoch = %(epoch)s
RETURNING partition

-- name: free
-- Whether a partition waits for an owner: it has none, it is ours, its connection is gone, or it has been silent.
SELECT owner IS NULL OR owner = %(owner)s OR updated_at < clock_timestamp() - make_interval(secs => %(lease)s)
       OR NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = backend_pid AND datname = current_database()) AS free
FROM log_progress WHERE topic = %(topic)s AND partition = %(partition)s

-- name: unowned
-- Of some partitions, those without an owner that is connected and has given a sign lately.
SELECT partition FROM unnest(%(partitions)s::int[]) AS partition
WHERE partition <> ALL (ARRAY(
    SELECT log_progress.partition FROM log_progress JOIN pg_stat_activity AS activity ON activity.pid = backend_pid
    WHERE topic = %(topic)s AND owner IS NOT NULL AND activity.datname = current_database()
      AND updated_at >= clock_timestamp() - make_interval(secs => %(lease)s)))
ORDER BY partition

-- name: end_holder
-- End the connection of the previous owner. Process ids come again, so only a session of ours in this database.
SELECT pg_terminate_backend(activity.pid)
FROM log_progress JOIN pg_stat_activity AS activity ON activity.pid = backend_pid
WHERE topic = %(topic)s AND partition = %(partition)s AND activity.pid <> pg_backend_pid()
  AND activity.datname = current_database() AND activity.application_name = left('winkel meter ' || %(topic)s, 63)

-- name: name_session
-- Say what this connection is for, in the 63 bytes that PostgreSQL keeps; so others can count the meters there are.
SELECT set_config('application_name', left('winkel meter ' || %(topic)s, 63), false)

-- name: meters
-- How many meters of this topic are connected and gave a sign lately: each asks something every second. One that hangs
-- must not count, or the others would leave its partitions to it.
SELECT count(*) AS meters FROM pg_stat_activity
WHERE datname = current_database() AND application_name = left('winkel meter ' || %(topic)s, 63)
  AND state_change > clock_timestamp() - make_interval(secs => %(lease)s)

-- name: advance
-- Move one partition on, but only from where we believe it is and only for the holder of the epoch. No row: another
-- worker owns it now, or this batch was counted already.
UPDATE log_progress
SET next_offset = %(end)s, updated_at = clock_timestamp(), trying_until = NULL,
    tries = CASE WHEN suspect_until > %(end)s THEN tries ELSE 0 END,
    suspect_until = CASE WHEN suspect_until > %(end)s THEN suspect_until END
WHERE topic = %(topic)s AND partition = %(partition)s AND epoch = %(epoch)s AND next_offset = %(start)s

-- name: hold
-- Whether the epoch is still ours; while this transaction lasts nobody can take it.
SELECT partition FROM log_progress
WHERE topic = %(topic)s AND partition = %(partition)s AND epoch = %(epoch)s FOR UPDATE

-- name: passed
-- Where some partitions stand, once no batch of theirs is open any more.
SELECT partition, next_offset FROM log_progress
WHERE topic = %(topic)s AND partition = ANY(%(partitions)s) ORDER BY partition FOR SHARE

-- name: heartbeat
-- Say that we live. No row: we own it no longer.
UPDATE log_progress SET updated_at = clock_timestamp()
WHERE topic = %(topic)s AND partition = %(partition)s AND epoch = %(epoch)s
RETURNING partition

-- name: release
-- Give the partition up, so that somebody else can go on at once.
UPDATE log_progress SET owner = NULL, backend_pid = NULL, trying_until = NULL
WHERE topic = %(topic)s AND partition = %(partition)s AND epoch = %(epoch)s

-- name: wait_for_batches
-- Wait until no batch is open; until this transaction ends, none begins.
LOCK TABLE log_progress IN EXCLUSIVE MODE

-- name: fence
-- Take every partition away from its owner.
UPDATE log_progress SET epoch = epoch + 1, owner = NULL, backend_pid = NULL

-- name: all
-- The progress of every partition of a log.
SELECT topic, partition, epoch, next_offset, owner, backend_pid, updated_at, tries, suspect_until, trying_until
FROM log_progress WHERE topic = %(topic)s ORDER BY partition
