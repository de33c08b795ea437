"""Named schedule: a value that changes over time, kept for whoever asks for it."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct, structs

from winkel.model.word import Word


class ScheduleOwner(Word):
    """What a named schedule belongs to (metronome-api.md §4.15)."""

    CUSTOMER = "CUSTOMER"
    CONTRACT = "CONTRACT"
    RATE_CARD = "RATE_CARD"


class NamedSegment(Struct, frozen=True, omit_defaults=True):
    """A value and when it holds; without `ending_before` for ever."""

    starting_at: datetime
    value: str
    """The JSON text, byte for byte as it was sent: its numbers never become any of ours."""
    ending_before: datetime | None = None

    def covers(self, instant: datetime) -> bool:
        """Whether the value holds at the instant."""
        return self.starting_at <= instant and (self.ending_before is None or instant < self.ending_before)


class NamedSchedule(Struct, frozen=True, kw_only=True):
    """The values under one name of a customer, a contract or a rate card (metronome-api.md §4.15).

    Winkel keeps and returns them, and bills nothing by them. Of a contract there may be several schedules of one name,
    told apart by their properties.
    """

    id: str
    owner: ScheduleOwner
    owner_id: str
    schedule_name: str
    created_at: datetime
    properties: dict[str, str] = {}
    segments: tuple[NamedSegment, ...] = ()
    """By time; no two of them hold at one instant."""


def updated(segments: Sequence[NamedSegment], made: NamedSegment) -> tuple[NamedSegment, ...]:
    """Return the segments when a new one replaces whatever held in its time.

    An older one that began before ends where the new one begins; one that lasts longer goes on where it ends.
    """
    kept: list[NamedSegment] = [made]
    for each in segments:
        if each.starting_at < made.starting_at:
            end = made.starting_at if each.ending_before is None else min(each.ending_before, made.starting_at)
            kept.append(structs.replace(each, ending_before=end))
        if made.ending_before is not None and (each.ending_before is None or made.ending_before < each.ending_before):
            kept.append(structs.replace(each, starting_at=max(each.starting_at, made.ending_before)))
    return tuple(sorted(kept, key=lambda each: each.starting_at))
