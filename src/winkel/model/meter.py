"""What one meter tells of itself."""

from datetime import datetime

from msgspec import Struct


class MeterStatus(Struct, frozen=True):
    """What one meter did since it started, as of its last sign. Counters begin anew when `started_at` is another."""

    meter: str
    """As `owner` in the positions of its partitions: host, process id and a random part."""
    started_at: datetime
    seen_at: datetime
    silent_seconds: float
    """Since its last sign, by the database's clock."""
    partitions: tuple[int, ...]
    records: int
    events: int
    duplicates: int
    dead_letters: int
    forwarded: int
    """Records of an old routing that it sent on."""
    batches: int
    busy_seconds: float
    """Spent on batches; waiting for records does not count."""
    commit_seconds: float
    """Of these, from the beginning of a transaction to its end."""
    age_seconds: float
    """How old the oldest record of the last batch was when it was committed."""
