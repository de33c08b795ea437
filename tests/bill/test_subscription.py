"""Subscriptions against a slow count, hour by hour in fractions; and nothing is ever asked for twice."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from support.asked import items_on
from winkel.bill.correct import regenerated
from winkel.bill.draft import drafts
from winkel.bill.due import due_at, next_look
from winkel.bill.issue import moved, open_invoice
from winkel.bill.proration import prorated
from winkel.bill.subscription import periods
from winkel.model.account import Account
from winkel.model.commit import Balance, BalanceType, Segment
from winkel.model.contract import Contract, StatementSchedule
from winkel.model.credit_type import USD
from winkel.model.customer import Customer
from winkel.model.errors import ConflictError, InvalidError
from winkel.model.invoice import Invoice, InvoiceStatus
from winkel.model.ledger import LedgerEntry
from winkel.model.period import HOUR, Frequency, Period, add_months, cycle, cycle_at
from winkel.model.price import Flat
from winkel.model.product import Product, ProductState, ProductType
from winkel.model.proration import AmountRounding, AmountRoundingMethod
from winkel.model.rate_card import Rate, RateCard
from winkel.model.subscription import (
    CollectionSchedule,
    InvoiceBehavior,
    InvoicePlacement,
    QuantityChange,
    Subscription,
    SubscriptionProration,
)

START = datetime(2028, 1, 1, tzinfo=UTC)
"""The year has a leap day."""
GRACE = timedelta(hours=24)
TINY = Fraction(1, 10**15)
PRODUCT = Product(
    id="seat", type=ProductType.SUBSCRIPTION, initial=ProductState(name="Seat", created_at=START, created_by="test")
)
CARD = RateCard(id="card", name="card", created_at=START, created_by="test", fiat_credit_type_id=USD.id)
CUSTOMER = Customer(id="customer", name="customer", created_at=START, updated_at=START)

hours = st.integers(0, 100 * 24).map(lambda number: START + number * HOUR)
anchors = st.builds(datetime, st.just(2027), st.integers(1, 12), st.sampled_from([1, 15, 28]), tzinfo=st.just(UTC))
anchors |= st.sampled_from([datetime(2027, 12, day, 7, tzinfo=UTC) for day in (29, 30, 31)])
frequencies = st.sampled_from(Frequency)


def rate(price: Decimal, frequency: Frequency, start: datetime = START, number: int = 1) -> Rate:
    return Rate(
        id=f"{frequency} {number}", rate_card_id="card", product_id="seat", price=Flat(price), entitled=True,
        starting_at=start, number=number, credit_type_id=USD.id, billing_frequency=frequency,
    )  # fmt: skip


@st.composite
def subscriptions(draw: st.DrawFn, name: str = "one") -> Subscription:
    """Return a subscription that begins in the first 100 days of the year, with some changes of quantity."""
    start = draw(st.just(START) | hours)
    schedule = draw(st.sampled_from(CollectionSchedule))
    at_once = schedule is CollectionSchedule.ADVANCE and draw(st.booleans())
    changes = draw(st.lists(st.tuples(hours, st.integers(0, 9)), max_size=4))
    return Subscription(
        id=name,
        product_id="seat",
        billing_frequency=draw(frequencies),
        collection_schedule=schedule,
        starting_at=start,
        ending_before=draw(st.none() | st.integers(1, 3000).map(lambda number: start + number * HOUR)),
        anchor=draw(anchors),
        created_at=START,
        changes=(
            QuantityChange(starting_at=start, quantity=Decimal(draw(st.integers(0, 5)))),
            *(QuantityChange(starting_at=at, quantity=Decimal(quantity)) for at, quantity in changes if at > start),
        ),
        proration=SubscriptionProration(
            is_prorated=draw(st.booleans()),
            invoice_behavior=InvoiceBehavior.BILL_IMMEDIATELY
            if at_once
            else InvoiceBehavior.BILL_ON_NEXT_COLLECTION_DATE,
        ),
        invoice_placement=draw(st.sampled_from(InvoicePlacement)),
    )


@st.composite
def accounts(draw: st.DrawFn) -> Account:
    """Return a customer with one contract of two subscriptions, until the autumn at the latest."""
    contract = Contract(
        id="contract",
        customer_id="customer",
        starting_at=START,
        ending_before=draw(st.sampled_from([200, 230, 31, 60])) * timedelta(days=1) + START,
        created_at=START,
        created_by="test",
        usage_statement_schedule=StatementSchedule(draw(frequencies), draw(anchors)),
        rate_card_id="card",
        subscriptions=(draw(subscriptions("one")), draw(subscriptions("two"))),
    )
    changed = draw(hours)
    rates = [rate(Decimal(price), each) for price, each in zip((7, 31, 100, 366), Frequency, strict=True)]
    rates += [rate(Decimal(price), each, changed, 2) for price, each in zip((9, 3, 80, 366), Frequency, strict=True)]
    return Account(
        customer=CUSTOMER,
        contracts=(contract,),
        rates={"card": tuple(rates)},
        cards={"card": CARD},
        products={"seat": PRODUCT},
        metrics={},
        balances=(),
        entries=(),
        invoiced=frozenset(),
    )


END = START + timedelta(days=400)


def finalized(account: Account, at: datetime) -> tuple[Account, list[Invoice], list[LedgerEntry]]:
    """Make final what is due at the instant, and return the account after it."""
    due = [each for each in drafts(account, {}, at) if due_at(each, GRACE) <= at]
    final, entries = [each.invoice for each in due], [entry for each in due for entry in each.entries]
    items = {line.schedule_item_id for invoice in final for line in invoice.line_items if line.schedule_item_id}
    after = structs.replace(
        account,
        entries=(*account.entries, *entries),
        invoiced=account.invoiced | {each.id for each in final},
        invoiced_items=account.invoiced_items | items,
    )
    return after, final, entries


def slow(account: Account) -> dict[str, Fraction]:
    """Return what each subscription costs in all: hour by hour, the most that it had since its period began."""
    (contract,) = account.contracts
    found = {}
    for each in contract.subscriptions:
        found[each.id] = Fraction(0)
        end = min(contract.ending_before, each.ending_before or contract.ending_before)
        at, known, most, price = each.starting_at, None, 0, Fraction(0)
        while at < end:
            number = cycle_at(each.anchor, each.billing_frequency, at)
            if number != known:
                low, high = (cycle(each.anchor, each.billing_frequency, number + step) for step in (0, 1))
                card = [rate for rate in account.rates["card"] if rate.billing_frequency is each.billing_frequency]
                price = Fraction(max((rate for rate in card if rate.starting_at <= at), key=_place).price.price)
                known, most = number, 0
            now = _quantity(each, at)
            if each.proration.is_prorated:
                most = max(most, now)
                found[each.id] += most * price / Fraction((high - low) // HOUR)
            elif now > most:
                found[each.id] += (now - most) * price
                most = now
            at += HOUR
    return found


def _place(rate: Rate) -> tuple[datetime, int]:
    return rate.starting_at, rate.number


def _quantity(subscription: Subscription, at: datetime) -> int:
    past = [(each.starting_at, number) for number, each in enumerate(subscription.changes) if each.starting_at <= at]
    return int(subscription.changes[max(past)[1]].quantity)


@settings(max_examples=150, deadline=None)
@given(accounts())
def test_all_invoices_ask_for_what_a_slow_count_finds(account: Account) -> None:
    """Over its whole life, a subscription costs its hours, or its periods; whole years of it are on some invoice."""
    _, final, _ = finalized(account, END)
    found = {each.id: Fraction(0) for each in account.contracts[0].subscriptions}
    for invoice in final:
        for line in invoice.line_items:
            assert line.quantity * line.unit_price == line.total
            found[line.subscription_id] += Fraction(line.total)
    expected = slow(account)
    assert all(abs(found[name] - expected[name]) < TINY for name in expected)


@settings(max_examples=150, deadline=None)
@given(accounts(), st.lists(st.integers(0, 400 * 24), max_size=6))
def test_nothing_is_asked_for_twice_whenever_it_is_looked_at(account: Account, looks: list[int]) -> None:
    """Invoices that become final one after the other ask for the same as those that become so all at once."""
    _, together, _ = finalized(account, END)
    one_by_one = []
    for at in [*sorted(START + number * HOUR for number in looks), END]:
        account, final, _ = finalized(account, at)
        one_by_one += final
    assert _items(one_by_one) == _items(together)
    assert max(Counter(each.id for each in one_by_one).values(), default=1) == 1
    assert all(not draft.invoice.line_items for draft in drafts(account, {}, END))


@settings(max_examples=100, deadline=None)
@given(accounts(), st.data())
def test_what_was_void_is_asked_for_once_whatever_ends_meanwhile(account: Account, data: st.DataObject) -> None:
    """All is final, then void, and everything ends at other times. Whatever is made anew first, and whatever becomes
    final meanwhile: in the end it costs its hours, or its periods, and is on one final invoice.
    """
    account, final, _ = finalized(account, END)
    kept = {each.id: structs.replace(each, status=InvoiceStatus.VOID) for each in final}
    account = data.draw(ending_otherwise(account))
    waiting = data.draw(st.permutations(list(kept)))
    while True:
        account = noting(account, kept)
        if data.draw(st.booleans()) or not waiting:
            account, final, _ = finalized(account, END)
            kept |= {each.id: structs.replace(each, status=InvoiceStatus.FINALIZED) for each in final}
        if not waiting:
            break
        still = [each for each in waiting if not made_anew(account, kept, each)]
        waiting = still if len(still) < len(waiting) else []
    lines = [line for each in kept.values() if each.status is InvoiceStatus.FINALIZED for line in each.line_items]
    found = {each.id: Fraction(0) for each in account.contracts[0].subscriptions}
    for line in lines:
        found[line.subscription_id] += Fraction(line.total)
    expected = slow(account)
    assert all(abs(found[name] - expected[name]) < TINY for name in expected)


@settings(max_examples=100, deadline=None)
@given(accounts(), st.data())
def test_nothing_is_asked_for_twice_when_it_goes_on_after_all(account: Account, data: st.DataObject) -> None:
    """While all is void, everything ends at other times, and some is made anew or final by that; then as before."""
    _, final, _ = finalized(account, END)
    kept = {each.id: structs.replace(each, status=InvoiceStatus.VOID) for each in final}
    for now, chosen in (
        (data.draw(ending_otherwise(account)), data.draw(st.lists(st.sampled_from([*kept, None]), unique=True))),
        (account, sorted(kept)),
    ):
        for its_id in chosen:
            if its_id is not None:
                made_anew(now, kept, its_id)
        _, final, _ = finalized(noting(now, kept), END)
        kept |= {each.id: structs.replace(each, status=InvoiceStatus.FINALIZED) for each in final}
    standing = [each for each in kept.values() if each.status is InvoiceStatus.FINALIZED]
    on = {(line.schedule_item_id, each.id) for each in standing for line in each.line_items}
    assert max(Counter(item_id for item_id, _ in on).values(), default=1) == 1


@st.composite
def ending_otherwise(draw: st.DrawFn, account: Account) -> Account:
    """Return the account with other ends of its contract and its subscriptions."""
    (contract,) = account.contracts
    lengths = st.integers(1, 250 * 24)
    subscriptions = tuple(
        structs.replace(each, ending_before=draw(st.none() | lengths.map(lambda number: START + number * HOUR)))
        for each in contract.subscriptions
    )
    end = START + draw(lengths) * HOUR
    return structs.replace(
        account, contracts=(structs.replace(contract, ending_before=end, subscriptions=subscriptions),)
    )


def noting(account: Account, kept: dict[str, Invoice]) -> Account:
    """Return the account with what these invoices ask for."""
    final, awaited = items_on(account.contracts, kept.values())
    return structs.replace(account, invoiced=frozenset(kept), invoiced_items=final, awaited_items=awaited)


def made_anew(account: Account, kept: dict[str, Invoice], its_id: str) -> bool:
    """Keep what takes the place of a void invoice; whether that is not refused."""
    try:
        made = regenerated(noting(account, kept), kept[its_id], {}, END).invoice
    except (ConflictError, InvalidError):
        return False
    kept[made.id] = structs.replace(made, status=InvoiceStatus.FINALIZED)
    return True


def _items(some: list[Invoice]) -> Counter[tuple[object, ...]]:
    return Counter(
        (line.schedule_item_id, line.starting_at, line.quantity, line.total)
        for each in some
        for line in each.line_items
    )


@settings(max_examples=100, deadline=None)
@given(accounts())
def test_looking_when_told_to_is_often_enough(account: Account) -> None:
    """Whoever looks only when it was said finalizes all, each invoice on the day on which it is due."""
    _, together, _ = finalized(account, END)
    at, found = START, []
    while at is not None and at < END:
        account, final, _ = finalized(account, at)
        found += [(each.id, each.line_items) for each in final]
        assert all(due_at(each, GRACE) > at for each in drafts(account, {}, at))
        assert all(each.issued_at is not None and at - each.issued_at <= GRACE for each in final)
        at = next_look(account, drafts(account, {}, at), GRACE, at)
    assert sorted(each.id for each in together) == sorted(its_id for its_id, _ in found)


@settings(max_examples=100, deadline=None)
@given(accounts(), st.decimals(1, 3000, places=0), hours, st.lists(st.integers(0, 400 * 24), max_size=4))
def test_balances_pay_once_and_never_more_than_they_have(
    account: Account, amount: Decimal, start: datetime, looks: list[int]
) -> None:
    """Whenever invoices become final: what was taken is what the credit paid, no more than there was, and the same."""
    segment = Segment("segment", amount, start, start + timedelta(days=90))
    credit = Balance(
        id="credit", name="credit", type=BalanceType.CREDIT, customer_id="customer", product_id="seat",
        credit_type_id=USD.id, segments=(segment,), created_at=START, created_by="test", priority=Decimal(1),
    )  # fmt: skip
    account = structs.replace(account, balances=(credit,))
    _, together, _ = finalized(account, END)
    one_by_one = []
    for at in [*sorted(START + number * HOUR for number in looks), END]:
        account, final, entries = finalized(account, at)
        applied = [line for each in final for line in each.line_items if line.type == "applied_commit_or_credit"]
        assert sum(line.total for line in applied) == sum(entry.amount for entry in entries)
        assert -sum(entry.amount for entry in account.entries) <= amount
        one_by_one += final
    assert _items(one_by_one) == _items(together)


@given(
    st.decimals(0, 10_000, places=4),
    st.lists(st.integers(1, 743), min_size=1, max_size=5, unique=True),
    st.sampled_from(AmountRoundingMethod),
    st.integers(-5, 5),
)
def test_parts_of_a_period_sum_to_it(
    price: Decimal, cuts: list[int], method: AmountRoundingMethod, places: int
) -> None:
    """Up to the rounding that was agreed for each of them; rounded down, never to more than all of it."""
    whole = Period(START, add_months(START, 1))
    edges = [0, *sorted(cuts), 744]
    parts = [Period(START + low * HOUR, START + high * HOUR) for low, high in pairwise(edges)]
    exact = sum(prorated(price, part, whole, None) for part in parts)
    assert abs(exact - price) <= len(parts) * Decimal("1e-20")
    rounding = AmountRounding(places, method)
    rounded = [prorated(price, part, whole, rounding) for part in parts]
    step = Decimal(10) ** -places
    assert abs(sum(rounded) - price) <= len(parts) * step
    assert all(each % step == 0 for each in rounded)
    if method is AmountRoundingMethod.FLOOR:
        assert sum(rounded) <= price
    if method is AmountRoundingMethod.CEILING:
        assert sum(rounded) >= price


@given(subscriptions(), st.integers(1, 3000))
def test_periods_follow_one_another(subscription: Subscription, length: int) -> None:
    """They cover the subscription's time without gap or overlap, and all but the first and last are whole."""
    end = subscription.starting_at + length * HOUR
    contract = Contract(
        id="contract", customer_id="customer", starting_at=START, ending_before=end, created_at=START,
        created_by="test", usage_statement_schedule=StatementSchedule(Frequency.MONTHLY, START),
    )  # fmt: skip
    found = list(periods(contract, subscription))
    assert found[0].billed.start == subscription.starting_at
    assert found[-1].billed.end == min(end, subscription.ending_before or end)
    assert all(one.billed.end == other.billed.start for one, other in pairwise(found))
    assert all(each.billed == each.whole for each in found[1:-1])


