"""POST /v1/contracts/scheduleProServicesInvoice: an invoice for professional services (docs/pricing.md §8)."""

import uuid
from collections.abc import Collection
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, post
from msgspec import Meta, Struct, structs

from winkel.api import amendments, commits, fields
from winkel.api.auth import writer
from winkel.api.contract_requests import ContractKey
from winkel.api.invoice_views import InvoiceView, invoice_view
from winkel.api.schedules import ONE
from winkel.api.state import Api
from winkel.api.wire import Data
from winkel.bill import pro_service
from winkel.model.contract import Contract
from winkel.model.money import multiply, plain, subtract
from winkel.model.pro_service import ProService, ProServiceInvoice, ProServiceLine
from winkel.model.tenant import Caller
from winkel.store import accounts, contracts, invoices

NOT_YET = {"netsuite_invoice_header_start", "netsuite_invoice_header_end"}
"""Fields that the Metronome API has and that Winkel does not know: there is no NetSuite."""
LINES_MAX = 1000
"""The most lines of one such invoice."""
INVOICES_MAX = 1000
"""The most such invoices of one contract."""


class LineIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """What is asked for one service: an amount, or a quantity, at the service's unit price or at another one."""

    professional_service_id: UUID
    amendment_id: UUID | None = None
    """The amendment that has added the service: it may be named, and needs not be."""
    amount: Decimal | None = None
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    metadata: str | None = None
    netsuite_invoice_billing_start: fields.Instant | None = None
    netsuite_invoice_billing_end: fields.Instant | None = None


class ScheduleInvoice(ContractKey, kw_only=True):
    """The body of scheduleProServicesInvoice."""

    issued_at: fields.Instant
    line_items: Annotated[list[LineIn], Meta(min_length=1, max_length=LINES_MAX)]


@post("/v1/contracts/scheduleProServicesInvoice", guards=[writer], status_code=200)
async def schedule(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[list[InvoiceView]]:
    """Ask for services on a date, on an invoice of their own; one of the past is final with the next billing run."""
    asked = await fields.body(request, ScheduleInvoice, NOT_YET)
    at, tenant_id, customer_id = api.clock(), caller.tenant_id, str(asked.customer_id)
    async with api.database.transaction(tenant_id) as tx:
        await commits.open_customer(tx, tenant_id, customer_id)
        before = await commits.open_contract(tx, tenant_id, customer_id, str(asked.contract_id))
        made = _invoice(before, asked, (await invoices.items_of(tx, tenant_id, customer_id)).awaited)
        for index, line in enumerate(asked.line_items):
            its_id, place = str(line.professional_service_id), f"$.line_items[{index}]"
            await amendments.check_added(tx, tenant_id, before.id, line.amendment_id, its_id, place)
        after = structs.replace(before, pro_service_invoices=(*before.pro_service_invoices, made))
        if len(after.pro_service_invoices) > INVOICES_MAX:
            fields.refuse(f"a contract has at most {INVOICES_MAX} invoices for professional services", "$")
        await contracts.update(tx, tenant_id, after)
        account = await accounts.load(tx, tenant_id, customer_id)
        draft = pro_service.draft(account, made, at)
    return Data([invoice_view(draft, account.customer, {}, account.units)])


def _invoice(contract: Contract, asked: ScheduleInvoice, freed: Collection[str]) -> ProServiceInvoice:
    """Return the invoice, with its lines as they were asked for.

    Raises `InvalidError` for a line that says no amount, or that asks for more of a service than its `max_amount`;
    `freed` as in `pro_service.room`.
    """
    services = {each.id: each for each in contract.professional_services}
    left = {each.id: pro_service.room(contract, each, freed) for each in contract.professional_services}
    lines = []
    for index, each in enumerate(asked.line_items):
        place, its_id = f"$.line_items[{index}]", str(each.professional_service_id)
        if its_id not in services:
            fields.refuse(f"this contract has no professional service {its_id}", f"{place}.professional_service_id")
        line = _line(each, services[its_id], place)
        if line.amount > left[its_id]:
            message = f"asks for {plain(line.amount)}, but only {plain(left[its_id])} of its max_amount are left"
            fields.refuse(message, place)
        left[its_id] = subtract(left[its_id], line.amount)
        lines.append(line)
    issued_at = fields.instant(asked.issued_at, "$.issued_at")
    return ProServiceInvoice(id=str(uuid.uuid4()), issued_at=issued_at, lines=tuple(lines))


def _line(asked: LineIn, service: ProService, place: str) -> ProServiceLine:
    """Return what a line asks for. Raises `InvalidError` unless it says that in one way."""
    amount = fields.number_or_none(asked.amount, f"{place}.amount")
    quantity = fields.number_or_none(asked.quantity, f"{place}.quantity")
    unit_price = fields.number_or_none(asked.unit_price, f"{place}.unit_price")
    if amount is not None:
        if quantity is not None or unit_price is not None:
            fields.refuse("give an amount, or a quantity with or without a unit_price", place)
        quantity, unit_price = ONE, amount
    elif quantity is None:
        fields.refuse("needs an amount, or a quantity with or without a unit_price", place)
    elif unit_price is None:
        unit_price = service.unit_price
    start, end = asked.netsuite_invoice_billing_start, asked.netsuite_invoice_billing_end
    return ProServiceLine(
        id=str(uuid.uuid4()),
        professional_service_id=service.id,
        amount=fields.number(multiply(unit_price, quantity), place),
        unit_price=unit_price,
        quantity=quantity,
        metadata=asked.metadata,
        netsuite_invoice_billing_start=start and fields.instant(start, f"{place}.netsuite_invoice_billing_start"),
        netsuite_invoice_billing_end=end and fields.instant(end, f"{place}.netsuite_invoice_billing_end"),
    )


routes = [schedule]
