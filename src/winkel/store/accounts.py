"""An account: everything besides usage on which the invoices of one customer depend."""

from collections.abc import Iterable

from winkel.model.account import Account
from winkel.model.commit import Balance
from winkel.model.contract import Contract
from winkel.model.product import Product
from winkel.model.rate_card import Rate
from winkel.store import balances, contracts, customers, invoices, ledger, metrics, products, rate_cards
from winkel.store.database import Connection


async def load(tx: Connection, tenant_id: int, customer_id: str) -> Account:
    """Return the account of a customer as it stands. Raises `NotFoundError`."""
    customer = await customers.get(tx, tenant_id, customer_id)
    agreed = await contracts.of_customer(tx, tenant_id, customer_id)
    cards = sorted({each.rate_card_id for each in agreed if each.rate_card_id})
    rates = await rate_cards.rates(tx, tenant_id, cards)
    held = await balances.of_customer(tx, tenant_id, customer_id)
    sold = await products.by_ids(tx, tenant_id, _product_ids(agreed, rates.values(), held))
    return Account(
        customer=customer,
        contracts=agreed,
        rates=rates,
        products=sold,
        metrics=await metrics.by_ids(tx, tenant_id, _metric_ids(sold.values())),
        balances=held,
        entries=await ledger.of_customer(tx, tenant_id, customer_id),
        invoiced=await invoices.ids(tx, tenant_id, customer_id),
        invoiced_items=await invoices.schedule_items(
            tx, tenant_id, customer_id, [each.id for each in agreed if each.subscriptions]
        ),
    )


def _product_ids(agreed: Iterable[Contract], rates: Iterable[tuple[Rate, ...]], held: Iterable[Balance]) -> list[str]:
    """Return every product that a rate, a balance or a scheduled charge names."""
    charged = {charge.product_id for contract in agreed for charge in contract.scheduled_charges}
    return sorted(charged | {rate.product_id for card in rates for rate in card} | {each.product_id for each in held})


def _metric_ids(sold: Iterable[Product]) -> list[str]:
    """Return every metric that a product has named, at any time."""
    ids = {product.initial.billable_metric_id for product in sold}
    ids |= {update.billable_metric_id for product in sold for update in product.updates}  # type: ignore[misc]
    return sorted(each for each in ids if isinstance(each, str))