NOW = datetime(2028, 1, 11, 12, tzinfo=UTC)


@pytest.fixture
def seats_until_the_11th() -> tuple[Account, dict[str, Invoice]]:
    """Return an account, and a void invoice for two subscriptions: only one may stand on usage statements."""
    end = datetime(2028, 1, 11, tzinfo=UTC)
    some = (
        _subscription(id="one", ending_before=end, invoice_placement=InvoicePlacement.ON_USAGE_INVOICE),
        _subscription(id="two", ending_before=end, invoice_placement=InvoicePlacement.ON_SCHEDULED_INVOICE),
    )
    contract = Contract(
        id="contract", customer_id="customer", starting_at=START, created_at=START, created_by="test",
        usage_statement_schedule=StatementSchedule(Frequency.MONTHLY, START), rate_card_id="card", subscriptions=some,
    )  # fmt: skip
    account = Account(
        customer=CUSTOMER, contracts=(contract,), rates={"card": (rate(Decimal(7), Frequency.MONTHLY),)},
        cards={"card": CARD}, products={"seat": PRODUCT}, metrics={}, balances=(), entries=(), invoiced=frozenset(),
    )  # fmt: skip
    _, (both,), _ = finalized(account, NOW)
    assert [line.subscription_id for line in both.line_items] == ["one", "two"]
    return account, {both.id: structs.replace(both, status=InvoiceStatus.VOID)}


