"""SUBSCRIPTION rates in random contracts: of a product that is sold by subscription too, or of one of its own.

They are drawn last, so what a seed made before it knew them it still makes where there are none.
"""

from msgspec.structs import replace

from sim.contracts_chance import LONG_AGO, PRIORITIES, SIZES, TAGS, Chance
from sim.contracts_sold import PRICES
from sim.world import Contract, Override, Price, Product, Rate, Specifier, Terms

OFTEN = {"subscriptions": 0.6, "units": 0.2, "composites": 0.25, "renewals": 0.2, "corrections": 0.25}
"""How often a card has some, by what a case has most of."""
QUANTITIES = ("1", "2", "3", "5", "10", "0", "2.5", "0.333")
MULTIPLIERS = ("0.5", "0.9", "2", "0")


def with_subscription_rates(chance: Chance) -> None:
    """Give the cards of a case rates that every contract is charged for, and contracts overrides of them."""
    made = chance.tenant
    if not chance.chance(OFTEN.get(chance.theme, 0.1)):
        return
    subscribed = [each for each in made.products if each.type == "SUBSCRIPTION"]
    if not subscribed or chance.chance(0.5):
        subscribed = [_product(chance)]
        made.products = [*made.products, *subscribed]
    product = chance.pick(subscribed)
    for card_id in made.cards:
        made.rates = [*made.rates, *_rates(chance, card_id, product)]
    made.contracts = [_contract(chance, each, product) for each in made.contracts]


def _product(chance: Chance) -> Product:
    first = Terms(chance.pick(("R", "Same")), tags=chance.some(TAGS))
    later = ((chance.when(), replace(first, name="Renamed", tags=chance.some(TAGS))),) if chance.chance(0.2) else ()
    return Product("R", first, LONG_AGO, later, "SUBSCRIPTION")


def _rates(chance: Chance, card_id: str, product: Product) -> list[Rate]:
    """Return rates, some with gaps between them, in the unit that the product has on the card."""
    made = chance.tenant
    units = [each.unit for each in made.rates if (each.card_id, each.product_id) == (card_id, product.id)]
    unit = units[0] if units else chance.pick((None, None, *made.units))
    starts = [LONG_AGO] if chance.chance(0.6) else []
    starts += [chance.when() for _ in range(chance.pick((0, 1, 1, 2)))]
    return [
        Rate(
            id=f"r{number}",
            card_id=card_id,
            product_id=product.id,
            price=_price(chance),
            starting_at=start,
            ending_before=chance.after(max(start, chance.base)) if chance.chance(0.35) else None,
            entitled=chance.chance(0.9),
            values=(),
            number=number,
            unit=unit,
        )
        for number, start in enumerate(starts, len(made.rates))
    ]


def _price(chance: Chance) -> Price:
    return Price("SUBSCRIPTION", ((None, chance.pick(PRICES)),), chance.pick(QUANTITIES))


def _contract(chance: Chance, like: Contract, product: Product) -> Contract:
    many = range(chance.pick((0, 0, 1, 1, 2)))
    added = tuple(_override(chance, f"{like.id}.r{number}", like, product) for number in many)
    return replace(like, overrides=(*like.overrides, *added))


def _override(chance: Chance, name: str, contract: Contract, product: Product) -> Override:
    """Return an override for the product, by whatever names it."""
    start = chance.pick((LONG_AGO, chance.when(), chance.when()))
    end = chance.after(max(start, chance.base)) if chance.chance(0.35) else None
    found = Override(name, None, start, end, entitled=chance.pick((None, None, True, False)), product_id=product.id)
    if chance.chance(0.2):
        found = replace(found, product_id=None, specifiers=(Specifier(product.id),))
    explicit = contract.prioritization == "EXPLICIT"
    match chance.pick(("overwrite", "overwrite", "price", "times", "tiers", "tiers", "tiers", "entitled")):
        case "overwrite":
            return replace(found, type="OVERWRITE", price=_price(chance))
        case "price":
            return replace(found, type="OVERWRITE", price=Price("FLAT", ((None, chance.pick(PRICES)),)))
        case "tiers" if explicit:
            factors = ((chance.pick(SIZES), chance.pick(MULTIPLIERS)), (None, chance.pick(MULTIPLIERS)))
            return replace(found, type="TIERED", multipliers=factors, priority=chance.pick(PRIORITIES))
        case "times" | "tiers":
            priority = chance.pick(PRIORITIES) if explicit else None
            return replace(found, type="MULTIPLIER", multipliers=((None, chance.pick(MULTIPLIERS)),), priority=priority)
    return replace(found, entitled=chance.chance(0.5))
