"""Other prices in random contracts: CUSTOM rates, overwrites in another pricing unit, an order of a card's products.

They are drawn last, so what a seed made before it knew them it still makes where there are none.
"""

from msgspec.structs import replace

from sim.contracts_chance import LONG_AGO
from sim.contracts_terms import Agreed
from sim.world import Contract, Override, Price, Specifier

CUSTOM = {"commits": 0.25, "changes": 0.25, "overrides": 0.25}
UNITS = {"units": 0.85}
ORDERS = {"composites": 0.9, "units": 0.3}
"""How often, by what a case has most of."""


def with_other_prices(chance: Agreed) -> None:
    """Change some of a case's rates and overrides, and put the products of its cards in order."""
    if chance.chance(CUSTOM.get(chance.theme, 0.08)):
        _custom(chance)
    if chance.tenant.units and chance.chance(UNITS.get(chance.theme, 0.5)):
        chance.tenant.contracts = [_in_units(chance, each) for each in chance.tenant.contracts]
    if chance.chance(ORDERS.get(chance.theme, 0.1)):
        products = [each.id for each in chance.tenant.products[1:]]
        for card_id in chance.tenant.cards:
            placed = chance.rng.sample(products, len(products))
            chance.tenant.orders[card_id] = tuple(placed[: chance.pick((1, 2, 3, 9))])


def _custom(chance: Agreed) -> None:
    """Let some rates for usage be CUSTOM ones."""
    made = chance.tenant
    metered = {each.id for each in made.products if each.first.metric_id}
    made.rates = [
        replace(each, price=Price("CUSTOM", ((None, "0"),), formula=chance.pick(("day", "night"))))
        if each.product_id in metered and chance.chance(0.6)
        else each
        for each in made.rates
    ]


def _in_units(chance: Agreed, like: Contract) -> Contract:
    """Return the contract with overwrites in other units, some of them new ones."""
    own = tuple(_in_unit(chance, like, each, 0.4) for each in like.overrides)
    new = (_overwrite(chance, f"{like.id}.u{number}") for number in range(chance.pick((0, 1, 1, 2))))
    return replace(like, overrides=(*own, *(_in_unit(chance, like, each, 0.9) for each in new)))


def _overwrite(chance: Agreed, name: str) -> Override:
    """Return an overwrite for a product and all of its pricing group values."""
    product = chance.pick([each for each in chance.tenant.products[1:] if each.type != "COMPOSITE"])
    values = tuple((name, "x") for name in product.first.pricing_keys)
    start = chance.pick((LONG_AGO, chance.when(), chance.when(), chance.when()))
    end = chance.after(max(start, chance.base)) if chance.chance(0.4) else None
    specifiers = (Specifier(product.id, pricing=values),)
    return Override(name, "OVERWRITE", start, end, specifiers=specifiers, price=chance.price())


def _in_unit(chance: Agreed, contract: Contract, like: Override, often: float) -> Override:
    """Return an overwrite in another unit than its rates, most often."""
    if like.type != "OVERWRITE" or like.for_commits or like.price is None or "PERCENTAGE" in like.price.kind:
        return like
    made = chance.tenant
    meant = like.product_id or like.specifiers[0].product_id
    card = made.cards[contract.card_id]
    rates = [each for each in made.rates if (each.card_id, each.product_id) == (contract.card_id, meant)]
    listed = rates[0].unit or card if rates else card
    others = [each for each in (card, *made.units) if each != listed]
    paid = [each for each in others if each in {balance.currency for balance in made.balances}]
    others = paid if paid and chance.chance(0.7) else others
    return replace(like, unit=chance.pick(others) if chance.chance(often) else chance.pick((None, listed)))
