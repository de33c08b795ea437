"""Laws of drafts, on random customers. Their numbers are those of an oracle: tests/sim/test_pricing.py."""

import random
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from bill.worlds import AT, CREDITS, START, World, day, worlds
from winkel.bill.balance import remaining
from winkel.bill.draft import drafts
from winkel.bill.statement import needs
from winkel.model import money
from winkel.model.commit import AccessType
from winkel.model.credit_type import USD
from winkel.model.invoice import Invoice, InvoiceStatus, InvoiceType, LineType
from winkel.model.metric import Aggregation
from winkel.model.rate_card import Rate
from winkel.model.usage import HourUsage

every_kind = st.sampled_from([Aggregation.SUM, Aggregation.MAX, Aggregation.LATEST]).flatmap(worlds)


def statements(world: World) -> list[Invoice]:
    return [draft.invoice for draft in world.drafts() if draft.invoice.type is InvoiceType.USAGE]


@given(every_kind)
def test_lines_sum_to_the_total(world: World) -> None:
    """An invoice asks for the sum of its lines in its currency, and a line of usage for quantity × unit price."""
    for invoice in statements(world):
        assert sum(line.total for line in invoice.line_items if line.credit_type_id == USD.id) == invoice.total
        for line in invoice.line_items:
            if line.type is LineType.USAGE and line.balance_id is None:
                assert abs(line.quantity * line.unit_price - line.total) < Decimal("1e-15")


@given(every_kind)
def test_what_is_left_in_a_custom_unit_is_converted_once(world: World) -> None:
    """Conversions have what the lines in the unit sum to, at its worth, to the last digit; nothing else is in units."""
    for invoice in statements(world):
        (worth,) = world.account.cards[invoice.contract_id].credit_type_conversions
        left = money.total([line.total for line in invoice.line_items if line.credit_type_id == CREDITS.id])
        found = [line for line in invoice.line_items if line.type is LineType.CONVERSION]
        assert money.total([line.quantity for line in found]) == left
        uncovered = money.total([line.total for line in found])
        assert uncovered == money.multiply(left, worth.fiat_per_custom_credit)
        assert {line.credit_type_id for line in invoice.line_items} <= {USD.id, CREDITS.id}
        assert {line.product_id for line in invoice.line_items if line.credit_type_id == CREDITS.id} <= {"B", "fixed"}


@given(every_kind)
def test_every_unit_is_on_one_line(world: World) -> None:
    """Covered and uncovered lines of an invoice hold exactly the units that the same invoice has without balances."""
    bare = World(structs.replace(world.account, balances=(), entries=()), world.usage)

    def units(invoice: Invoice) -> dict[object, Decimal]:
        found: dict[object, Decimal] = defaultdict(Decimal)
        for line in invoice.line_items:
            if line.type is LineType.USAGE:
                group = str(line.pricing_group_values), str(line.presentation_group_values)
                found[line.product_id, group] += line.quantity
        return {key: quantity for key, quantity in found.items() if quantity}

    assert [units(each) for each in statements(world)] == [units(each) for each in statements(bare)]


@given(every_kind)
def test_a_balance_is_never_overdrawn(world: World) -> None:
    """All drafts together take no more from a segment than it has, and each deduction equals its applied lines."""
    found = world.drafts()
    entries = [*world.account.entries, *(entry for draft in found for entry in draft.entries)]
    for balance in world.account.balances:
        for segment in balance.segments:
            had = max(Decimal(0), remaining(segment, world.account.entries))
            assert 0 <= max(Decimal(0), remaining(segment, entries)) <= had
    for draft in found:
        lines = [line for line in draft.invoice.line_items if line.type is LineType.APPLIED]
        for balance in world.account.balances:
            applied = [line for line in lines if line.balance_id == balance.id]
            taken = [entry.amount for entry in draft.entries if entry.balance_id == balance.id]
            if balance.access_type is AccessType.QUANTITY:
                assert sum(line.quantity for line in applied) == sum(taken)
            else:
                assert {line.credit_type_id for line in applied} <= {balance.credit_type_id}
                assert sum(line.total for line in applied) == sum(taken)


