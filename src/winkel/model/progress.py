"""Progress of metering, and the books that are kept on what arrived."""

from datetime import datetime

from msgspec import Struct


class Progress(Struct, frozen=True):
    """How far one partition of a log has been metered, and who may go on."""

    topic: str
    partition: int
    epoch: int
    """Rises with every new owner; only who knows the newest may write."""
    next_offset: int
    owner: str | None = None
    backend_pid: int | None = None
    updated_at: datetime | None = None
    tries: int = 0
    """With the next two: what is known of meters that died before this partition moved on (meter/caution.py)."""
    suspect_until: int | None = None
    trying_until: int | None = None


class Move(Struct, frozen=True, gc=False):
    """A batch's step of one partition: from the offset at which it began to the one at which the next begins."""

    partition: int
    epoch: int
    start: int
    end: int


class EventCount(Struct, frozen=True, gc=False):
    """What arrived for one tenant in one partition and arrival hour, and what became of it, in events.

    `duplicates` includes `conflicts`; `dead_letters` counts the events of undecodable records, and each event that a
    metric could not use once for that metric (such an event is also `counted`).
    """

    tenant_id: int
    partition: int
    hour: int
    counted: int
    duplicates: int
    conflicts: int
    dead_letters: int


class Conflict(Struct, frozen=True, gc=False):
    """An event whose id was seen before with other content: it was not counted, and somebody should know."""

    tenant_id: int
    key: bytes
    transaction_id: str
    customer_id: str
    event_type: str
    timestamp: datetime
    properties: str
    at: datetime
    """When it arrived."""
