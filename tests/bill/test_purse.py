"""Who may pay, and who pays first. tests/scenarios/who-pays-first.story shows every rule in turn."""

from hypothesis import given
from hypothesis import strategies as st

from bill.oracle import applicable, rank, segments
from bill.worlds import DAYS, START, World, day, worlds
from winkel.bill.purse import applies, purses
from winkel.model.credit_type import USD
from winkel.model.period import Period
from winkel.rate.use import Use


@given(worlds())
def test_the_order_is_that_of_the_oracle(world: World) -> None:
    """Segments that meet the period come in the documented order, whatever the order in which they are kept."""
    period = Period(START, day(DAYS))
    for contract in world.account.contracts:
        expected = [
            segment.id
            for balance, segment in sorted(
                segments(world.account, contract), key=lambda each: rank(world.account, each[0], each[1])
            )
            if segment.starting_at < period.end and segment.ending_before > period.start
        ]
        assert [each.segment.id for each in purses(world.account, contract, period)] == expected


@given(worlds(), st.sampled_from("AB"), st.sampled_from([{}, {"model": "x"}]), st.sampled_from([{}, {"team": None}]))
def test_who_may_pay_is_what_the_oracle_says(world: World, name: str, pricing: dict, shown: dict) -> None:
    """Currency, products, tags and specifiers decide, and nothing else."""
    product = world.account.products[name]
    use = Use(name, product.initial.tags, pricing, shown, USD.id)
    for balance in world.account.balances:
        if any(world.account.rates.values()) and world.account.rates["one"]:
            assert applies(balance, use) == applicable(world.account, balance, product, pricing, shown)
