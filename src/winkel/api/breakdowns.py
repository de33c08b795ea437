"""GET /v1/customers/{id}/invoices/breakdowns: usage invoices by hour or day (metronome-api.md §4.9, §10.2)."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from litestar import Request, get
from msgspec import Struct, structs

from winkel.api import pages
from winkel.api.auth import reader
from winkel.api.fields import Instant, instant
from winkel.api.invoice_views import InvoiceView, invoice_view
from winkel.api.invoices import Sort
from winkel.api.pages import Position
from winkel.api.parse import id_of, text_of
from winkel.api.requests import Paging, query
from winkel.api.state import Api
from winkel.api.wire import Page
from winkel.bill.actions import breakdowns, whole
from winkel.bill.breakdown import Window
from winkel.bill.statement import statements
from winkel.meter.windows import HOURS_A_DAY, WindowSize, spans
from winkel.model.account import Account
from winkel.model.commit import Balance
from winkel.model.errors import InvalidError
from winkel.model.invoice import InvoiceStatus
from winkel.model.period import EPOCH, HOUR, Period, hour_number, hour_start
from winkel.model.tenant import Caller
from winkel.store import accounts, balances

WINDOWS_MAX = {WindowSize.DAY: 35, WindowSize.HOUR: HOURS_A_DAY}
"""The most windows of one page (metronome-api.md §4.9); the cursor goes on after them."""


class ListBreakdowns(Paging, kw_only=True, forbid_unknown_fields=True):
    """The query of the list."""

    starting_on: Instant
    ending_before: Instant
    window_size: WindowSize = WindowSize.DAY
    status: InvoiceStatus | None = None
    credit_type_id: UUID | None = None
    sort: Sort = Sort.DATE_ASC
    skip_zero_qty_line_items: bool = False


class BreakdownView(InvoiceView, kw_only=True):
    """An invoice with what one window of time has of its lines."""

    breakdown_start_timestamp: datetime
    breakdown_end_timestamp: datetime


class _Place(Struct, frozen=True):
    """Where a page begins: in the window of this hour, behind one of its invoices or, with "", before all of them."""

    hour: int
    after: str


@get("/v1/customers/{customer_id:str}/invoices/breakdowns", guards=[reader])
async def list_breakdowns(
    request: Request[Any, Any, Any], api: Api, caller: Caller, customer_id: str
) -> Page[BreakdownView]:
    """List the windows in order of time, and in each of them, by id, the usage invoices whose period it meets.

    A page has at most `WINDOWS_MAX` windows, and may have fewer rows than `limit`: its cursor goes on behind them.
    """
    asked, key, at = query(request, ListBreakdowns), id_of(customer_id, "customer_id"), api.clock()
    limit, place = pages.limit_of(asked.limit), _place(asked.next_page)
    _check(asked)
    async with api.database.transaction(caller.tenant_id, snapshot=True) as tx:
        every = whole(await accounts.load(tx, caller.tenant_id, key, include_archived=True), at)
        account = every
        if any(each.archived_at for each in every.contracts):  # drafts follow from what is live, as everywhere
            account = whole(await accounts.load(tx, caller.tenant_id, key), at)
        kept = await balances.of_customer(tx, caller.tenant_id, key, include_archived=True)
        held = {each.id: each for each in (*kept, *every.balances, *account.balances)}
        low, high, beyond = _hours(asked, _extent(asked, every, at), place)
        windows = [Period(hour_start(start), hour_start(end)) for start, end in spans(asked.window_size, low, high)]
        found: list[Window] = []
        if windows:
            grace = timedelta(hours=api.settings.grace_hours)
            found = await breakdowns(tx, api.further, caller.tenant_id, account, every, windows, grace=grace, at=at)
    rows = [_view(each, account, held, asked) for each in _in_order(found, asked, place)]
    rows = [row for row in rows if row.line_items or not asked.skip_zero_qty_line_items]
    shown, more = pages.cut(rows, limit)
    if more:
        return Page(shown, _cursor(hour_number(shown[-1].breakdown_start_timestamp), shown[-1].id))
    return Page(shown, None if beyond is None else _cursor(beyond, ""))


def _check(asked: ListBreakdowns) -> None:
    """Raise `InvalidError` for what nothing can be shown of."""
    instant(asked.starting_on, "starting_on")
    if instant(asked.ending_before, "ending_before") <= asked.starting_on:
        raise InvalidError("ending_before must lie after starting_on")
    if asked.window_size is WindowSize.NONE:
        raise InvalidError("window_size must be HOUR or DAY")
    if asked.status is InvoiceStatus.VOID:
        raise InvalidError("a void invoice has no breakdown: status may be DRAFT or FINALIZED")


def _extent(asked: ListBreakdowns, account: Account, at: datetime) -> tuple[int, int]:
    """Return the hours of the whole windows that were asked for, as far as there may be invoices."""
    step = _step(asked)
    own = account.customer.id
    first = min((each.starting_at for each in account.contracts if each.customer_id == own), default=at)
    open_ones = [each for each in statements(account, at) if each.contract.customer_id == own]
    last = max([at, *(each.period.end for each in open_ones)])
    low = max(_first(asked.starting_on, step), hour_number(first) // step * step)
    high = min(hour_number(asked.ending_before) // step * step, _first(last, step))
    return low, max(low, high)


def _hours(asked: ListBreakdowns, extent: tuple[int, int], place: _Place | None) -> tuple[int, int, int | None]:
    """Return the hours of the windows of a page, and the hour of the window in which the next page begins, if any."""
    (low, high), step = extent, _step(asked)
    most = step * WINDOWS_MAX[asked.window_size]
    here = None if place is None else place.hour // step * step
    if asked.sort is Sort.DATE_ASC:
        start = low if here is None else min(max(low, here), high)
        end = min(start + most, high)
        return start, end, end if end < high else None
    end = high if here is None else max(min(high, here + step), low)
    start = max(end - most, low)
    return start, end, start - step if start > low else None


def _step(asked: ListBreakdowns) -> int:
    return 1 if asked.window_size is WindowSize.HOUR else HOURS_A_DAY


def _first(moment: datetime, step: int) -> int:
    """Return the first hour at or after the instant at which a window begins."""
    return -((EPOCH - moment) // (step * HOUR)) * step


def _in_order(found: Sequence[Window], asked: ListBreakdowns, place: _Place | None) -> list[Window]:
    """Return the rows that were asked for, those of earlier pages left out."""
    back = asked.sort is Sort.DATE_DESC
    rows = [
        each
        for each in found
        if asked.status in {None, each.invoice.status}
        and text_of(asked.credit_type_id) in {None, each.invoice.credit_type_id}
        and not (place and _before(each, place, back=back))
    ]
    return sorted(rows, key=lambda each: (each.period.start, each.invoice.id), reverse=back)


def _before(row: Window, place: _Place, *, back: bool) -> bool:
    """Whether a row was on an earlier page."""
    if hour_number(row.period.start) != place.hour or not place.after:
        return False
    return row.invoice.id >= place.after if back else row.invoice.id <= place.after


def _view(row: Window, account: Account, held: Mapping[str, Balance], asked: ListBreakdowns) -> BreakdownView:
    """Return a row for the wire."""
    shown = invoice_view(row.invoice, account.customer, held, account.units, skip_zero=asked.skip_zero_qty_line_items)
    return BreakdownView(
        **structs.asdict(shown),
        breakdown_start_timestamp=row.period.start,
        breakdown_end_timestamp=row.period.end,
    )


def _cursor(hour: int, after: str) -> str:
    return pages.encode(Position(hour_start(hour), after))


def _place(cursor: str | None) -> _Place | None:
    position = pages.decode(cursor)
    if position is None:
        return None
    return _Place(hour_number(instant(position.at, "next_page")), position.id and id_of(position.id, "next_page"))


routes = [list_breakdowns]
