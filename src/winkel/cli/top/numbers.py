"""From two looks at a fleet to what one wants to see: rates, lag and freshness, by partition and by meter. Pure."""

from collections.abc import Sequence

from msgspec import Struct

from winkel.fleet.observation import Observation, Standing, rates
from winkel.fleet.overview import Overview
from winkel.model.meter import MeterStatus


class PartitionLine(Struct, frozen=True):
    """One partition between two looks. Events are estimated by the average record."""

    partition: int
    routed: bool
    """Whether new events come here."""
    waiting: int
    """Events that wait to be metered."""
    arriving: float
    """Events a second."""
    metered: float
    """Events a second."""
    owner: str | None
    """The meter that owns it and is alive."""
    fresh: float | None
    """Seconds from acceptance to usage in the owner's last batch; None: nothing was metered here meanwhile."""
    stuck: bool
    """Whether events waited all the time and none was metered."""


class MeterLine(Struct, frozen=True):
    """One meter between two looks."""

    name: str
    partitions: int
    metered: float
    """Events a second."""
    busy: float
    """Which part of its time it worked, 0 to 1."""
    commit: float | None
    """Seconds that a batch's transaction took, on average; None: there was no batch."""
    fresh: float | None
    """Seconds from acceptance to usage in its last batch; None: there was none."""
    silent: float
    """Seconds since its last sign."""


class Numbers(Struct, frozen=True):
    """Everything that `winkel top` shows."""

    overview: Overview
    arriving: float
    """Events a second that gateways made durable."""
    metered: float
    """Events a second."""
    waiting: int
    """Events."""
    fresh: float | None
    """The worst of the meters that worked."""
    partitions: Sequence[PartitionLine]
    meters: Sequence[MeterLine]


def numbers(before: Overview, after: Overview) -> Numbers:
    """Return what happened between two looks, the first of which may be the second itself: then nothing did."""
    was, now = before.observation, after.observation
    between = rates(was, now)
    per_record = between.events_per_record if between else now.events_per_record
    lines = _meters(was, now)
    fresh = {each.name: each.fresh for each in lines}
    old = {each.partition: each for each in was.partitions}
    seconds = now.at - was.at
    partitions = [
        _partition(old.get(each.partition, each), each, fresh, per_record, seconds) for each in now.partitions
    ]
    return Numbers(
        overview=after,
        arriving=between.arriving if between else 0.0,
        metered=between.metered if between else 0.0,
        waiting=round(now.records * per_record),
        fresh=max((each for each in fresh.values() if each is not None), default=None),
        partitions=partitions,
        meters=lines,
    )


def _partition(
    was: Standing, now: Standing, fresh: dict[str, float | None], per_record: float, seconds: float
) -> PartitionLine:
    moved = now.metered_offset - was.metered_offset
    rate = per_record / seconds if seconds > 0 else 0.0
    return PartitionLine(
        partition=now.partition,
        routed=now.routed,
        waiting=round(now.records * per_record),
        arriving=max(0, now.next_offset - was.next_offset) * rate,
        metered=max(0, moved) * rate,
        owner=now.owner if now.owner in fresh else None,
        fresh=fresh.get(now.owner or "") if moved > 0 else None,
        stuck=bool(was.records and now.records) and moved <= 0 and seconds > 0,
    )


def _meters(was: Observation, now: Observation) -> list[MeterLine]:
    old = {(each.meter, each.started_at): each for each in was.meters}
    return [_meter(old.get((each.meter, each.started_at), each), each) for each in now.meters]


def _meter(was: MeterStatus, now: MeterStatus) -> MeterLine:
    seconds = (now.seen_at - was.seen_at).total_seconds()
    batches = now.batches - was.batches
    return MeterLine(
        name=now.meter,
        partitions=len(now.partitions),
        metered=(now.events - was.events) / seconds if seconds > 0 else 0.0,
        busy=min(1.0, (now.busy_seconds - was.busy_seconds) / seconds) if seconds > 0 else 0.0,
        commit=(now.commit_seconds - was.commit_seconds) / batches if batches else None,
        fresh=now.age_seconds if batches else None,
        silent=now.silent_seconds,
    )


def worst(lines: Sequence[PartitionLine], count: int) -> tuple[list[PartitionLine], list[PartitionLine]]:
    """Return those to look at first, and the rest: all by number if they fit, else what is stuck and waits longest."""
    if len(lines) <= count:
        return list(lines), []
    ordered = sorted(lines, key=lambda each: (not each.stuck, -each.waiting, -each.arriving, each.partition))
    return ordered[:count], ordered[count:]
