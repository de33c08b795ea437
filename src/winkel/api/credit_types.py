"""/v1/credit-types/…: create, list and archive pricing units (metronome-api.md §4.11; docs/pricing.md)."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from litestar import Request, get, post
from msgspec import Struct

from winkel.api import fields, pages, wire
from winkel.api.auth import reader, writer
from winkel.api.requests import Paging, query
from winkel.api.state import Api
from winkel.api.wire import Data, Id, Page
from winkel.model.credit_type import BY_ID, CURRENCIES, CreditType, Units, code, is_custom
from winkel.model.errors import ConflictError
from winkel.model.tenant import Caller
from winkel.store import credit_types
from winkel.store.database import Connection

_CURRENCIES_AT = datetime(2000, 1, 1, tzinfo=UTC)
"""The place of currencies in the list: before every custom unit."""


class CreateCreditType(Struct, forbid_unknown_fields=True):
    """The body of create."""

    name: fields.Text


class CreditTypeId(Struct, forbid_unknown_fields=True):
    """The body of archive."""

    id: UUID


class CreditTypeView(Struct):
    """A pricing unit as the API shows it (metronome-api.md §10.2)."""

    id: str
    name: str
    is_currency: bool


@post("/v1/credit-types/create", guards=[writer], status_code=200)
async def create(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Make a custom pricing unit. No two units have one name, but that of an archived one is free again."""
    asked = await wire.body(request, CreateCreditType)
    if any(asked.name in {each.name, code(each.id)} for each in CURRENCIES):
        raise ConflictError(f"{asked.name} is a currency: give a custom pricing unit another name")
    unit = CreditType(str(uuid.uuid4()), asked.name, is_currency=False, created_at=api.clock())
    async with api.database.transaction(caller.tenant_id) as tx:
        await credit_types.insert(tx, caller.tenant_id, unit)
    return Data(Id(unit.id))


@get("/v1/credit-types/list", guards=[reader])
async def list_credit_types(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Page[CreditTypeView]:
    """List the currencies, US dollars first, then the custom units that are not archived, oldest first."""
    asked = query(request, Paging)
    size, after = pages.limit_of(asked.limit), fields.position(asked.next_page)
    passed = 0 if after is None else _currencies_until(after[1])
    found = list(CURRENCIES[passed:])
    if len(found) <= size:
        behind = None if after is None or after[1] in BY_ID else after
        async with api.database.transaction(caller.tenant_id) as tx:
            found += await credit_types.page(tx, caller.tenant_id, behind, size + 1)
    shown, more = pages.cut(found, size)
    views = [CreditTypeView(each.id, each.name, each.is_currency) for each in shown]
    return Page(views, pages.encode(pages.Position(*_order(shown[-1]))) if more else None)


@post("/v1/credit-types/archive", guards=[writer], status_code=200)
async def archive(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Archive a custom unit: no new terms can be in it, and no list shows it. Terms that are in it go on."""
    asked = str((await wire.body(request, CreditTypeId)).id)
    if not is_custom(asked):
        fields.refuse("a currency cannot be archived", "$.id")
    async with api.database.transaction(caller.tenant_id) as tx:
        await credit_types.archive(tx, caller.tenant_id, asked, api.clock())
    return Data(Id(asked))


async def check_units(tx: Connection, tenant_id: int, asked: Struct) -> Units:
    """Return the tenant's pricing units. Raises `InvalidError` unless all that a body names may be in new terms."""
    known = await credit_types.units(tx, tenant_id)
    for place, unit_id in _named(asked, "$"):
        if unit_id not in known:
            fields.refuse(f"there is no pricing unit {unit_id}", place)
        if known[unit_id].archived_at is not None:
            fields.refuse(f"the pricing unit {known[unit_id].name!r} is archived", place)
    return known


def _named(asked: object, place: str) -> Iterator[tuple[str, str]]:
    """Yield where which unit is named: the fields credit_type_id and custom_credit_type_id, however deep."""
    if isinstance(asked, Struct):
        for name in asked.__struct_fields__:
            value = getattr(asked, name)
            if name in {"credit_type_id", "custom_credit_type_id"} and isinstance(value, UUID):
                yield f"{place}.{name}", str(value)
            else:
                yield from _named(value, f"{place}.{name}")
    elif isinstance(asked, list | tuple):
        for index, each in enumerate(asked):
            yield from _named(each, f"{place}[{index}]")


def _currencies_until(credit_type_id: str) -> int:
    """Return how many currencies there are up to this unit; behind them come the custom ones."""
    return CURRENCIES.index(BY_ID[credit_type_id]) + 1 if credit_type_id in BY_ID else len(CURRENCIES)


def _order(unit: CreditType) -> tuple[datetime, str]:
    """Return the place of a unit in the list."""
    return unit.created_at or _CURRENCIES_AT, unit.id


routes = [create, list_credit_types, archive]
