"""GET /v1/customers/{id}/invoices: drafts rated now, and what was finalized (metronome-api.md §4.9).

POST /v1/invoices/{void,regenerate}: corrections of what is final.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, tzinfo
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from msgspec import Struct

from winkel.api import fields, pages, wire
from winkel.api.auth import reader, writer
from winkel.api.fields import Instant, position
from winkel.api.invoice_views import InvoiceView, invoice_view
from winkel.api.parse import id_of, text_of
from winkel.api.requests import Paging, query
from winkel.api.state import Api
from winkel.api.wire import Data, Id, Page
from winkel.bill import actions
from winkel.bill.actions import standing
from winkel.bill.due import due_at
from winkel.model.errors import InvalidError, NotFoundError
from winkel.model.invoice import Invoice, InvoiceStatus, InvoiceType
from winkel.model.tenant import Caller
from winkel.model.word import Word
from winkel.paper import when
from winkel.paper.page import ALONE, Relatives, page
from winkel.paper.typeset import pdf
from winkel.store import balances, contracts, credit_types, customers, invoices, tenants
from winkel.store.database import Connection
from winkel.store.invoices import Filter


class Sort(Word):
    """The order of the list, by date of issue (metronome-api.md §9: the oldest first unless asked otherwise)."""

    DATE_ASC = "date_asc"
    DATE_DESC = "date_desc"


class ListInvoices(Paging, kw_only=True, forbid_unknown_fields=True):
    """The query of the list (metronome-api.md §4.9, list filters)."""

    status: InvoiceStatus | None = None
    type: InvoiceType | None = None
    contract_id: UUID | None = None
    credit_type_id: UUID | None = None
    starting_on: Instant | None = None
    ending_before: Instant | None = None
    sort: Sort = Sort.DATE_ASC
    skip_zero_qty_line_items: bool = False
    include_historical_commit_invoices: bool = False
    """Accepted and without effect: there are no such invoices."""


class RetrieveInvoice(Struct, forbid_unknown_fields=True):
    """The query of one invoice."""

    skip_zero_qty_line_items: bool = False


class InvoiceOnPaper(Struct, forbid_unknown_fields=True):
    """The query of one invoice as PDF."""

    time_zone: str = "UTC"
    """In which its times are told: an IANA name. What is billed, and the JSON of invoices, stay in UTC."""


class InvoiceId(Struct, forbid_unknown_fields=True):
    """The body of void and of regenerate."""

    id: UUID


@get("/v1/customers/{customer_id:str}/invoices", guards=[reader])
async def list_invoices(
    request: Request[Any, Any, Any], api: Api, caller: Caller, customer_id: str
) -> Page[InvoiceView]:
    """List a customer's invoices by the date on which they were, or will be, issued."""
    asked = query(request, ListInvoices)
    wanted = Filter(
        status=asked.status,
        type=asked.type,
        contract_id=text_of(asked.contract_id),
        credit_type_id=text_of(asked.credit_type_id),
        starting_on=asked.starting_on,
        ending_before=asked.ending_before,
        newest_first=asked.sort is Sort.DATE_DESC,
    )
    size, after = pages.limit_of(asked.limit), position(asked.next_page)
    key = id_of(customer_id, "customer_id")
    async with api.database.transaction(caller.tenant_id, snapshot=True) as tx:
        customer = await customers.get(tx, caller.tenant_id, key)
        held = {each.id: each for each in await balances.of_customer(tx, caller.tenant_id, key, include_archived=True)}
        units = await credit_types.units(tx, caller.tenant_id)
        found: list[Invoice] = []
        if wanted.status is not InvoiceStatus.DRAFT:
            found += await invoices.page(tx, caller.tenant_id, key, wanted, after, size + 1)
        if wanted.status in {None, InvoiceStatus.DRAFT}:
            found += [each for each in await _drafts(tx, caller.tenant_id, key, api) if _passes(each, wanted, after)]
    found.sort(key=_order, reverse=wanted.newest_first)
    shown, more = pages.cut(found, size)
    views = [invoice_view(each, customer, held, units, skip_zero=asked.skip_zero_qty_line_items) for each in shown]
    return Page(views, pages.encode(pages.Position(*_order(shown[-1]))) if more else None)


@get("/v1/customers/{customer_id:str}/invoices/{invoice_id:str}", guards=[reader])
async def retrieve_invoice(
    request: Request[Any, Any, Any], api: Api, caller: Caller, customer_id: str, invoice_id: str
) -> Data[InvoiceView]:
    """Return one invoice; a draft is rated now."""
    asked = query(request, RetrieveInvoice)
    key, wanted = id_of(customer_id, "customer_id"), id_of(invoice_id, "invoice_id")
    async with api.database.transaction(caller.tenant_id, snapshot=True) as tx:
        customer = await customers.get(tx, caller.tenant_id, key)
        held = {each.id: each for each in await balances.of_customer(tx, caller.tenant_id, key, include_archived=True)}
        units = await credit_types.units(tx, caller.tenant_id)
        invoice = await _kept_or_draft(tx, caller.tenant_id, key, wanted, api)
    return Data(invoice_view(invoice, customer, held, units, skip_zero=asked.skip_zero_qty_line_items))


