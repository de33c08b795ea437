"""Whether usage of what a card sells can be counted by the names by which contracts filter it (docs/pricing.md §3)."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from winkel.api import fields
from winkel.bill.statement import group_key_index
from winkel.model.contract import Contract
from winkel.model.errors import InvalidError
from winkel.model.product import Product, ProductState, ProductType
from winkel.store import contracts, metrics, products, rate_cards
from winkel.store.database import Connection


async def check(tx: Connection, tenant_id: int, contract: Contract, place: str) -> None:
    """Raise `InvalidError` unless all that the card sells can be counted by all names that the contract filters by.

    They are looked at together, whenever each holds, because usage is kept under one group key (docs/pricing.md §3).
    Until the transaction ends nothing is added to the card.
    """
    if not contract.usage_filters or contract.rate_card_id is None:
        return
    await rate_cards.hold(tx, tenant_id, [contract.rate_card_id])
    card = await rate_cards.rates_of(tx, tenant_id, contract.rate_card_id)
    sold = await products.by_ids(tx, tenant_id, sorted({each.product_id for each in card}))
    states = [state for each in sold.values() if each.type is ProductType.USAGE for state in _states(each)]
    try:
        await _count(tx, tenant_id, states, [contract.filter_names()])
    except InvalidError as error:
        fields.refuse(str(error), place)


async def check_sold(
    tx: Connection, tenant_id: int, product: Product, rate_card_ids: Sequence[str], since: datetime
) -> None:
    """Raise `InvalidError` unless the contracts of some cards that filter usage can count a product sold there.

    The cards are locked. Contracts that end by `since` are left out.
    """
    if product.type is ProductType.USAGE:
        names = await contracts.filter_names(tx, tenant_id, rate_card_ids, since)
        await _count(tx, tenant_id, _states(product), names)


async def _count(
    tx: Connection, tenant_id: int, states: Sequence[ProductState], names: Iterable[Collection[str]]
) -> None:
    """Raise `InvalidError` unless usage of all terms can be counted by each of these choices of names."""
    ids = {each.billable_metric_id for each in states if each.billable_metric_id is not None}
    known = await metrics.by_ids(tx, tenant_id, sorted(ids))
    for choice in names:
        for state in states:
            if state.billable_metric_id is not None:
                group_key_index(known[state.billable_metric_id], state, choice)


def _states(product: Product) -> list[ProductState]:
    """Return the terms of a product at first and after each change."""
    return [product.initial, *(product.at(each.starting_at) for each in product.updates)]
