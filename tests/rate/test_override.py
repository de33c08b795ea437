"""Multiplied prices against a slow count, unit by unit."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winkel.model.contract import Contract, StatementSchedule
from winkel.model.errors import InvalidError
from winkel.model.override import MultiplierTier, Override, OverrideType, Prioritization
from winkel.model.period import Frequency, Period
from winkel.model.price import Flat, Price, Tier, Tiered
from winkel.model.rate_card import Rate
from winkel.rate.override import overridden
from winkel.rate.price import priced
from winkel.rate.use import Use

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
amounts = st.decimals(0, 9, places=2, allow_nan=False)
sizes = st.lists(st.integers(1, 6).map(Decimal), max_size=3)
FLAT = Flat(Decimal(1))
four = st.lists(amounts, min_size=4, max_size=4)
prices = st.builds(Flat, amounts) | st.builds(
    lambda sizes, prices: Tiered(tuple(map(Tier, prices, [*sizes, None]))), sizes, four
)
factors = st.builds(lambda sizes, factors: tuple(map(MultiplierTier, factors, [*sizes, None])), sizes, four)


def contract(*overrides: Override, prioritization: Prioritization = Prioritization.LOWEST_MULTIPLIER) -> Contract:
    return Contract(
        id="contract", customer_id="customer", starting_at=START, created_at=START, created_by="test",
        usage_statement_schedule=StatementSchedule(Frequency.MONTHLY, START), overrides=overrides,
        multiplier_override_prioritization=prioritization,
    )  # fmt: skip


def override(**fields: object) -> Override:
    return Override(id="override", starting_at=START, created_at=START, **fields)


def agreed(listed: Price, *overrides: Override, **more: Prioritization) -> Price:
    """Return what is agreed for a product, all the month."""
    rate = Rate(
        id="rate", rate_card_id="card", product_id="product", price=listed, entitled=True, starting_at=START, number=1,
        credit_type_id="usd",
    )  # fmt: skip
    use = Use("product", ("ai",), {}, {}, "usd")
    ((period, found),) = overridden(contract(*overrides, **more), rate, use, Period(START, END))
    assert period == Period(START, END)
    return found.price


def unit_price(price: Price, unit: int) -> Fraction:
    """Return what the unit of this number (the first is 1) costs."""
    if isinstance(price, Flat):
        return Fraction(price.price)
    return Fraction(at(price.tiers, unit).price)


def at(tiers, unit: int):
    for tier in tiers:
        if tier.size is None or unit <= tier.size:
            return tier
        unit -= int(tier.size)
    raise AssertionError("the last tier is open")


@given(prices, factors, st.integers(0, 40))
def test_every_unit_costs_its_list_price_times_its_multiplier(
    listed: Price, tiers: tuple[MultiplierTier, ...], count: int
) -> None:
    """However the tiers of both lie to each other."""
    made = override(type=OverrideType.TIERED, tiers=tiers, priority=Decimal(1))
    price = agreed(listed, made, prioritization=Prioritization.EXPLICIT)
    total = sum(Fraction(part.total) for part in priced(price, Decimal(0), Decimal(count)))
    each = (unit_price(listed, unit) * Fraction(at(tiers, unit).multiplier) for unit in range(1, count + 1))
    assert total == sum(each)


@given(st.lists(amounts, min_size=1, max_size=5))
def test_the_lowest_multiplier_counts_alone(multipliers: list[Decimal]) -> None:
    """Ten and twenty percent off are twenty percent off."""
    some = [override(type=OverrideType.MULTIPLIER, multiplier=each) for each in multipliers]
    assert agreed(Flat(Decimal(100)), *some) == Flat(100 * min(multipliers))


def test_a_multiplier_never_rounds() -> None:
    """38 digits times 38 digits."""
    long = Decimal("1." + "3" * 37)
    price = agreed(Flat(long), override(type=OverrideType.MULTIPLIER, multiplier=long))
    assert isinstance(price, Flat)
    assert Fraction(price.price) == Fraction(long) ** 2


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "type is needed"),
        ({"type": "OVERWRITE"}, "overwrite_rate is needed"),
        ({"type": "OVERWRITE", "price": FLAT}, "must name its product"),
        ({"type": "OVERWRITE", "price": FLAT, "applicable_product_tags": ("ai",)}, "product tags"),
        (
            {"type": "OVERWRITE", "price": FLAT, "product_id": "p", "multiplier": Decimal(1)},
            "multiplier does",
        ),
        ({"type": "MULTIPLIER"}, "multiplier is needed"),
        ({"type": "MULTIPLIER", "multiplier": Decimal(1), "priority": Decimal(1)}, "priority needs"),
        ({"type": "TIERED", "tiers": (MultiplierTier(Decimal(1)),)}, "EXPLICIT"),
        ({"product_id": "p", "applicable_product_tags": ("ai",), "entitled": True}, "give one of"),
        ({"entitled": True, "multiplier": Decimal(1)}, "multiplier does not go with"),
    ],
)
def test_contradictions_are_refused(fields: dict[str, object], message: str) -> None:
    """With the field that is wrong."""
    made = override(**fields | ({"type": OverrideType(str(fields["type"]))} if "type" in fields else {}))
    with pytest.raises(InvalidError, match=message):
        made.check(Prioritization.LOWEST_MULTIPLIER)


def test_tiers_need_an_order() -> None:
    """Under EXPLICIT, each multiplier says where it stands; tiers cover every unit once."""
    for fields, message in (
        ({"type": OverrideType.MULTIPLIER, "multiplier": Decimal(1)}, "priority is needed"),
        ({"type": OverrideType.TIERED, "priority": Decimal(1)}, "must not be empty"),
        ({"type": OverrideType.TIERED, "tiers": (MultiplierTier(Decimal(1), Decimal(5)),)}, "last tier"),
    ):
        with pytest.raises(InvalidError, match=message):
            override(**fields).check(Prioritization.EXPLICIT)
