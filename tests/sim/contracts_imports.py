"""Imported invoices of random contracts, and contracts whose statements are not all made.

They are drawn last, so what a seed made before it knew them it still makes where there are none.
"""

from datetime import datetime

from msgspec.structs import replace

from sim.contracts_chance import HOUR, Chance
from sim.oracle_period import periods
from sim.oracle_rate import terms_at
from sim.world import Case, Contract, Given, Import, Product

OFTEN = {"corrections": 0.3, "subscriptions": 0.25, "balances": 0.2}
QUANTITIES = ("1", "2", "3", "5", "7", "10", "0.5", "-2", "0.1234567890123456789")


def with_imports(chance: Chance, case: Case) -> Case:
    """Return the case, sometimes with a past that was billed elsewhere."""
    made = case.tenant
    alone = len(made.customers) == 1 and all(each.renews is None for each in made.contracts)
    if not alone or not chance.chance(OFTEN.get(chance.theme, 0.12)):
        return case
    made.contracts = [_begun_late(chance, case, each) for each in made.contracts]
    imports = [
        Import(at, contract.id, start, tuple(found))
        for at in case.looks
        for contract in made.contracts
        for start, end in periods(contract, at)
        if (end <= at and chance.chance(0.5)) or chance.chance(0.03)
        if (found := _given(chance, case, contract, (end - start) // HOUR, start))
    ]
    return replace(case, imports=tuple(imports))


def _begun_late(chance: Chance, case: Case, contract: Contract) -> Contract:
    """Return a contract most often without statements of its first periods."""
    starts = [start for start, _ in periods(contract, case.looks[-1])]
    return replace(contract, statements_from=chance.pick(starts)) if starts and chance.chance(0.7) else contract


def _given(chance: Chance, case: Case, contract: Contract, hours: int, start: datetime) -> list[Given]:
    """Return quantities of what the contract's card offers."""
    offered = {each.product_id for each in case.tenant.rates if each.card_id == contract.card_id}
    products = [each for each in case.tenant.products if each.first.metric_id is not None and each.id in offered]
    if not products:
        return []
    several = range(chance.pick((1, 2, 3)))
    return [
        _one(chance, case, contract, chance.pick(products), start + chance.rng.randrange(hours) * HOUR) for _ in several
    ]


def _one(chance: Chance, case: Case, contract: Contract, product: Product, at: datetime) -> Given:
    """Return a quantity at some values for which there may be a rate."""
    terms = terms_at(product, at)
    rates = [each for each in case.tenant.rates if (each.card_id, each.product_id) == (contract.card_id, product.id)]
    pricing = chance.pick(rates).values
    if {name for name, _ in pricing} != set(terms.pricing_keys) and chance.chance(0.9):
        pricing = tuple((name, chance.pick(("x", "x", "y"))) for name in terms.pricing_keys)
    shown = tuple((name, chance.pick(("x", "y"))) for name in terms.presentation_keys if chance.chance(0.7))
    return Given(product.id, chance.pick(QUANTITIES), at, pricing, shown)
