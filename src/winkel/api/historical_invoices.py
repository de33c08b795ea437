"""POST /v1/contracts/createHistoricalInvoices: past invoices from given quantities (metronome-api.md §4.9, §10.2)."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, post
from msgspec import Meta, Struct, structs

from winkel.api import fields
from winkel.api.auth import writer
from winkel.api.invoice_views import InvoiceView, invoice_view
from winkel.api.state import Api
from winkel.api.wire import Data
from winkel.bill import actions
from winkel.bill.actions import Import
from winkel.model.account import Account
from winkel.model.errors import ConflictError, InvalidError, NotFoundError
from winkel.model.invoice import ImportedUsage, Invoice, InvoiceStatus
from winkel.model.period import HOUR, Period
from winkel.model.tenant import Caller
from winkel.model.word import Word
from winkel.store import balances, billing
from winkel.store.database import Connection

INVOICES_MAX = 100
"""The most invoices of one request: all of them are one transaction."""
LINES_MAX = 10_000
NOT_YET = frozenset({"billable_status", "custom_fields"})
"""Fields that the Metronome API has and that Winkel does not know yet."""


class Granularity(Word):
    """How long each subtotal lasts."""

    HOUR = "HOUR"
    DAY = "DAY"


SPAN = {Granularity.HOUR: HOUR, Granularity.DAY: timedelta(days=1)}


class Subtotal(Struct, forbid_unknown_fields=True, kw_only=True):
    """A quantity within the time of a line."""

    inclusive_start_date: fields.Instant
    exclusive_end_date: fields.Instant
    quantity: Decimal


class UsageLine(Struct, forbid_unknown_fields=True, kw_only=True):
    """A quantity of a product and group: one for all of its time, or subtotals."""

    product_id: UUID
    inclusive_start_date: fields.Instant
    exclusive_end_date: fields.Instant
    quantity: Decimal | None = None
    subtotals_with_quantity: list[Subtotal] = []
    pricing_group_values: dict[str, str] = {}
    presentation_group_values: dict[str, str] = {}


class HistoricalInvoice(Struct, forbid_unknown_fields=True, kw_only=True):
    """One past usage statement."""

    customer_id: UUID
    contract_id: UUID
    credit_type_id: UUID
    inclusive_start_date: fields.Instant
    exclusive_end_date: fields.Instant
    issue_date: fields.Instant
    usage_line_items: Annotated[list[UsageLine], Meta(min_length=1, max_length=LINES_MAX)]
    breakdown_granularity: Granularity | None = None


class CreateHistoricalInvoices(Struct, forbid_unknown_fields=True, kw_only=True):
    """The body; with `preview` nothing is stored."""

    invoices: Annotated[list[HistoricalInvoice], Meta(min_length=1, max_length=INVOICES_MAX)]
    preview: bool


@post("/v1/contracts/createHistoricalInvoices", guards=[writer], status_code=200)
async def create_historical_invoices(
    request: Request[Any, Any, Any], api: Api, caller: Caller
) -> Data[list[InvoiceView]]:
    """Make invoices of past billing periods from quantities, all or none; they are final at once."""
    asked = await fields.body(request, CreateHistoricalInvoices, NOT_YET)
    wanted = [_import(each, f"$.invoices[{index}]") for index, each in enumerate(asked.invoices)]
    async with api.database.transaction(caller.tenant_id) as tx:
        views = await _made(tx, api, caller.tenant_id, asked, wanted)
    return Data(views)


async def _made(
    tx: Connection, api: Api, tenant_id: int, asked: CreateHistoricalInvoices, wanted: list[Import]
) -> list[InvoiceView]:
    """Return the invoices in the order in which they were asked for; earlier periods draw balances down first."""
    at = api.clock()
    views: dict[int, InvoiceView] = {}
    customer_ids = sorted({str(each.customer_id) for each in asked.invoices})
    await billing.lock_customer(tx, tenant_id, *customer_ids)  # all at once: one after the other, two might deadlock
    known: dict[str, Account] = {}
    for customer_id in customer_ids:
        first = next(index for index, each in enumerate(asked.invoices) if str(each.customer_id) == customer_id)
        with _about(first, ".customer_id"):
            known[customer_id] = await actions.importing(tx, tenant_id, customer_id, keep=not asked.preview, at=at)
    held = {
        its_id: {each.id: each for each in await balances.of_customer(tx, tenant_id, its_id)} for its_id in customer_ids
    }
    # Of all customers together: those of a family draw on the same balances.
    for index in sorted(range(len(wanted)), key=lambda index: wanted[index].period.end):
        customer_id = str(asked.invoices[index].customer_id)
        account = known[customer_id]
        with _about(index):
            invoice, after = await actions.import_one(
                tx, tenant_id, account, wanted[index], keep=not asked.preview, at=at
            )
        relatives = {each.id for each in account.customers} & set(known)
        known |= {its_id: _with(known[its_id], account, after) for its_id in relatives}
        _check_currency(invoice, asked.invoices[index], index)
        shown = structs.replace(invoice, status=InvoiceStatus.DRAFT) if asked.preview else invoice
        views[index] = invoice_view(shown, account.customer, held[customer_id], account.units)
    return [views[index] for index in range(len(wanted))]


def _with(relative: Account, before: Account, after: Account) -> Account:
    """Return an account with what an import has brought to another one of its family."""
    return structs.replace(
        relative,
        balances=(*relative.balances, *after.balances[len(before.balances) :]),
        kept_balances=relative.kept_balances | after.kept_balances,
        entries=(*relative.entries, *after.entries[len(before.entries) :]),
        invoiced=relative.invoiced | after.invoiced,
        invoiced_items=relative.invoiced_items | after.invoiced_items,
    )


@contextmanager
def _about(index: int, part: str = "") -> Iterator[None]:
    """Say which of the invoices is refused."""
    place = f"$.invoices[{index}]{part}"
    try:
        yield
    except ConflictError as error:
        raise ConflictError(f"{error} - at `{place}`") from None
    except (InvalidError, NotFoundError) as error:
        fields.refuse(str(error), place)


def _check_currency(invoice: Invoice, asked: HistoricalInvoice, index: int) -> None:
    """Raise `InvalidError` unless the invoice is in the currency that was named."""
    if invoice.credit_type_id != str(asked.credit_type_id):
        message = f"the rates of this contract are in {invoice.credit_type_id}"
        fields.refuse(message, f"$.invoices[{index}].credit_type_id")


def _import(asked: HistoricalInvoice, place: str) -> Import:
    """Return what is to be imported. Raises `InvalidError` for times that do not lie within one another."""
    period = _period(asked, place)
    given = [
        one
        for index, line in enumerate(asked.usage_line_items)
        for one in _given(line, asked.breakdown_granularity, period, f"{place}.usage_line_items[{index}]")
    ]
    issued_at = fields.instant(asked.issue_date, f"{place}.issue_date")
    return Import(str(asked.contract_id), period, issued_at, tuple(given))


def _given(line: UsageLine, granularity: Granularity | None, within: Period, place: str) -> Iterator[ImportedUsage]:
    """Yield the quantities of a line: its own, or its subtotals."""
    span = _period(line, place)
    _check_within(span, within, place)
    if (line.quantity is None) != bool(line.subtotals_with_quantity):
        fields.refuse("needs either a quantity or subtotals_with_quantity", place)
    if line.quantity is not None:
        yield _usage(line, span.start, line.quantity, f"{place}.quantity")
    for index, each in enumerate(line.subtotals_with_quantity):
        where = f"{place}.subtotals_with_quantity[{index}]"
        part = _period(each, where)
        _check_within(part, span, where)
        if granularity is not None and part.end - part.start != SPAN[granularity]:
            fields.refuse(f"must last for one {granularity}, the breakdown_granularity", where)
        yield _usage(line, part.start, each.quantity, f"{where}.quantity")


def _usage(line: UsageLine, start: datetime, quantity: Decimal, place: str) -> ImportedUsage:
    return ImportedUsage(
        product_id=str(line.product_id),
        starting_at=start,
        quantity=fields.finite(quantity, place),
        pricing_group_values=line.pricing_group_values,
        presentation_group_values=line.presentation_group_values,
    )


def _period(asked: HistoricalInvoice | UsageLine | Subtotal, place: str) -> Period:
    """Return the time that a part of the body is about."""
    start = fields.hour(asked.inclusive_start_date, f"{place}.inclusive_start_date")
    end = fields.hour(asked.exclusive_end_date, f"{place}.exclusive_end_date")
    if end <= start:
        fields.refuse("must lie after inclusive_start_date", f"{place}.exclusive_end_date")
    return Period(start, end)


def _check_within(part: Period, whole: Period, place: str) -> None:
    if part.start < whole.start or part.end > whole.end:
        fields.refuse("must lie within the time that it is a part of", place)


routes = [create_historical_invoices]