def told(account: Account) -> list[tuple[str, list[str | None]]]:
    """Return what open invoices ask for on the 11th: their type, and whose charges are on them."""
    found = [each.invoice for each in drafts(account, {}, NOW)]
    return [
        (each.type, [line.subscription_id for line in each.line_items])
        for each in found
        if each.issued_at and each.issued_at.day == 11
    ]


def until(account: Account, end: datetime | None, kept: dict[str, Invoice]) -> Account:
    """Return the account when its contract ends then, with these invoices."""
    return noting(structs.replace(account, contracts=(structs.replace(account.contracts[0], ending_before=end),)), kept)


def test_what_belongs_on_an_open_statement_now_stands_there(seats_until_the_11th) -> None:
    """The contract ends on the 11th, too. An invoice is made anew without it; and when the contract goes on after all,
    what stood first on the void one has another id.
    """
    account, kept = seats_until_the_11th
    (void_id,) = kept
    ended = until(account, datetime(2028, 1, 11, tzinfo=UTC), kept)
    assert told(ended) == [("USAGE", [])]
    made = regenerated(ended, kept[void_id], {}, NOW).invoice
    assert [line.subscription_id for line in made.line_items] == ["two"]
    kept[made.id] = structs.replace(made, status=InvoiceStatus.FINALIZED)
    assert told(until(account, ended.contracts[0].ending_before, kept)) == [("USAGE", ["one"])]
    after_all = until(account, None, kept)
    assert told(after_all) == [("SCHEDULED", ["one"])]
    (again,) = [each.invoice for each in drafts(after_all, {}, NOW) if each.invoice.line_items]
    assert again.id not in kept
    moved_to = datetime(2028, 1, 20, tzinfo=UTC)
    found = open_invoice(after_all, again.id, NOW)
    assert found is not None
    later = structs.replace(after_all, contracts=(moved(found, moved_to),))
    assert [each.invoice.issued_at for each in drafts(later, {}, NOW) if each.invoice.id == again.id] == [moved_to]


