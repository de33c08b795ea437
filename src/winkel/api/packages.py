"""POST /v1/packages/{create,get,list,archive,listContractsOnPackage} (metronome-api.md §4.15)."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from litestar import Request, post
from msgspec import Struct, structs

from winkel.api import fields, pages, templates, wire
from winkel.api.aliases import aliases
from winkel.api.auth import reader, writer
from winkel.api.contracts import agree
from winkel.api.package_terms import NOT_YET, CreatePackage, contract_of, kept, mixes_units
from winkel.api.package_views import package_view, product_ids
from winkel.api.products import ARCHIVED, ArchiveFilter
from winkel.api.requests import Paging, query
from winkel.api.state import Api
from winkel.api.wire import Data, Id, Page
from winkel.model.errors import InvalidError
from winkel.model.package import Package
from winkel.model.period import add_months, hour_number, hour_start, month_start
from winkel.model.tenant import Caller
from winkel.store import packages, products, uniqueness_keys
from winkel.store.contracts import Filter
from winkel.store.database import Connection

PAGE = 10
"""How many packages a page has that asks for no number (metronome-api.md §2)."""
TRIAL_MONTHS = 48
"""From so many starts on a package is tried that counts in days and in months: one of the Februaries is a leap one."""
NOBODY = UUID(int=0)
"""The customer of contracts that are only tried."""


class PackageId(Struct, forbid_unknown_fields=True):
    """The body of get and archive."""

    package_id: UUID


class ListPackages(Struct, forbid_unknown_fields=True):
    """The body of list, which may be absent."""

    archive_filter: ArchiveFilter = ArchiveFilter.NOT_ARCHIVED


class ListContracts(Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of listContractsOnPackage."""

    package_id: UUID
    covering_date: fields.Instant | None = None
    starting_at: fields.Instant | None = None
    include_archived: bool = False


class SoldView(Struct, omit_defaults=True, kw_only=True):
    """A contract of a package on the wire."""

    contract_id: str
    customer_id: str
    starting_at: datetime
    ending_before: datetime | None = None
    archived_at: datetime | None = None


@post("/v1/packages/create", guards=[writer], status_code=200)
async def create(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Make a package, if contracts can be made from it."""
    asked = await fields.body(request, CreatePackage, NOT_YET)
    package = Package(
        id=str(uuid.uuid4()),
        name=asked.name,
        terms=kept(asked),
        created_at=api.clock(),
        created_by=caller.name,
        aliases=aliases(asked.aliases),
        uniqueness_key=asked.uniqueness_key,
    )
    async with api.database.transaction(caller.tenant_id) as tx:
        await _try(tx, caller, package.terms, api.clock())
        await uniqueness_keys.claim(tx, caller.tenant_id, "package", package.uniqueness_key, package.id)
        await packages.insert(tx, caller.tenant_id, package)
    return Data(Id(package.id))


@post("/v1/packages/get", guards=[reader], status_code=200)
async def get(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[dict[str, Any]]:
    """Return one package, archived or not."""
    asked = await wire.body(request, PackageId)
    async with api.database.transaction(caller.tenant_id) as tx:
        package = await packages.get(tx, caller.tenant_id, str(asked.package_id))
        known = await products.by_ids(tx, caller.tenant_id, sorted(product_ids([package])))
    return Data(package_view(package, known))


@post("/v1/packages/list", guards=[reader], status_code=200)
async def list_packages(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Page[dict[str, Any]]:
    """List packages, oldest first."""
    asked, paging = await wire.body(request, ListPackages), query(request, Paging)
    size, after = pages.limit_of(PAGE if paging.limit is None else paging.limit), fields.position(paging.next_page)
    async with api.database.transaction(caller.tenant_id) as tx:
        archived = ARCHIVED[asked.archive_filter]
        found = await packages.page(tx, caller.tenant_id, archived=archived, after=after, limit=size + 1)
        shown, more = pages.cut(found, size)
        known = await products.by_ids(tx, caller.tenant_id, sorted(product_ids(shown)))
    return Page([package_view(each, known) for each in shown], fields.next_page(shown, more))


@post("/v1/packages/archive", guards=[writer], status_code=200)
async def archive(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Archive a package: no new contracts; those that were made from it go on."""
    asked = await wire.body(request, PackageId)
    async with api.database.transaction(caller.tenant_id) as tx:
        await packages.archive(tx, caller.tenant_id, str(asked.package_id), api.clock())
    return Data(Id(str(asked.package_id)))


@post("/v1/packages/listContractsOnPackage", guards=[reader], status_code=200)
async def list_contracts(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Page[SoldView]:
    """List the contracts that were made from a package, oldest first."""
    asked, paging = await wire.body(request, ListContracts), query(request, Paging)
    if asked.covering_date is not None and asked.starting_at is not None:
        fields.refuse("give covering_date or starting_at, not both", "$.covering_date")
    wanted = Filter(
        covering=asked.covering_date and fields.instant(asked.covering_date, "$.covering_date"),
        starting_at=asked.starting_at and fields.instant(asked.starting_at, "$.starting_at"),
        include_archived=asked.include_archived,
    )
    size, after = pages.limit_of(paging.limit), fields.position(paging.next_page)
    async with api.database.transaction(caller.tenant_id) as tx:
        package = await packages.get(tx, caller.tenant_id, str(asked.package_id))
        found = await packages.contracts(tx, caller.tenant_id, package.id, wanted, after, size + 1)
    shown, more = pages.cut(found, size)
    views = [
        SoldView(
            contract_id=each.id,
            customer_id=each.customer_id,
            starting_at=each.starting_at,
            ending_before=each.ending_before,
            archived_at=each.archived_at,
        )
        for each in shown
    ]
    return Page(views, fields.next_page(shown, more))


async def _try(tx: Connection, caller: Caller, terms: Mapping[str, Any], now: datetime) -> None:
    """Agree a contract from these terms as createContract does, without keeping it. Raises `InvalidError`.

    Where days and months are mixed, what comes first may depend on the length of the months: then several starts are
    tried, so that a package does not fail for the first time in February.
    """
    start = hour_start(hour_number(now) + 1)
    try:
        asked = contract_of(terms, start, customer_id=NOBODY)
        first, _, _ = await agree(tx, caller.tenant_id, asked, now, caller.name)
        for month in range(1, TRIAL_MONTHS + 1 if mixes_units(terms) else 1):
            later = contract_of(terms, add_months(month_start(start), month), customer_id=NOBODY)
            card = None if first.rate_card_id is None else UUID(first.rate_card_id)
            later = structs.replace(later, rate_card_id=card, rate_card_alias=None)  # the alias may have ended by then
            await agree(tx, caller.tenant_id, later, now, caller.name)
    except InvalidError as error:
        raise templates.in_template(error) from None


routes = [create, get, list_packages, archive, list_contracts]
