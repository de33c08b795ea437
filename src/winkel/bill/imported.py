"""Imported statements: a billing period rated from given quantities in place of metered usage. Pure.

Who moves to Winkel has sold before: its past invoices come in by quantities, and are rated, drawn down and laid out by
the same functions as all others (metronome-api.md §4.9, Historical import; docs/pricing.md, Imported invoices). The
quantities stay with the invoice: for its breakdowns, and for regenerating it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

from msgspec import UNSET, structs

from winkel.bill.balance import all_remaining
from winkel.bill.draft import Draft, usage_draft
from winkel.bill.identity import invoice_id
from winkel.bill.statement import Statement, usage_key
from winkel.model.account import Account
from winkel.model.contract import Contract
from winkel.model.errors import ConflictError, InvalidError
from winkel.model.invoice import ImportedUsage, Invoice, InvoiceType, LineType
from winkel.model.metric import Aggregation, BillableMetric
from winkel.model.money import ZERO, add, negated
from winkel.model.period import Period, hour_number
from winkel.model.product import Product, ProductType
from winkel.model.usage import HourUsage
from winkel.rate.offer import kept

Usage: TypeAlias = Mapping[str, Sequence[HourUsage]]


def statement_to_import(account: Account, contract: Contract, period: Period, at: datetime) -> Statement:
    """Return the statement of a billing period that is over and on no invoice. Raises `InvalidError` for any other.

    Raises `ConflictError` when there is an invoice for it, void or not.
    """
    agreed = contract.period_at(period.start)
    if agreed != period:
        told = "none" if agreed is None else f"{agreed.start.isoformat()} to {agreed.end.isoformat()}"
        raise InvalidError(f"the time must be a billing period of the contract; where it begins that is: {told}")
    if period.end > at:
        raise InvalidError(f"the period lasts until {period.end.isoformat()}: import it then")
    its_id = invoice_id(contract.id, InvoiceType.USAGE, period.start)
    if its_id in account.invoiced:
        raise ConflictError(f"the period has the invoice {its_id}: void and regenerate that one")
    return Statement(contract, period, its_id)


def imported(account: Account, statement: Statement, given: Sequence[ImportedUsage]) -> Draft:
    """Return the usage statement of a billing period with these quantities in place of usage.

    Quantities are sold units, converted and rounded already, and count where their time begins. Raises `InvalidError`
    for one that the contract has no rate for, or no entitlement: nothing is left out unseen.
    """
    for each in given:
        _check(account, each)
    sizes = [structs.replace(each, quantity=negated(each.quantity)) if each.quantity < ZERO else each for each in given]
    _check_complete(account, _rated(account, statement, sizes).invoice, sizes)  # so that none makes up for another
    draft = _rated(account, statement, given)
    return structs.replace(draft, invoice=structs.replace(draft.invoice, imported_usage=tuple(given)))


def _rated(account: Account, statement: Statement, given: Iterable[ImportedUsage]) -> Draft:
    """Return the usage statement of a billing period with those of these quantities that have rates."""
    then, usage = as_metered(account, statement.contract, given)
    unfiltered = structs.replace(statement, contract=_unfiltered(statement.contract))
    return usage_draft(then, unfiltered, usage, all_remaining(then))


def as_metered(account: Account, contract: Contract, given: Iterable[ImportedUsage]) -> tuple[Account, Usage]:
    """Return an account for which these quantities are what a contract's products were metered by, and that usage.

    Each product has a metric of its own there, a sum with the product's groups; nothing is converted, rounded or
    filtered any more.
    """
    sold = [each for each in account.products.values() if each.type is ProductType.USAGE]
    metrics = {_metric_id(each.id): _metric(each) for each in sold}
    usage: dict[str, list[HourUsage]] = {usage_key(its_id, 0): [] for its_id in metrics}
    for each in given:
        metric = metrics[_metric_id(each.product_id)]
        values = {**each.pricing_group_values, **each.presentation_group_values}
        group = tuple(values.get(name) for name in metric.keys[0])
        row = HourUsage(account.customer.id, group, hour_number(each.starting_at), value=each.quantity)
        usage[usage_key(metric.id, 0)].append(row)
    then = structs.replace(
        account,
        products={**account.products, **{each.id: _unconverted(each) for each in sold}},
        metrics={**account.metrics, **metrics},
        contracts=tuple(_unfiltered(each) if each.id == contract.id else each for each in account.contracts),
    )
    return then, usage


def _unfiltered(contract: Contract) -> Contract:
    return structs.replace(contract, usage_filters=())


def _metric_id(product_id: str) -> str:
    return f"imported {product_id}"


def _metric(product: Product) -> BillableMetric:
    """Return what quantities of a product are metered by, under all names that it has ever been priced or shown by."""
    states = [product.initial, *(product.at(each.starting_at) for each in product.updates)]
    names = tuple(dict.fromkeys(name for state in states for name in kept(state)))
    return BillableMetric(
        id=_metric_id(product.id),
        name=product.initial.name,
        aggregation_type=Aggregation.SUM,
        aggregation_key="quantity",
        group_keys=(names,) if names else (),
    )


def _unconverted(product: Product) -> Product:
    """Return the product as it is when its units are given as they are sold."""
    return structs.replace(
        product,
        initial=structs.replace(
            product.initial,
            billable_metric_id=_metric_id(product.id),
            quantity_conversion=None,
            quantity_rounding=None,
        ),
        updates=tuple(
            structs.replace(each, billable_metric_id=UNSET, quantity_conversion=UNSET, quantity_rounding=UNSET)
            for each in product.updates
        ),
    )


def _check(account: Account, given: ImportedUsage) -> None:
    """Raise `InvalidError` unless the quantity names a usage product and the values by which that is priced."""
    product = account.products.get(given.product_id)
    if product is None or product.type is not ProductType.USAGE:
        raise InvalidError(f"{given.product_id} is no usage product on the rate card of the contract")
    state = product.at(given.starting_at)
    pricing, presentation = state.pricing_group_key or (), state.presentation_group_key or ()
    if set(given.pricing_group_values) != set(pricing):
        raise InvalidError(f"product {state.name!r} is priced by: {', '.join(pricing) or 'no values'}")
    if not set(given.presentation_group_values) <= set(presentation):
        raise InvalidError(f"product {state.name!r} is shown by: {', '.join(presentation) or 'no values'}")


def _check_complete(account: Account, invoice: Invoice, given: Iterable[ImportedUsage]) -> None:
    """Raise `InvalidError` unless all units are on the invoice."""
    wanted: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for each in given:
        wanted[each.product_id] = add(wanted[each.product_id], each.quantity)
    found: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for line in invoice.line_items:
        if line.type is LineType.USAGE and line.product_id is not None and line.quantity is not None:
            found[line.product_id] = add(found[line.product_id], line.quantity)
    for product_id, quantity in wanted.items():
        if found[product_id] != quantity:
            name = account.products[product_id].initial.name
            raise InvalidError(
                f"{quantity} of product {name!r} are given, but at its rates only {found[product_id]} can be billed"
            )
