"""Balances of units in random contracts: some that are there already hold units instead of money.

They are drawn last, so what a seed made before it knew them it still makes where there are none.
"""

from msgspec.structs import replace

from sim.contracts_chance import Chance
from sim.world import QUANTITY, Balance, Contract, Recurring

UNITS = ("1", "1", "2", "2", "3", "3", "5", "8", "10", "30", "2.5", "0.333333333333333333333333")
OFTEN = {"commits": 0.4, "balances": 0.3, "units": 0.5, "composites": 0.6, "subscriptions": 0.6, "renewals": 0.6}
"""How often some balance of a case holds units, by what the case has most of."""


def in_units(chance: Chance) -> None:
    """Let some of a case's commits and credits, recurring ones too, hold units."""
    made = chance.tenant
    if not chance.chance(OFTEN.get(chance.theme, 0.2)):
        return
    made.balances = [_balance(chance, each) for each in made.balances]
    made.contracts = [_contract(chance, each) for each in made.contracts]


def _balance(chance: Chance, like: Balance) -> Balance:
    if like.type == "POSTPAID" or chance.chance(0.4):
        return like
    segments = tuple(replace(each, amount=chance.pick(UNITS)) for each in like.segments)
    return replace(like, currency=QUANTITY, segments=segments)


def _contract(chance: Chance, like: Contract) -> Contract:
    return replace(like, recurring=tuple(_recurring(chance, each) for each in like.recurring))


def _recurring(chance: Chance, like: Recurring) -> Recurring:
    if chance.chance(0.5):
        return like
    return replace(like, currency=QUANTITY, amount=(like.amount[0], chance.pick(UNITS)))
