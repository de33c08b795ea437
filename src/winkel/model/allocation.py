"""Allocation: how a recurring commit or credit follows the seats of a subscription (metronome-api.md §4.7)."""

from decimal import Decimal

from msgspec import Struct

from winkel.model.period import Period
from winkel.model.proration import AmountRounding
from winkel.model.word import Word


class Allocation(Word):
    """Who may use what seats give: all usage together, or the usage of each seat its own part."""

    POOLED = "POOLED"
    INDIVIDUAL = "INDIVIDUAL"


class SeatLink(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The subscription whose quantity a recurring commit or credit is multiplied by."""

    subscription_id: str
    allocation: Allocation
    is_prorated: bool
    """Whether a seat that comes within a period gives its share of the hours; or else as much as one that was there."""


class SeatAllocation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of a child: what each seat gives in its period, as it was agreed when the child was made."""

    link: SeatLink
    amount: Decimal
    """What one seat gives for a whole period."""
    whole: Period
    part: Period
    """The part of the whole for which the child gives."""
    rounding: AmountRounding | None = None
    seat_group_key: str | None = None
    """Of an INDIVIDUAL one: the group key whose value is the id of the seat that used something."""
    given: dict[str, Decimal] = {}
    """Of an INDIVIDUAL one: what the segment's amount gave to which seat when the child was made."""
