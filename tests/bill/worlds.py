"""Random customers: everything that decides an invoice, small enough to be read when a test fails.

All changes happen at midnight; usage falls into any hour.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import strategies as st
from msgspec import Struct

from winkel.bill.draft import Draft, drafts
from winkel.bill.statement import needs
from winkel.model.account import Account
from winkel.model.commit import Balance, BalanceType, InvoiceSchedule, ScheduleItem, Segment, Specifier
from winkel.model.contract import Contract, StatementSchedule
from winkel.model.credit_type import BY_ID, QUANTITY, USD, CreditType
from winkel.model.customer import Customer
from winkel.model.ledger import EntryKind, LedgerEntry
from winkel.model.metric import Aggregation, BillableMetric
from winkel.model.period import Frequency, hour_number
from winkel.model.price import Flat, Price, Tier, Tiered
from winkel.model.product import (
    Operation,
    Product,
    ProductState,
    ProductType,
    QuantityConversion,
    QuantityRounding,
    RoundingMethod,
)
from winkel.model.rate_card import Conversion, Rate, RateCard
from winkel.model.usage import HourUsage

START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 59
"""January and February: two billing periods."""
AT = START + timedelta(days=DAYS)
CREDITS = CreditType("credits", "Credits", is_currency=False)
"""A custom pricing unit, in which product B may be priced."""
EURO = next(each.id for each in BY_ID.values() if each.name == "EUR")


class World(Struct):
    """An account, its usage by metric, and an instant."""

    account: Account
    usage: dict[str, list[HourUsage]]
    at: datetime = AT

    def drafts(self) -> list[Draft]:
        """Return the drafts of this world."""
        wanted = {need.key for need in needs(self.account, self.at)}
        return drafts(self.account, {key: self.usage[key] for key in wanted}, self.at)


def day(number: int) -> datetime:
    """Return midnight of a day, counted from 1 January 2026."""
    return START + timedelta(days=number)


amounts = st.decimals(1, 300, places=2, allow_nan=False)
unit_prices = st.decimals(1, 20, places=3, allow_nan=False) | st.just(Decimal(0))
days = st.integers(-5, DAYS + 5)
usage_quantities = st.decimals(1, 60, places=1, allow_nan=False) | st.decimals(-20, 60, places=1, allow_nan=False)


@st.composite
def prices(draw: st.DrawFn) -> Price:
    """Return a flat or a tiered price."""
    if draw(st.booleans()):
        return Flat(draw(unit_prices))
    sizes = draw(st.lists(st.integers(1, 30).map(Decimal), max_size=2))
    return Tiered((*(Tier(draw(unit_prices), size) for size in sizes), Tier(draw(unit_prices))))


@st.composite
def products(draw: st.DrawFn, name: str) -> Product:
    """Return a product with or without group keys, conversion and rounding."""
    conversion = st.builds(QuantityConversion, st.sampled_from([Decimal(4), Decimal(10)]), st.sampled_from(Operation))
    rounding = st.builds(QuantityRounding, st.integers(0, 1), st.sampled_from(RoundingMethod))
    state = ProductState(
        name=name,
        created_at=START,
        created_by="test",
        billable_metric_id="metric",
        pricing_group_key=draw(st.sampled_from([None, None, ("model",)])),
        presentation_group_key=draw(st.sampled_from([None, ("team",)])),
        quantity_conversion=draw(st.none() | conversion),
        quantity_rounding=draw(st.none() | rounding),
        tags=draw(st.sampled_from([(), ("ai",)])),
    )
    return Product(id=name, type=ProductType.USAGE, initial=state)


@st.composite
def rates(draw: st.DrawFn, number: int, product: Product, card: str, unit: str) -> Rate:
    """Return a rate at some time; many overlap."""
    start, length = draw(days), draw(st.none() | st.none() | st.integers(1, 60))
    values = {name: draw(st.sampled_from("xxy")) for name in product.initial.pricing_group_key or ()}
    return Rate(
        id=f"rate {number}",
        rate_card_id=card,
        product_id=product.id,
        price=draw(prices()),
        entitled=draw(st.integers(0, 9)) > 0,
        starting_at=day(draw(st.sampled_from([-10, -10, start]))),
        ending_before=None if length is None else day(max(start, -9) + length),
        number=number,
        credit_type_id=unit,
        pricing_group_values=values,
    )


specifiers = st.builds(
    Specifier,
    product_id=st.sampled_from([None, "A", "B"]),
    product_tags=st.sampled_from([(), ("ai",)]),
    pricing_group_values=st.sampled_from([{}, {"model": "x"}]),
    presentation_group_values=st.sampled_from([{}, {"team": "r"}]),
)


@st.composite
def balances(draw: st.DrawFn, name: str, contracts: list[str]) -> Balance:
    """Return a commit or a credit that may pay for something, or for everything."""
    segments = []
    for number in range(draw(st.integers(1, 2))):
        start = draw(st.sampled_from([0, 0, 31]) | days)
        length = draw(st.sampled_from([60, 31, 10, 1]))
        segments.append(Segment(f"{name}{number}", draw(amounts), day(start), day(start + length)))
    cost = draw(st.sampled_from([None, Decimal(0), Decimal(100)]))
    item = (
        None
        if cost is None
        else ScheduleItem(id="i", timestamp=START, amount=cost, quantity=Decimal(1), unit_price=cost)
    )
    given_specifiers = tuple(draw(st.just([]) | st.lists(specifiers, max_size=2)))
    return Balance(
        id=name,
        name=name,
        type=draw(st.sampled_from([BalanceType.PREPAID, BalanceType.CREDIT])),
        customer_id="customer",
        product_id="fixed",
        credit_type_id=draw(st.sampled_from([USD.id] * 6 + [CREDITS.id] * 2 + [QUANTITY] * 2 + [EURO])),
        segments=tuple(segments),
        created_at=START,
        created_by="test",
        priority=draw(st.sampled_from([Decimal(1), Decimal(2)])),
        contract_id=draw(st.sampled_from([None, None, *contracts])),
        applicable_contract_ids=tuple(
            draw(st.lists(st.sampled_from(contracts), max_size=2, unique=True) | st.just([]))
        ),
        applicable_product_ids=() if given_specifiers else tuple(draw(st.lists(st.sampled_from("AB"), max_size=1))),
        applicable_product_tags=() if given_specifiers else tuple(draw(st.lists(st.just("ai"), max_size=1))),
        specifiers=given_specifiers,
        invoice_schedule=item and InvoiceSchedule(credit_type_id=USD.id, schedule_items=(item,)),
    )


@st.composite
def usage_rows(draw: st.DrawFn) -> HourUsage:
    """Return some usage in some hour."""
    hour = hour_number(START) + draw(st.integers(0, DAYS * 24 - 1))
    group = draw(st.sampled_from(["x", "x", "x", "y", None])), draw(st.sampled_from(["r", "r", "s", None]))
    return HourUsage(draw(st.sampled_from(["customer", "alias"])), group, hour, value=draw(usage_quantities))


@st.composite
def worlds(draw: st.DrawFn, aggregation: Aggregation = Aggregation.SUM) -> World:
    """Return a customer with up to two contracts and three balances."""
    fixed = ProductState(name="fixed", created_at=START, created_by="test")
    sold = {name: draw(products(name)) for name in "AB"}
    names = draw(st.sampled_from([["one"], ["one", "two"]]))
    unit_of = {"A": USD.id, "B": draw(st.sampled_from([USD.id, CREDITS.id]))}
    worth = Conversion(CREDITS.id, draw(st.decimals("0.001", 3, places=3, allow_nan=False)))
    offered = [
        draw(rates(number, sold[name], card, unit_of[name]))
        for number, card in enumerate(card for card in names for _ in range(draw(st.integers(1, 4))))
        for name in draw(st.sampled_from("AB"))
    ]
    contracts = [
        Contract(
            id=name,
            customer_id="customer",
            starting_at=day(draw(st.sampled_from([0, 0, 10]))),
            created_at=START,
            created_by="test",
            usage_statement_schedule=StatementSchedule(Frequency.MONTHLY, START),
            rate_card_id=name,
        )
        for name in names
    ]
    held = tuple(draw(balances(name, names)) for name in "pqr"[: draw(st.sampled_from([3, 2, 2, 1, 0]))])
    entries = tuple(
        LedgerEntry(
            id=f"entry {balance.id}",
            balance_id=balance.id,
            segment_id=balance.segments[0].id,
            kind=EntryKind.MANUAL,
            amount=draw(st.decimals(-50, 50, places=2, allow_nan=False)),
            timestamp=START,
        )
        for balance in held
        if draw(st.booleans())
    )
    metric = BillableMetric(
        id="metric", name="metric", aggregation_type=aggregation, aggregation_key="v", group_keys=(("model", "team"),)
    )
    account = Account(
        customer=Customer(id="customer", name="c", created_at=START, updated_at=START, ingest_aliases=("alias",)),
        contracts=tuple(contracts),
        rates={card: tuple(each for each in offered if each.rate_card_id == card) for card in names},
        cards={name: _card(name, worth) for name in names},
        units={**BY_ID, CREDITS.id: CREDITS},
        products={**sold, "fixed": Product(id="fixed", type=ProductType.FIXED, initial=fixed)},
        metrics={"metric": metric},
        balances=held,
        entries=entries,
        invoiced=frozenset(),
    )
    return World(account, {"metric": draw(st.lists(usage_rows(), min_size=1, max_size=12))})


def _card(name: str, worth: Conversion) -> RateCard:
    return RateCard(
        id=name,
        name=name,
        created_at=START,
        created_by="test",
        fiat_credit_type_id=USD.id,
        credit_type_conversions=(worth,),
    )
