"""Professional services: what an invoice asks for them, and how much may still be asked for (docs/pricing.md §8)."""

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal

from msgspec import structs

from winkel.bill.draft import scheduled_draft
from winkel.bill.invoiced import Invoiced
from winkel.bill.scheduled import scheduled
from winkel.model.account import Account
from winkel.model.contract import Contract
from winkel.model.errors import InvalidError
from winkel.model.invoice import Invoice
from winkel.model.money import ZERO, negated, plain, subtract, total
from winkel.model.pro_service import ProService, ProServiceInvoice


def room(contract: Contract, service: ProService, freed: Collection[str]) -> Decimal:
    """Return what may still be asked for a service: its most, without what scheduled invoices ask for.

    `freed` are the ids of items that only void invoices ask for: they may be asked for again.
    """
    asked = [line for invoice in contract.pro_service_invoices for line in invoice.lines if line.id not in freed]
    amounts = [line.amount for line in asked if line.professional_service_id == service.id]
    return subtract(service.max_amount, total(amounts))


def draft(account: Account, made: ProServiceInvoice, at: datetime) -> Invoice:
    """Return an invoice that is not final yet as a draft; it is on one of the contracts of the account."""
    items = {line.id for line in made.lines}
    asked = next(each for each in scheduled(account, at) if any(line.schedule_item_id in items for line in each.lines))
    return scheduled_draft(account, asked, {}, at).invoice


def check_again(contract: Contract, void: Invoice, freed: Collection[str]) -> None:
    """Raise `InvalidError` when a void invoice, made anew, would ask for more of a service than may be."""
    items = {line.schedule_item_id for line in void.line_items if line.professional_service_id}
    for service in contract.professional_services if items else ():
        left = room(contract, service, set(freed) - items)
        if left < ZERO:
            more = f"{plain(negated(left))} more than the max_amount of professional service {service.id}"
            raise InvalidError(f"with the invoices that were scheduled meanwhile it would ask for {more}")


def until(contract: Contract, end: datetime, invoiced: Invoiced) -> Contract:
    """Return a contract that ends then without its requests for services from then on that are not invoiced by now."""
    kept = tuple(
        each
        for each in contract.pro_service_invoices
        if invoiced.keeps(each.issued_at, [line.id for line in each.lines], end)
    )
    return structs.replace(contract, pro_service_invoices=kept)