@given(worlds(), st.randoms())
def test_rows_may_come_in_any_order_and_in_parts(world: World, random: random.Random) -> None:
    """Neither the order of usage rows nor splitting one row into two changes any line."""
    parts: list[HourUsage] = []
    for row in world.usage["metric"]:
        assert row.value is not None
        half = money.rounded(money.multiply(row.value, Decimal("0.5")), 1)
        parts += [structs.replace(row, value=half), structs.replace(row, value=money.subtract(row.value, half))]
    random.shuffle(parts)
    assert World(world.account, {"metric": parts}).drafts() == world.drafts()


def halves(rate: Rate, at: datetime) -> list[Rate]:
    """Return a rate as two equal consecutive ones."""
    if rate.starting_at < at and (rate.ending_before is None or at < rate.ending_before):
        return [structs.replace(rate, ending_before=at), structs.replace(rate, starting_at=at)]
    return [rate]


@given(every_kind, st.integers(-10, 70).map(day))
def test_splitting_a_rate_changes_nothing(world: World, at: datetime) -> None:
    """Two equal consecutive rates give the same invoices as one.

    Only a product's single rate is split: a half that starts later would win over other rates, as it should.
    """
    cards = {}
    for card, rates in world.account.rates.items():
        count = Counter(rate.product_id for rate in rates)
        cards[card] = tuple(
            part for rate in rates for part in (halves(rate, at) if count[rate.product_id] == 1 else [rate])
        )
    other = World(structs.replace(world.account, rates=cards), world.usage)
    assert other.drafts() == world.drafts()


@given(worlds())
def test_drafting_again_gives_the_same(world: World) -> None:
    """Ids and lines follow from the input alone."""
    assert world.drafts() == world.drafts()


@given(every_kind)
def test_finalizing_in_order_changes_nothing(world: World) -> None:
    """Posting the first draft leaves the others exactly as they were: the dashboard's number is the invoice's."""
    found = world.drafts()
    for index, draft in enumerate(found):
        account = structs.replace(
            world.account,
            entries=(*world.account.entries, *(entry for each in found[: index + 1] for entry in each.entries)),
            invoiced=frozenset(each.invoice.id for each in found[: index + 1]),
            invoiced_items=frozenset(
                line.schedule_item_id
                for each in found[: index + 1]
                for line in each.invoice.line_items
                if line.schedule_item_id
            ),
        )
        if draft.invoice.type is InvoiceType.USAGE:
            assert World(account, world.usage).drafts() == found[index + 1 :]


@given(worlds())
def test_needs_are_enough_and_disjoint(world: World) -> None:
    """Needs of one key never overlap, and every one lies in a billing period that has started."""
    last: dict[str, int] = {}
    for need in needs(world.account, AT):
        assert need.start_hour < need.end_hour
        assert last.get(need.key, 0) < need.start_hour
        last[need.key] = need.end_hour


@given(worlds())
def test_an_id_outlives_the_draft(world: World) -> None:
    """A draft keeps its id from the first hour of its period to its end, and all are drafts in the order they draw."""
    later = {each.id: (each.contract_id, each.start) for each in statements(world)}
    world.at = START + timedelta(hours=1)
    for invoice in statements(world):
        assert later[invoice.id] == (invoice.contract_id, invoice.start)
        assert invoice.status is InvoiceStatus.DRAFT


@given(worlds())
def test_usage_that_is_missing_is_an_error(world: World) -> None:
    """Usage that is needed but not given is a `KeyError`, never zero."""
    if needs(world.account, AT):
        with pytest.raises(KeyError, match="metric"):
            drafts(world.account, {}, AT)
