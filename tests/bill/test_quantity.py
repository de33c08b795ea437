"""Laws of balances of units: they cover the units that were used first, at whatever price."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from bill.worlds import DAYS, START, World, day, prices
from winkel.bill.balance import all_remaining
from winkel.model import money
from winkel.model.account import Account
from winkel.model.commit import Balance, BalanceType, Segment
from winkel.model.contract import Contract, StatementSchedule
from winkel.model.credit_type import BY_ID, QUANTITY, USD
from winkel.model.customer import Customer
from winkel.model.invoice import LineType
from winkel.model.metric import Aggregation, BillableMetric
from winkel.model.period import Frequency, hour_number
from winkel.model.price import Price
from winkel.model.product import Product, ProductState, ProductType
from winkel.model.rate_card import Rate, RateCard
from winkel.model.usage import HourUsage
from winkel.rate.price import priced

quantities = st.decimals("0.1", 40, places=1, allow_nan=False)
used = st.lists(st.tuples(st.integers(0, DAYS - 29), quantities), min_size=1, max_size=6)
"""(day of January, calls)"""


def balance(name: str, unit: str, amount: Decimal, first: int = 0, **more: object) -> Balance:
    """Return a credit that may be used from a day of January on."""
    return Balance(
        id=name,
        name=name,
        type=BalanceType.CREDIT,
        customer_id="customer",
        product_id="fixed",
        credit_type_id=unit,
        segments=(Segment(name, amount, day(first), day(DAYS)),),
        created_at=START,
        created_by="test",
        priority=Decimal(1),
        **more,
    )


def world(price: Price, calls: list[tuple[int, Decimal]], *balances: Balance) -> World:
    """Return a customer who uses one product by the call; the statement of January is open."""
    state = ProductState(name="calls", created_at=START, created_by="test", billable_metric_id="metric")
    fixed = ProductState(name="fixed", created_at=START, created_by="test")
    rate = Rate(
        id="rate", rate_card_id="card", product_id="calls", price=price, entitled=True, starting_at=START, number=0,
        credit_type_id=USD.id,
    )  # fmt: skip
    contract = Contract(
        id="contract",
        customer_id="customer",
        starting_at=START,
        created_at=START,
        created_by="test",
        usage_statement_schedule=StatementSchedule(Frequency.MONTHLY, START),
        rate_card_id="card",
    )
    card = RateCard(id="card", name="card", created_at=START, created_by="test", fiat_credit_type_id=USD.id)
    account = Account(
        customer=Customer(id="customer", name="c", created_at=START, updated_at=START),
        contracts=(contract,),
        rates={"card": (rate,)},
        cards={"card": card},
        units=BY_ID,
        products={
            "calls": Product(id="calls", type=ProductType.USAGE, initial=state),
            "fixed": Product(id="fixed", type=ProductType.FIXED, initial=fixed),
        },
        metrics={
            "metric": BillableMetric(
                id="metric", name="m", aggregation_type=Aggregation.SUM, aggregation_key="v", group_keys=()
            )
        },
        balances=balances,
        entries=(),
        invoiced=frozenset(),
    )
    rows = [HourUsage("customer", (), hour_number(day(number)), value=quantity) for number, quantity in calls]
    return World(account, {"metric": rows}, day(30))


def drawn(of: World) -> tuple[Decimal, dict[str, Decimal]]:
    """Return what the statement of January asks for, and what is left of each balance then."""
    (draft,) = of.drafts()
    then = structs.replace(of.account, entries=draft.entries)
    return draft.invoice.total, all_remaining(then)


@given(prices(), used, quantities, st.integers(1, 30))
def test_the_first_units_used_are_covered(price: Price, calls, bought: Decimal, edge: int) -> None:
    """What is asked for is the price of what comes after them; a cut somewhere in the period changes nothing."""
    count = money.total([quantity for _, quantity in calls])
    first = min(count, bought)
    asked = money.total([part.total for part in priced(price, first, count)])
    units = balance("units", QUANTITY, bought)
    left = money.subtract(bought, first)
    assert drawn(world(price, calls, units)) == (asked, {"units": left})
    dry = balance("dry", QUANTITY, Decimal(0), edge)
    assert drawn(world(price, calls, dry, units)) == (asked, {"units": left, "dry": 0})


@given(prices(), used, quantities, quantities)
def test_units_and_money_never_cover_the_same(price: Price, calls, bought: Decimal, given_: Decimal) -> None:
    """Money pays for what units leave, and the other way round; together they leave what nobody covers."""
    units = balance("units", QUANTITY, bought)
    gift = structs.replace(balance("gift", USD.id, given_), priority=Decimal(2))
    alone, _ = drawn(world(price, calls, units))
    total, left = drawn(world(price, calls, units, gift))
    assert (total, left["gift"]) == (max(Decimal(0), alone - given_), max(Decimal(0), given_ - alone))
    (draft,) = world(price, calls, units, structs.replace(gift, priority=Decimal(0))).drafts()
    lines = [line for line in draft.invoice.line_items if line.type is LineType.USAGE]
    assert money.total([line.quantity for line in lines]) == money.total([quantity for _, quantity in calls])
    applied = [line for line in draft.invoice.line_items if line.type is LineType.APPLIED]
    taken = [line.quantity for line in applied if line.balance_id == "units"]
    assert -money.total(taken) <= bought