def test_what_belongs_on_an_open_statement_is_made_anew_after_it(seats_until_the_11th) -> None:
    """It is agreed, so that is said; once the statement is final without it, it has an invoice of its own again."""
    account, kept = seats_until_the_11th
    (void,) = kept.values()
    void = structs.replace(void, line_items=void.line_items[:1], total=void.line_items[0].total)
    ended = until(account, datetime(2028, 1, 11, tzinfo=UTC), {void.id: void})
    with pytest.raises(InvalidError, match="belongs on the usage statement that ends 2028-01-11"):
        regenerated(ended, void, {}, NOW)
    _, final, _ = finalized(ended, END)
    kept = {each.id: structs.replace(each, status=InvoiceStatus.FINALIZED) for each in final} | {void.id: void}
    made = regenerated(noting(ended, kept), void, {}, END).invoice
    assert made.line_items == void.line_items


def test_changes_of_one_instant_count_in_the_order_they_came_in() -> None:
    """A quantity replaces what was before it, a delta adds to it (§4.7)."""
    later = START + HOUR
    made = _subscription(
        QuantityChange(starting_at=later, quantity_delta=Decimal(2)),
        QuantityChange(starting_at=later + HOUR, quantity=Decimal(1)),
        QuantityChange(starting_at=later, quantity=Decimal(7)),
        QuantityChange(starting_at=later, quantity_delta=Decimal(-3)),
    )
    assert list(made.quantities()) == [(START, 5), (later, 4), (later + HOUR, 1)]


def _subscription(*changes: QuantityChange, **more: object) -> Subscription:
    fields: dict[str, object] = {
        "id": "one", "product_id": "seat", "billing_frequency": Frequency.MONTHLY, "starting_at": START,
        "collection_schedule": CollectionSchedule.ARREARS, "anchor": START, "created_at": START,
        "changes": (QuantityChange(starting_at=START, quantity=Decimal(5)), *changes),
    }  # fmt: skip
    return Subscription(**fields | more)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (QuantityChange(starting_at=START, quantity_delta=Decimal(-6)), "negative"),
        (QuantityChange(starting_at=START), "either"),
        (QuantityChange(starting_at=START, quantity=Decimal(1), quantity_delta=Decimal(1)), "either"),
    ],
)
def test_changes_that_cannot_be(change: QuantityChange, message: str) -> None:
    """A change says one thing, and no quantity is below zero."""
    with pytest.raises(InvalidError, match=message):
        _subscription(change).check()
