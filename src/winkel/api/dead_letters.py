"""GET /winkel/v1/dead-letters, and what to do about them: events that were accepted and could not be counted."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any

from litestar import Request, Response, get, post
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from winkel.api import auth, pages
from winkel.api.fields import Instant
from winkel.api.pages import Position
from winkel.api.requests import Paging, query
from winkel.api.state import Api
from winkel.api.wire import Data, JsonResponse, Page, body
from winkel.letters import actions
from winkel.log.log import Log
from winkel.model.errors import InvalidError, NotFoundError
from winkel.model.tenant import Caller
from winkel.store import dead_letters, shards
from winkel.store.database import Connection
from winkel.store.dead_letters import Filter, StoredDeadLetter


class ShownDeadLetter(Struct):
    """A dead letter, with what is left of the event as text."""

    id: str
    topic: str
    partition: int
    offset: int
    index: int
    events: int
    reason: str
    detail: str
    metric_id: str | None
    transaction_id: str | None
    payload: str
    at: datetime
    attempts: int
    note: str
    resolved_at: datetime | None
    resolution: str | None


class Listing(Paging):
    """Which dead letters to list."""

    reason: str | None = None
    since: Instant | None = None
    resolved: bool | None = None


class Retry(Struct, forbid_unknown_fields=True):
    """Which letter to retry, and with what instead: an event, or for a whole record an array of events."""

    id: str
    correction: Raw | UnsetType = UNSET


class Discard(Struct, forbid_unknown_fields=True):
    """Which letter to discard, and why."""

    id: str
    because: Annotated[str, Meta(min_length=1, max_length=actions.REASON_MAX)]


@get("/winkel/v1/dead-letters", guards=[auth.reader])
async def newest(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Response[Any]:
    """List events that were accepted and could not be counted, and why, the newest first."""
    asked = query(request, Listing)
    count, position = pages.limit_of(asked.limit), pages.decode(asked.next_page)
    if position and not (position.id.isascii() and position.id.isdigit() and len(position.id) < 19):
        raise InvalidError("next_page is not a cursor that this list gave out")
    where = Filter(reason=asked.reason, since=asked.since, resolved=asked.resolved)
    before = (position.at, position.id) if position else None
    async with (
        api.database.transaction(caller.tenant_id) as tx,
        shards.reading(tx, api.further, caller.tenant_id) as reader,
    ):
        found = await reader.dead_letters(where, before=before, limit=count + 1)
    letters, more = pages.cut(found, count)
    following = pages.encode(Position(letters[-1].at, letters[-1].id)) if more else None
    return JsonResponse(Page([_shown(each) for each in letters], following))


@get("/winkel/v1/dead-letters/{letter_id:str}", guards=[auth.reader])
async def one(api: Api, caller: Caller, letter_id: str) -> Response[Any]:
    """Show one dead letter."""
    async with _where_it_is(api, caller.tenant_id, letter_id) as (tx, _):
        letter = await dead_letters.find(tx, caller.tenant_id, letter_id)
    return JsonResponse(Data(_shown(letter)))


@post("/winkel/v1/dead-letters/retry", status_code=200, guards=[auth.admin])
async def retry(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Response[Any]:
    """Count a dead letter after all, perhaps corrected; the answer says whether it worked, and if not, why it stays."""
    asked = await body(request, Retry)

    async def log() -> Log:
        return api.log

    async with _where_it_is(api, caller.tenant_id, asked.id) as (tx, home):
        outcome = await actions.retry(
            tx,
            home,
            log,
            caller.tenant_id,
            asked.id,
            at=api.clock(),
            correction=None if asked.correction is UNSET else bytes(asked.correction),
        )
    return JsonResponse(Data(outcome))


@post("/winkel/v1/dead-letters/discard", status_code=200, guards=[auth.admin])
async def discard(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Response[Any]:
    """Close a dead letter without counting it."""
    asked = await body(request, Discard)
    async with _where_it_is(api, caller.tenant_id, asked.id) as (tx, _):
        await actions.discard(tx, caller.tenant_id, asked.id, because=asked.because, at=api.clock())
        letter = await dead_letters.find(tx, caller.tenant_id, asked.id)
    return JsonResponse(Data(_shown(letter)))


@asynccontextmanager
async def _where_it_is(api: Api, tenant_id: int, letter_id: str) -> AsyncIterator[tuple[Connection, Connection]]:
    """Lend a transaction in the database that has a letter, and one in the home database; often they are the same."""
    async with api.database.transaction(tenant_id) as home:
        number = dead_letters.database_of(letter_id)
        if number == 0:
            yield home, home
            return
        if number > len(api.further):
            raise NotFoundError(f"there is no dead letter {letter_id}")
        async with api.further[number - 1].transaction(tenant_id) as tx:
            yield tx, home


def _shown(letter: StoredDeadLetter) -> ShownDeadLetter:
    fields = {name: getattr(letter, name) for name in ShownDeadLetter.__struct_fields__}
    return ShownDeadLetter(**{**fields, "payload": letter.payload.decode(errors="replace")})


routes = [newest, one, retry, discard]
