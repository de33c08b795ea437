"""An account: everything besides usage on which the invoices of one customer depend."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TypeVar

from winkel.model.account import Account
from winkel.model.commit import Balance
from winkel.model.contract import Contract
from winkel.model.product import Product
from winkel.store import (
    balances,
    billing,
    contracts,
    credit_types,
    customers,
    invoices,
    ledger,
    metrics,
    products,
    rate_cards,
)
from winkel.store.database import Connection

T = TypeVar("T")


async def load(tx: Connection, tenant_id: int, customer_id: str, *, include_archived: bool = False) -> Account:
    """Return the account of a customer as it stands, perhaps with archived contracts. Raises `NotFoundError`."""
    families = await billing.families(tx, tenant_id, [customer_id])
    found = await load_some(tx, tenant_id, families, include_archived=include_archived)
    if customer_id not in found:
        raise customers.missing(customer_id)
    return found[customer_id]


async def load_some(
    tx: Connection, tenant_id: int, families: Mapping[str, Sequence[str]], *, include_archived: bool = False
) -> dict[str, Account]:
    """Return the accounts of customers of whom these are the families (`billing.families`), by id.

    What they share is read once.
    """
    everyone = sorted({each for members in families.values() for each in members})
    who = await customers.by_ids(tx, tenant_id, everyone)
    agreed = await contracts.of_customers(tx, tenant_id, everyone, include_archived)
    renewing = sorted({each.customer_id for some in agreed.values() for each in some if each.transition})
    renewals = await contracts.archived_renewals(tx, tenant_id, renewing) if renewing else {}
    cards = {each.rate_card_id for some in agreed.values() for each in some if each.rate_card_id}
    rates = await rate_cards.rates(tx, tenant_id, sorted(cards))
    priced_by = await rate_cards.by_ids(tx, tenant_id, sorted(cards))
    units = await credit_types.units(tx, tenant_id)
    held = await balances.of_customers(tx, tenant_id, everyone)
    entries = await ledger.of_customers(tx, tenant_id, everyone)
    invoiced = await invoices.ids(tx, tenant_id, everyone)
    items = await invoices.items(tx, tenant_id, everyone)
    final = {each: its.final for each, its in items.items()}
    awaited = {each: its.awaited for each, its in items.items()}
    kept = await balances.ids(tx, tenant_id, everyone)
    on_card = {card: {rate.product_id for rate in its_rates} for card, its_rates in rates.items()}
    own = {each: _product_ids(agreed.get(each, ()), on_card, held.get(each, ())) for each in who}
    named = {each: frozenset(_all(own, family)) for each, family in families.items()}
    sold = await products.by_ids(tx, tenant_id, sorted(set().union(*named.values())))
    # Who names the same products has the same mapping: what a rate card offers is prepared once (bill/statement.py).
    mappings = {
        some: {name: sold[name] for name in sorted(some) if name in sold} for some in dict.fromkeys(named.values())
    }
    measured = await metrics.by_ids(tx, tenant_id, _metric_ids(sold.values()))
    return {
        each: Account(
            customer=who[each],
            relatives=tuple(who[member] for member in family if member != each),
            contracts=tuple(sorted(_all(agreed, family), key=lambda contract: (contract.created_at, contract.id))),
            rates=rates,
            cards=priced_by,
            products=mappings[named[each]],
            metrics=measured,
            balances=tuple(_all(held, family)),
            entries=tuple(_all(entries, family)),
            invoiced=frozenset(_all(invoiced, family)),
            invoiced_items=frozenset(_all(final, family)),
            awaited_items=frozenset(_all(awaited, family)),
            units=units,
            kept_balances=frozenset(_all(kept, family)),
            archived_renewals=renewals,
        )
        for each, family in families.items()
    }


def _all(by_customer: Mapping[str, Iterable[T]], family: Iterable[str]) -> Iterator[T]:
    """Return what all members of a family have."""
    return chain.from_iterable(by_customer.get(member, ()) for member in family)


def _product_ids(
    agreed: Iterable[Contract], on_card: Mapping[str, Iterable[str]], held: Iterable[Balance]
) -> frozenset[str]:
    """Return every product that a rate, a balance or a term of a contract of one customer names."""
    found = {each.product_id for each in held}
    for contract in agreed:
        found |= {each.product_id for each in contract.dated}
        found |= {term.product_id for term in contract.recurring_balances}
        found |= {each.product_id for each in contract.subscriptions}
        found |= {each.product_id for each in contract.professional_services}
        found.update(on_card.get(contract.rate_card_id or "", ()))
    return frozenset(found)


def _metric_ids(sold: Iterable[Product]) -> list[str]:
    """Return every metric that a product has named, at any time."""
    ids = {product.initial.billable_metric_id for product in sold}
    ids |= {update.billable_metric_id for product in sold for update in product.updates}  # type: ignore[misc]
    return sorted(each for each in ids if isinstance(each, str))
