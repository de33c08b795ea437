"""Breakdowns: a usage invoice cut into windows of time (metronome-api.md §4.9; docs/pricing.md, Breakdowns).

Nothing is billed here: balances are drawn down once, for the whole invoice, and a breakdown only says which part of
each line falls into which window. So however an invoice is cut, its windows sum to it, line by line.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import accumulate, groupby
from typing import TypeAlias

from msgspec import Struct, structs

from winkel.bill.line import usage_lines
from winkel.bill.statement import Pricing, statement_of
from winkel.model.account import Account
from winkel.model.commit import AccessType
from winkel.model.invoice import Invoice, LineItem, LineType, asked_for
from winkel.model.money import ZERO, add, multiply, negated, subtract, total
from winkel.model.period import Period
from winkel.model.product import ProductType
from winkel.model.usage import HourUsage

LATE = "{} (not on the invoice)"
"""The name of a line for usage that was metered when the invoice was final already."""


class Window(Struct, frozen=True):
    """A window of time, and the invoice with those parts of its lines that fall into it."""

    period: Period
    invoice: Invoice


def breakdown(
    account: Account, invoice: Invoice, usage: Mapping[str, Sequence[HourUsage]], windows: Sequence[Period]
) -> list[Window]:
    """Return the windows that meet the billing period of a usage invoice, each with its part of the lines.

    The invoice is a draft or a kept one; `usage` is what `needs_of` asks for its period. `windows` are in order and
    leave no gap between them.
    """
    spans = [*windows, *(_span(line) for line in _collected_apart(invoice.line_items)[0])]
    instants = {instant for span in spans for instant in (span.start, span.end)}
    charges = Pricing(account, statement_of(account, invoice), lambda _: ()).usage(usage, instants)
    return split(invoice, usage_lines([(charge, []) for charge in charges], account.products), windows)


def split(invoice: Invoice, pieces: Iterable[LineItem], windows: Sequence[Period]) -> list[Window]:
    """Return the windows that meet the invoice's period, each with its part of the lines.

    `pieces` are the period's usage at list prices, cut where windows and lines begin and end.
    """
    period = invoice.period
    counted, collected = _collected_apart(invoice.line_items)
    stacks = _stacks(counted, pieces, period)
    found = []
    for window in windows:
        if period.meet(window.start, window.end):
            lines = tuple(line for stack in stacks for line in stack.within(window))
            if window.start < period.end <= window.end:
                lines += tuple(collected)
            asked = asked_for(lines, invoice.credit_type_id)
            found.append(Window(window, structs.replace(invoice, line_items=lines, total=asked)))
    return found


def _collected_apart(lines: Iterable[LineItem]) -> tuple[list[LineItem], list[LineItem]]:
    """Return the lines of usage, and all others, conversions too: charged as the period ends, no hour is theirs.

    What is applied to a line stands right behind it, in both.
    """
    counted: list[LineItem] = []
    collected: list[LineItem] = []
    own = counted
    for line in lines:
        if line.type is not LineType.APPLIED:
            own = counted if line.type is LineType.USAGE else collected
        own.append(line)
    return counted, collected


class _Layer(Struct, frozen=True):
    """A line in its stack. `applied` takes its amount off again, where a balance pays for it."""

    line: LineItem
    applied: LineItem | None
    bottom: Decimal
    """How many units lie below it."""

    def reached(self, height: Decimal) -> tuple[Decimal, Decimal]:
        """Return quantity and amount of what lies below a height, which may be outside of the stack.

        An amount too small for 20 places of units (docs/pricing.md, 1) is with the units below it, or above.
        """
        whole = self.line.quantity or ZERO
        if not whole:
            return ZERO, self.line.total if height > ZERO and height >= self.bottom else ZERO
        part = _between(subtract(height, self.bottom), ZERO, whole)
        return (whole, self.line.total) if part == whole else (part, multiply(part, self.line.unit_price or ZERO))


class _Stack:
    """The lines of one product, group and time, one upon the other as units were counted, and when these were used.

    How high it is at an instant says how many of the invoice's units were used until then: a window has of each line
    what lies between its heights at the start and at the end.
    """

    def __init__(self, span: Period, lines: Sequence[tuple[LineItem, LineItem | None]], pieces: Sequence[LineItem]):
        bottoms = accumulate((line.quantity or ZERO for line, _ in lines), add, initial=ZERO)
        self._layers = [_Layer(*each, bottom) for each, bottom in zip(lines, bottoms, strict=False)]
        self._span = span
        self._last = _bare([*(line for line, _ in lines), *pieces][-1])
        self._whole = total([line.quantity or ZERO for line, _ in lines])
        self._pieces = list(_in_time(pieces))
        self._ends = [_span(piece).end for piece in self._pieces]
        self._used = list(accumulate((piece.quantity or ZERO for piece in self._pieces), add, initial=ZERO))

    def within(self, window: Period) -> Iterator[LineItem]:
        """Yield what falls into a window; a line of nothing for a product that is shown without usage."""
        part = self._span.meet(window.start, window.end)
        if part is None:
            return
        lines = [*self._invoiced(part), *self._beyond(part)]
        if not lines and any(part.covers(_span(piece).start) for piece in self._pieces):
            lines.append(_sized(self._last, ZERO, ZERO))
        for line in lines:
            yield structs.replace(line, starting_at=part.start, ending_before=part.end)

    def _height(self, instant: datetime) -> Decimal:
        """Return how many units were used until an instant; in the end all of the invoice's, whatever came since."""
        return self._whole if instant >= self._span.end else self._used[bisect_right(self._ends, instant)]

    def _bounded(self, used: Decimal) -> Decimal:
        """Return a number of units, as far as it is on the invoice."""
        return _between(used, ZERO, self._whole)

    def _invoiced(self, part: Period) -> Iterator[LineItem]:
        """Yield what falls into the time, of each line."""
        low, high = self._height(part.start), self._height(part.end)
        for layer in self._layers:
            (start, paid), (end, amount) = layer.reached(low), layer.reached(high)
            if (start, paid) != (end, amount):
                quantity, amount = subtract(end, start), subtract(amount, paid)
                yield _sized(layer.line, quantity, amount)
                if (applied := layer.applied) is not None:
                    units = None if applied.quantity is None else negated(quantity)
                    yield structs.replace(applied, quantity=units, total=negated(amount))

    def _beyond(self, part: Period) -> Iterator[LineItem]:
        """Yield the units that the invoice doesn't have, at their price.

        Of a draft they go back before its end. Of a final invoice they came late, or it has units that were taken back.
        """
        if self._last.product_type == ProductType.COMPOSITE:
            return  # its units are amounts, which no usage counts
        late = self._used[-1] != self._whole
        for index, piece in enumerate(self._pieces):
            if part.covers(_span(piece).start):
                before, after = self._used[index], self._used[index + 1]
                invoiced = subtract(self._bounded(after), self._bounded(before))
                yield from _extra(piece, subtract(subtract(after, before), invoiced), late=late)
        if part.end == self._span.end:
            yield from _extra(self._last, subtract(self._bounded(self._used[-1]), self._whole), late=late)


