"""Lines put together by what they are, to compare an invoice with its windows."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from winkel.model.invoice import Invoice, LineItem, LineType
from winkel.model.money import ZERO, add
from winkel.model.period import Period


def sums(invoice: Invoice, lines: Iterable[LineItem]) -> dict[object, tuple[Decimal, Decimal]]:
    """Return quantity and amount by what a line is; those of usage also by the invoice's line in whose time they lie.

    Lines of usage that nets to zero on the invoice lie in no line of it: they have the time None.
    So have lines that are for a date.
    """
    timed = [each for each in invoice.line_items if each.starting_at]
    known = [(kind(each), Period(each.starting_at, each.ending_before)) for each in timed]
    found: dict[object, tuple[Decimal, Decimal]] = defaultdict(lambda: (ZERO, ZERO))
    for line in lines:
        at = line.starting_at
        spans = (span for what, span in known if at and what == kind(line) and span.covers(at))
        key = kind(line), None if line.type is LineType.APPLIED else next(spans, None)
        quantity, amount = found[key]
        found[key] = add(quantity, line.quantity or ZERO), add(amount, line.total)
    return {key: both for key, both in found.items() if any(both)}


def kind(line: LineItem) -> object:
    groups = str(line.pricing_group_values), str(line.presentation_group_values)
    price = None if line.unit_price is None else line.unit_price.normalize()
    return line.type, line.name, line.product_id, groups, price, line.tier, line.segment_id
