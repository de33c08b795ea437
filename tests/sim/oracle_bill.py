"""What an invoice says, in the oracle's words."""

from collections import Counter, defaultdict
from datetime import datetime
from fractions import Fraction
from functools import cached_property

from msgspec import Struct

from sim.oracle_quantity import Group
from sim.oracle_rate import Steps
from sim.world import Given


class Line(Struct, frozen=True):
    """A line of an invoice. `tier` is (level, where it begins, its size)."""

    type: str
    name: str
    product_id: str
    total: Fraction
    quantity: Fraction | None = None
    unit_price: Fraction | None = None
    list_price: Steps | None = None
    starting_at: datetime | None = None
    ending_before: datetime | None = None
    pricing: Group = ()
    presentation: Group = ()
    tags: tuple[str, ...] = ()
    tier: tuple[int, Fraction, Fraction | None] | None = None
    balance_id: str | None = None
    segment_id: str | None = None
    item_id: str | None = None
    prorated: bool = False
    unit: str | None = None
    """The custom pricing unit of its amounts; None: they are money."""
    list_unit: str | None = None
    """In what the list price is, where an overwrite is in another unit."""
    promised: bool = False
    """Of what a postpaid commit counts: it is still to be paid."""
    origin: str | None = None
    """On a consolidated invoice: the contract from whose statement it is."""


class Bill(Struct, frozen=True, dict=True):
    """An invoice; `end` is None for one of a date."""

    contract_id: str
    type: str
    start: datetime
    end: datetime | None
    currency: str
    lines: tuple[Line, ...]
    usage_until: datetime | None = None
    """Of a true-up: the end of the last period whose usage counts."""
    void_at: datetime | None = None
    regenerated: bool = False
    """Whether another one has taken the place of this void one."""
    customer_id: str = ""
    payer: str = ""
    """Whose contract pays it."""
    given: tuple[Given, ...] = ()
    """The quantities from which an imported one was made."""
    constituents: frozenset[tuple[str, datetime]] = frozenset()
    """Of a consolidated one: (contract id, start) of the statements that it copies."""

    @property
    def void(self) -> bool:
        """Whether it asks for nothing any more."""
        return self.void_at is not None

    @property
    def total(self) -> Fraction:
        """What is to be paid, in money."""
        return sum((line.total for line in self.lines if not line.promised and line.unit is None), Fraction(0))

    @cached_property
    def said(self) -> frozenset[tuple[Line, int]]:
        """The lines, and how often each is there."""
        return frozenset(Counter(self.lines).items())

    @cached_property
    def paid(self) -> dict[str, Fraction]:
        """Segment id → amount, or units, taken from it. What a consolidated one copies is taken once."""
        found: dict[str, Fraction] = defaultdict(Fraction)
        for line in self.lines:
            if line.type == "applied_commit_or_credit" and line.origin is None:
                assert line.segment_id is not None
                found[line.segment_id] -= line.total if line.quantity is None else line.quantity
        return {segment_id: amount for segment_id, amount in found.items() if amount}
