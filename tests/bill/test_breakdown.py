"""Laws of breakdowns, on random customers: however an invoice is cut into windows, they sum to it, line by line."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise, takewhile

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from bill.lines import sums
from bill.worlds import DAYS, START, World, usage_rows, worlds
from winkel.bill.breakdown import Window, breakdown
from winkel.model.invoice import Invoice, InvoiceStatus, InvoiceType, LineItem, LineType
from winkel.model.metric import Aggregation
from winkel.model.period import HOUR, Period

LATE = "(not on the invoice)"
END = START + timedelta(days=DAYS + 40)
every_kind = st.sampled_from([Aggregation.SUM, Aggregation.MAX, Aggregation.LATEST]).flatmap(worlds)
cuts = st.lists(st.integers(1, (DAYS + 40) * 24 - 1), max_size=8)
"""Hours after the start at which windows meet."""
slow = settings(suppress_health_check=[HealthCheck.too_slow])


def windows(hours: Iterable[int]) -> list[Period]:
    """Return consecutive windows from the start to the end of time, cut at these hours."""
    edges = [START, *(START + timedelta(hours=hour) for hour in sorted(set(hours))), END]
    return [Period(low, high) for low, high in pairwise(edges)]


def usage_drafts(world: World) -> list[Invoice]:
    return [draft.invoice for draft in world.drafts() if draft.invoice.type is InvoiceType.USAGE]


def cut(world: World, invoice: Invoice, hours: Iterable[int]) -> list[Window]:
    return breakdown(world.account, invoice, world.usage, windows(hours))


def units(lines: Iterable[LineItem]) -> dict[object, Decimal]:
    """Return the quantity of each product and group."""
    found: dict[object, Decimal] = defaultdict(Decimal)
    for line in lines:
        if line.type is LineType.USAGE:
            found[line.product_id, str(line.pricing_group_values), str(line.presentation_group_values)] += line.quantity
    return {key: quantity for key, quantity in found.items() if quantity}


@slow
@given(every_kind, cuts)
def test_windows_sum_to_the_invoice_line_by_line(world: World, hours: list[int]) -> None:
    """Quantities and amounts of every line: by product, group, tier, unit price, time and balance that pays."""
    for invoice in usage_drafts(world):
        found = cut(world, invoice, hours)
        lines = [line for window in found for line in window.invoice.line_items]
        assert sums(invoice, lines) == sums(invoice, invoice.line_items)
        assert sum(window.invoice.total for window in found) == invoice.total
        assert not any(LATE in line.name for line in lines)


@slow
@given(every_kind, cuts, cuts)
def test_how_it_is_cut_elsewhere_changes_no_window(world: World, hours: list[int], more: list[int]) -> None:
    """A window has the sum of the windows into which it is cut: what is asked for decides nothing."""
    for invoice in usage_drafts(world):
        finer = cut(world, invoice, [*hours, *more])
        for window in cut(world, invoice, hours):
            parts = [each for each in finer if window.period.covers(each.period.start)]
            lines = [line for part in parts for line in part.invoice.line_items]
            assert sums(invoice, lines) == sums(invoice, window.invoice.line_items)


@slow
@given(every_kind, cuts)
def test_a_line_lies_in_its_window(world: World, hours: list[int]) -> None:
    """Lines say their time; those of usage are quantity × unit price, and what a balance pays is taken off again.

    Conversions, which come last, are for the whole period and lie where it ends.
    """
    for invoice in usage_drafts(world):
        for window in cut(world, invoice, hours):
            lines = list(takewhile(lambda line: line.type is not LineType.CONVERSION, window.invoice.line_items))
            assert len(lines) == len(window.invoice.line_items) or window.period.covers(invoice.end - HOUR)
            for line in lines:
                assert window.period.start <= line.starting_at < line.ending_before <= window.period.end
                if line.type is LineType.USAGE:
                    assert abs(line.quantity * line.unit_price - line.total) < Decimal("1e-15")
            paid = [line for line in window.invoice.line_items if line.segment_id]
            assert sum(line.total for line in paid) == 0


@slow
@given(every_kind, cuts, st.lists(usage_rows(), min_size=1, max_size=4))
def test_late_usage_is_beside_the_lines_of_a_final_invoice(world: World, hours: list[int], late: list) -> None:
    """The lines of a final invoice stay what they are; with those of late usage they are all that was used."""
    for draft in usage_drafts(world):
        final = structs.replace(draft, status=InvoiceStatus.FINALIZED)
        later = World(world.account, {"metric": [*world.usage["metric"], *late]})
        lines = [line for window in cut(later, final, hours) for line in window.invoice.line_items]
        own = [line for line in lines if LATE not in line.name]
        assert sums(final, own) == sums(final, final.line_items)
        bare = World(structs.replace(world.account, balances=(), entries=()), later.usage)
        used = next(each for each in usage_drafts(bare) if each.id == draft.id)
        assert units(lines) == units(used.line_items)


@slow
@given(worlds(), cuts)
def test_a_final_invoice_is_cut_as_its_draft_was(world: World, hours: list[int]) -> None:
    """Without late usage a final invoice has the windows of the draft, balances drawn down or not."""
    for draft in world.drafts():
        if draft.invoice.type is not InvoiceType.USAGE:
            continue
        account = structs.replace(
            world.account, entries=(*world.account.entries, *draft.entries), invoiced=frozenset({draft.invoice.id})
        )
        before = breakdown(world.account, draft.invoice, world.usage, windows(hours))
        assert breakdown(account, draft.invoice, world.usage, windows(hours)) == before