@get("/v1/customers/{customer_id:str}/invoices/{invoice_id:str}/pdf", guards=[reader])
async def retrieve_invoice_pdf(
    request: Request[Any, Any, Any], api: Api, caller: Caller, customer_id: str, invoice_id: str
) -> Response[bytes]:
    """Return one invoice as PDF; a draft is rated now, and marked as one. The seller is the tenant."""
    zone = _zone(query(request, InvoiceOnPaper).time_zone)
    key, wanted = id_of(customer_id, "customer_id"), id_of(invoice_id, "invoice_id")
    async with api.database.transaction(caller.tenant_id, snapshot=True) as tx:
        customer = await customers.get(tx, caller.tenant_id, key)
        invoice = await _kept_or_draft(tx, caller.tenant_id, key, wanted, api)
        contract = await contracts.get(tx, caller.tenant_id, key, invoice.contract_id)
        seller = await tenants.get(tx, caller.tenant_id)
        units = await credit_types.units(tx, caller.tenant_id)
        relatives = await _relatives(tx, caller.tenant_id, invoice, api)
    content = await asyncio.to_thread(pdf, page(invoice, customer, contract, seller.name, units, relatives, zone))
    named = {"content-disposition": f'inline; filename="invoice-{invoice.id}.pdf"'}
    return Response(content, media_type="application/pdf", headers=named)


@post("/v1/invoices/void", guards=[writer], status_code=200)
async def void(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Void a finalized invoice, for good: what balances paid on it comes back to them."""
    asked = str((await wire.body(request, InvoiceId)).id)
    async with api.database.transaction(caller.tenant_id) as tx:
        with _about_the_id():
            await actions.void(tx, caller.tenant_id, asked, api.clock())
    return Data(Id(asked))


@post("/v1/invoices/regenerate", guards=[writer], status_code=200)
async def regenerate(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Make a void invoice anew, with today's terms and usage, and return the new one's id."""
    asked = str((await wire.body(request, InvoiceId)).id)
    async with api.database.transaction(caller.tenant_id) as tx:
        with _about_the_id():
            made = await actions.regenerate(tx, api.further, caller.tenant_id, asked, api.clock())
    return Data(Id(made.id))


def _zone(name: str) -> tzinfo:
    """Return the zone that the query of a PDF names. Raises `InvalidError` that names the parameter."""
    try:
        return when.zone(name)
    except InvalidError as error:
        fields.refuse(str(error), "time_zone")


@contextmanager
def _about_the_id() -> Iterator[None]:
    """Say that what is refused is the invoice that the body names."""
    try:
        yield
    except InvalidError as error:
        fields.refuse(str(error), "$.id")


async def _kept_or_draft(tx: Connection, tenant_id: int, customer_id: str, invoice_id: str, api: Api) -> Invoice:
    """Return the invoice as it was finalized, or else as it would be if its period ended now."""
    try:
        return await invoices.get(tx, tenant_id, customer_id, invoice_id)
    except NotFoundError:
        for draft in await _drafts(tx, tenant_id, customer_id, api):
            if draft.id == invoice_id:
                return draft
        raise


async def _drafts(tx: Connection, tenant_id: int, customer_id: str, api: Api) -> list[Invoice]:
    """Return the open invoices, rated now, each with the date on which it will be issued."""
    grace = timedelta(hours=api.settings.grace_hours)
    found = await standing(tx, api.further, tenant_id, customer_id, api.clock())
    return [msgspec.structs.replace(each.invoice, issued_at=due_at(each, grace)) for each in found.drafts]


async def _relatives(tx: Connection, tenant_id: int, invoice: Invoice, api: Api) -> Relatives:
    """Return what the paper of an invoice says of others: who pays it, whose statements it repeats, what repeats it."""
    if invoice.payer is None:
        return ALONE
    ids = sorted({invoice.payer.customer_id, *(each.customer_id for each in invoice.constituent_invoices)})
    known = await customers.by_ids(tx, tenant_id, ids)
    agreed = await contracts.of_customers(tx, tenant_id, ids, include_archived=True)
    names = {each.id: each.name for each in known.values()}
    names |= {each.id: each.name for some in agreed.values() for each in some if each.name}
    return Relatives(names, await _is_repeated(tx, tenant_id, invoice, api))


async def _is_repeated(tx: Connection, tenant_id: int, invoice: Invoice, api: Api) -> bool:
    """Whether a consolidated invoice that is not void repeats this one, so that only that is to be paid.

    That of a draft is a draft of its family, which is rated for it once more: only paper asks.
    """
    if invoice.status is not InvoiceStatus.DRAFT:
        return await invoices.repeating(tx, tenant_id, invoice) is not None
    if invoice.type is not InvoiceType.USAGE:
        return False
    found = await standing(tx, api.further, tenant_id, invoice.customer_id, api.clock())
    return any(ref.invoice_id == invoice.id for each in found.of_family for ref in each.invoice.constituent_invoices)


def _order(invoice: Invoice) -> tuple[datetime, str]:
    """Return the key by which invoices are listed."""
    assert invoice.issued_at is not None, "kept invoices and listed drafts have a date of issue"
    return invoice.issued_at, invoice.id


def _passes(invoice: Invoice, wanted: Filter, after: tuple[datetime, str] | None) -> bool:
    """Whether a draft belongs on this page of this list: what `store/invoices.sql, page` asks of kept invoices."""
    at, _ = _order(invoice)
    return (
        wanted.type in {None, invoice.type}
        and wanted.contract_id in {None, invoice.contract_id}
        and wanted.credit_type_id in {None, invoice.credit_type_id}
        and (wanted.starting_on is None or (invoice.start or at) >= wanted.starting_on)
        and (wanted.ending_before is None or (invoice.end or at) <= wanted.ending_before)
        and (after is None or (_order(invoice) < after if wanted.newest_first else _order(invoice) > after))
    )


routes = [list_invoices, retrieve_invoice, retrieve_invoice_pdf, void, regenerate]
