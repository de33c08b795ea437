"""When a gateway refuses events because of what lies behind it: metering that is too late, a disk that is full. Pure.

`ingest/worker.py` looks every few seconds and tells; a request only asks what was told last. Both gates have two
bounds, one to close at and one to open at, so that they do not flap.
"""

from collections import deque
from collections.abc import Sequence

from msgspec import Struct

from winkel.model.errors import OverQuotaError, UnavailableError, WinkelError

OPEN_LAG = 0.5
"""The gate opens again when metering is behind by less than this part of the limit."""
OPEN_ROOM = 1.1
"""The gate opens again when this many times the reserve is free."""
RETRY_SECONDS = (5, 60)
"""How long senders are told to wait for metering, at least and at most."""
DISK_RETRY_SECONDS = 10
MEMORY = 64
"""Of how many instants `Ages` remembers where the log ended."""


class Refusal(Struct, frozen=True):
    """Why a request is not let in."""

    reason: str
    """A word for the figures: closing, disk, lag, log, queue or quota."""
    error: WinkelError


class Pressure:
    """Whether a gateway takes events. Before the first look it does."""

    def __init__(self, lag_limit_seconds: float = 0, disk_reserve_bytes: int = 0) -> None:
        self.lag_limit_seconds = lag_limit_seconds
        """How far metering may be behind, in seconds; 0: as far as it likes."""
        self.disk_reserve_bytes = disk_reserve_bytes
        """How much room the database's disk keeps; 0: none."""
        self.lag_seconds = 0.0
        """How old the oldest event is that is not metered yet."""
        self.late = False
        self.full = False

    def see_lag(self, seconds: float) -> None:
        """Learn how old the oldest event is that is not metered yet."""
        self.lag_seconds = seconds
        limit = self.lag_limit_seconds
        self.late = limit > 0 and seconds > (limit * OPEN_LAG if self.late else limit)

    def see_disk(self, free: int | None) -> None:
        """Learn how many bytes are free where the database is; None: that cannot be seen from here."""
        reserve = self.disk_reserve_bytes
        self.full = free is not None and reserve > 0 and free < (reserve * OPEN_ROOM if self.full else reserve)

    def refusal(self) -> Refusal | None:
        """Return why no request is let in, if none is."""
        if self.full:
            error = UnavailableError(
                "the disk of the database is almost full, so no more events are taken; nothing is lost: "
                "make room, and send them again",
                DISK_RETRY_SECONDS,
            )
            return Refusal("disk", error)
        if self.late:
            least, most = RETRY_SECONDS
            wait = min(most, max(least, round(self.lag_seconds - self.lag_limit_seconds * OPEN_LAG)))
            message = (
                f"metering is {self.lag_seconds:.0f} s behind, and may be {self.lag_limit_seconds:.0f} s: "
                f"send the events again in {wait} s"
            )
            return Refusal("lag", OverQuotaError(message, wait))
        return None


class Ages:
    """How long the oldest records of a log have waited, from where it ended at earlier looks.

    That needs no read of the log. It is exact to `step` seconds, and at least as long as it says where that is longer
    than it can know.
    """

    def __init__(self, step: float) -> None:
        self._step = step
        self._ends: deque[tuple[float, Sequence[int]]] = deque(maxlen=MEMORY)

    def note(self, now: float, ends: Sequence[int]) -> None:
        """Remember where each partition ends now, if the last time was long enough ago."""
        if not self._ends or now - self._ends[-1][0] >= self._step:
            self._ends.append((now, ends))

    def waited(self, now: float, partition: int, position: int, end: int) -> float:
        """Return for about how many seconds the record at a partition's position has been waiting."""
        if position >= end:
            return 0.0
        for at, ends in self._ends:
            if partition < len(ends) and ends[partition] > position:
                return now - at
        return 0.0

    def beyond(self, partition: int, position: int) -> bool:
        """Whether the record at a position was there at the first look that is remembered: it may be far older."""
        return bool(self._ends) and partition < len(self._ends[0][1]) and self._ends[0][1][partition] > position
