"""A queue in which a tenant waits for its own events, not for those of others: deficit round robin. Pure.

Tenants take turns, and a turn is so many events (Shreedhar and Varghese, Efficient Fair Queueing using Deficit Round
Robin, 1995). A request that is larger than what is left of a turn waits for the next ones, which add up.
"""

from collections import deque
from typing import Generic, TypeVar

from msgspec import Struct

T = TypeVar("T")

TURN_EVENTS = 1000
"""Events of one turn: about one request of a sender who batches well."""


class Entry(Struct, Generic[T], frozen=True, eq=False, gc=False):
    """What waits, and what it costs when it is taken: its events."""

    item: T
    events: int


class _Line(Struct, Generic[T]):
    """What waits of one tenant, in order, and what is left of its turn."""

    entries: deque[Entry[T]]
    left: int


class FairQueue(Generic[T]):
    """What waits of all tenants. Each one's own order stays."""

    def __init__(self) -> None:
        self._lines: dict[int, _Line[T]] = {}  # in the order of the turns

    def __bool__(self) -> bool:
        return bool(self._lines)

    def put(self, tenant_id: int, item: T, events: int) -> None:
        """Let something wait."""
        line = self._lines.get(tenant_id)
        if line is None:
            line = self._lines[tenant_id] = _Line(deque(), TURN_EVENTS)
        line.entries.append(Entry(item, events))

    def take(self, events: int) -> list[T]:
        """Return what is next, until that is so many events or nothing waits any more."""
        taken: list[T] = []
        count = 0
        while self._lines and count < events:
            tenant_id, line = next(iter(self._lines.items()))
            while line.entries and line.entries[0].events <= line.left and count < events:
                entry = line.entries.popleft()
                line.left -= entry.events
                count += entry.events
                taken.append(entry.item)
            if not line.entries:
                del self._lines[tenant_id]  # nothing is saved up by who has nothing to send
            elif line.entries[0].events > line.left:
                del self._lines[tenant_id]
                line.left += TURN_EVENTS
                self._lines[tenant_id] = line
        return taken
