"""GET /v1/credit-types/list: the pricing units (metronome-api.md §4.11)."""

from typing import Any

from litestar import Request, get

from winkel.api import pages
from winkel.api.auth import reader
from winkel.api.requests import Paging, query
from winkel.api.wire import Page
from winkel.model.credit_type import BY_ID, CURRENCIES, CreditType
from winkel.model.errors import InvalidError
from winkel.model.period import EPOCH


@get("/v1/credit-types/list", guards=[reader])
async def list_credit_types(request: Request[Any, Any, Any]) -> Page[CreditType]:
    """List the currencies, US dollars first. They are the same for everybody."""
    asked = query(request, Paging)
    limit, after = pages.limit_of(asked.limit), pages.decode(asked.next_page)
    if after and after.id not in BY_ID:
        raise InvalidError("next_page is not a cursor that this list gave out")
    rest = CURRENCIES[CURRENCIES.index(BY_ID[after.id]) + 1 :] if after else CURRENCIES
    shown, more = pages.cut(rest, limit)
    return Page(shown, pages.encode(pages.Position(EPOCH, shown[-1].id)) if more else None)


routes = [list_credit_types]
