"""What can be seen of a fleet from outside: how far metering is behind, and how fast everything goes."""

from datetime import datetime

from msgspec import Struct

from winkel.model.meter import MeterStatus

ALIVE_SECONDS = 5.0
"""A meter that gave no sign for so long does not count any more."""


class Standing(Struct, frozen=True):
    """One partition of a log: where its end is, how far it is metered, and by whom."""

    partition: int
    routed: bool
    """Whether new events come here; False for one that the routing left, which may still have some to be metered."""
    next_offset: int
    """The offset that the next record will get."""
    metered_offset: int
    """The offset of the next record to be metered."""
    owner: str | None
    """The meter that owns it, dead or alive; None: nobody."""
    updated_at: datetime | None
    """When its owner last gave a sign; None: it was never metered."""

    @property
    def records(self) -> int:
        """How many records wait to be metered. (A log may have offsets without records: then it is a little less.)"""
        return max(0, self.next_offset - self.metered_offset)


class Observation(Struct, frozen=True):
    """One look at a log and its meters (`observe` in fleet/actions.py)."""

    at: float
    """When, in seconds of a monotonic clock: two looks of one process can be compared."""
    topic: str
    partitions: tuple[Standing, ...]
    meters: tuple[MeterStatus, ...]
    """Those that are alive."""
    events_per_record: float
    """On average, over all that the meters of the last hour metered; 1 while that is not known."""

    @property
    def records(self) -> int:
        """How many records wait to be metered."""
        return sum(each.records for each in self.partitions)

    @property
    def events(self) -> int:
        """How many events wait to be metered, estimated."""
        return round(self.records * self.events_per_record)

    def events_of(self, partition: Standing) -> int:
        """Return how many events of a partition wait to be metered, estimated."""
        return round(partition.records * self.events_per_record)

    @property
    def processes(self) -> dict[str, tuple[int, ...]]:
        """The processes that meter, by host and process id, and the partitions that each owns.

        Where usage is spread over several databases, a process has a meter for each of them.
        """
        found: dict[str, tuple[int, ...]] = {}
        for each in self.meters:
            process = each.meter.rpartition(":")[0] or each.meter
            found[process] = (*found.get(process, ()), *each.partitions)
        return found

    @property
    def orphans(self) -> list[int]:
        """The partitions that no meter alive owns."""
        alive = {each.meter for each in self.meters}
        return [each.partition for each in self.partitions if each.owner not in alive]

    @property
    def useful_meters(self) -> int:
        """How many meters find something to do: one for each partition that events come to, or wait in."""
        return max(1, sum(1 for each in self.partitions if each.routed or each.records))


class Rates(Struct, frozen=True):
    """How fast everything went between two looks. Events are estimated by the average events of a record."""

    seconds: float
    events_per_record: float
    """Of what was metered between the looks, or else as the later look knows it."""
    arriving: float
    """Events a second that were appended."""
    metered: float
    """Events a second that were metered."""
    speed: float | None
    """Events that one meter gets done in a second of work; None: none of them worked."""
    commit_seconds: float | None
    """Seconds that an event spent in transactions of the store; None: none of them worked."""
    busy: float
    """Which part of their time the meters worked, 0 to 1."""


def rates(before: Observation, after: Observation) -> Rates | None:
    """Return how fast everything went between two looks of one process; None when no time passed.

    What a meter did counts when both looks saw it. Its figures are up to a second old and do not fit the times of the
    looks, so that only ratios among them are used; what was appended and metered comes from the offsets.
    """
    seconds = after.at - before.at
    if seconds <= 0:
        return None
    old = {each.partition: each for each in before.partitions}
    pairs = [(old[each.partition], each) for each in after.partitions if each.partition in old]
    appended = sum(max(0, new.next_offset - was.next_offset) for was, new in pairs)
    metered = sum(max(0, new.metered_offset - was.metered_offset) for was, new in pairs)
    work = _work(before.meters, after.meters)
    per_record = work.events / work.records if work.records else after.events_per_record
    return Rates(
        seconds=seconds,
        events_per_record=per_record,
        arriving=appended * per_record / seconds,
        metered=metered * per_record / seconds,
        speed=work.events / work.busy if work.events and work.busy else None,
        commit_seconds=work.commit / work.events if work.events else None,
        busy=min(1.0, work.busy / work.lived) if work.lived else 0.0,
    )


class _Work(Struct):
    records: int = 0
    events: int = 0
    busy: float = 0.0
    commit: float = 0.0
    lived: float = 0.0


def _work(before: tuple[MeterStatus, ...], after: tuple[MeterStatus, ...]) -> _Work:
    """Add up what the meters did that both looks saw."""
    known = {(each.meter, each.started_at): each for each in before}
    done = _Work()
    for new in after:
        was = known.get((new.meter, new.started_at))
        if was is None:
            continue
        done.records += new.records - was.records
        done.events += new.events - was.events
        done.busy += new.busy_seconds - was.busy_seconds
        done.commit += new.commit_seconds - was.commit_seconds
        done.lived += (new.seen_at - was.seen_at).total_seconds()
    return done