def _extra(like: LineItem, quantity: Decimal, *, late: bool) -> Iterator[LineItem]:
    """Yield a line of so many units, if there are any."""
    if quantity:
        line = _sized(like, quantity, multiply(quantity, like.unit_price or ZERO))
        yield structs.replace(line, name=LATE.format(line.name)) if late else line


_Key: TypeAlias = tuple[tuple[object, ...], Period]


def _stacks(lines: Iterable[LineItem], pieces: Iterable[LineItem], period: Period) -> list[_Stack]:
    """Return the stacks of an invoice in the order of its lines, then those of usage that no line is for."""
    charged: dict[_Key, list[tuple[LineItem, LineItem | None]]] = defaultdict(list)
    spans: dict[tuple[object, ...], list[Period]] = defaultdict(list)
    own: list[tuple[LineItem, LineItem | None]] = []
    for line in lines:
        if line.type is LineType.USAGE:
            key = _use(line), _span(line)
            own = charged[key]
            own.append((line, None))
            spans[key[0]].append(key[1])
        else:
            assert line.type is LineType.APPLIED, "a usage statement has usage, and what is applied to it right behind"
            own[-1] = own[-1][0], line
    used: dict[_Key, list[LineItem]] = defaultdict(list)
    for piece in pieces:
        use, start = _use(piece), _span(piece).start
        used[use, next((span for span in spans[use] if span.covers(start)), period)].append(piece)
    return [_Stack(key[1], charged.get(key, ()), used.get(key, ())) for key in {**charged, **used}]


def _in_time(pieces: Iterable[LineItem]) -> Iterator[LineItem]:
    """Yield pieces in order of time, and those of one time as units were counted: backwards where they were taken."""
    for _, some in groupby(sorted(pieces, key=lambda piece: _span(piece).start), key=lambda piece: _span(piece).start):
        together = list(some)
        yield from reversed(together) if (together[0].quantity or ZERO) < ZERO else together


def _use(line: LineItem) -> tuple[object, ...]:
    """Return what lines of one product, group and currency have in common."""
    groups = [frozenset((each or {}).items()) for each in (line.pricing_group_values, line.presentation_group_values)]
    return line.product_id, line.credit_type_id, *groups


def _span(line: LineItem) -> Period:
    assert line.starting_at is not None, "usage has a time"
    assert line.ending_before is not None, "usage has a time"
    return Period(line.starting_at, line.ending_before)


def _bare(line: LineItem) -> LineItem:
    """Return the line as it is where no balance pays."""
    return structs.replace(line, balance_id=None, balance_type=None, segment_id=None, access_type=AccessType.SPEND)


def _sized(line: LineItem, quantity: Decimal, amount: Decimal) -> LineItem:
    return structs.replace(line, quantity=quantity, total=amount)


def _between(position: Decimal, one: Decimal, other: Decimal) -> Decimal:
    """Return the position, moved between the two."""
    low, high = min(one, other), max(one, other)
    return min(max(position, low), high)
