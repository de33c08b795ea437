"""A second opinion on the protocol, kept by the database itself: who moved which partition from where to where."""

from chaos.system import System

_MAKE = """
CREATE TABLE chaos_audit (
    id bigserial, topic text, partition integer, epoch bigint, backend integer, old_offset bigint, new_offset bigint
);
CREATE FUNCTION chaos_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos_audit (topic, partition, epoch, backend, old_offset, new_offset)
    VALUES (NEW.topic, NEW.partition, NEW.epoch, pg_backend_pid(), OLD.next_offset, NEW.next_offset);
    RETURN NULL;
END $$;
CREATE TRIGGER chaos_note AFTER UPDATE OF next_offset ON log_progress
    FOR EACH ROW EXECUTE FUNCTION chaos_note();
"""


def begin(system: System) -> None:
    """Begin to note every move of every partition."""
    system.ask(_MAKE)


def commits(system: System, epochs: dict[int, int]) -> int:
    """Return how many batches were committed under these epochs of these partitions."""
    return sum(
        system.ask("SELECT count(*) FROM chaos_audit WHERE partition = %s AND epoch = %s", partition, epoch)[0][0]
        for partition, epoch in epochs.items()
    )


def assert_one_after_the_other(system: System) -> int:
    """Assert that no partition was moved by an old epoch, none from where it was not; return the number of batches."""
    last: dict[int, tuple[int, int]] = {}
    rows = system.ask("SELECT partition, epoch, old_offset, new_offset FROM chaos_audit ORDER BY id")
    for partition, epoch, old, new in rows:
        if partition in last:
            before_epoch, before = last[partition]
            assert epoch >= before_epoch, f"partition {partition}: epoch {epoch} moved it after epoch {before_epoch}"
            assert old == before, f"partition {partition} went on at {old}, but was at {before}"
        assert new > old, f"partition {partition} moved from {old} to {new}"
        last[partition] = epoch, new
    return len(rows)
