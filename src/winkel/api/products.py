"""/v1/contract-pricing/products: create, get, update, list, archive (metronome-api.md §4.5)."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from litestar import Request, post
from msgspec import UNSET, Struct, UnsetType, structs

from winkel.api import fields, filter_checks, pages, wire
from winkel.api.auth import reader, writer
from winkel.api.requests import Paging, query
from winkel.api.state import Api
from winkel.api.wire import Data, Id, Page
from winkel.model.errors import InvalidError
from winkel.model.metric import BillableMetric
from winkel.model.money import QUOTIENT_PLACES
from winkel.model.product import (
    Product,
    ProductState,
    ProductType,
    ProductUpdate,
    QuantityConversion,
    QuantityRounding,
    RoundingMethod,
)
from winkel.model.tenant import Caller
from winkel.model.word import Word
from winkel.store import metrics, products, rate_cards
from winkel.store.database import Connection

NOT_YET = ("sql_breakdown_granularity",)

Tags = tuple[fields.Text, ...]


class OfType(Struct):
    """The one part of a body that is read before the rest."""

    type: str


class RoundingIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """How a quantity is rounded."""

    decimal_places: Decimal
    rounding_method: RoundingMethod


class CreateProduct(Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of create."""

    name: fields.Text
    type: ProductType
    billable_metric_id: UUID | None = None
    pricing_group_key: Tags | None = None
    presentation_group_key: Tags | None = None
    quantity_conversion: QuantityConversion | None = None
    quantity_rounding: RoundingIn | None = None
    tags: Tags = ()
    is_refundable: bool | None = None
    netsuite_internal_item_id: str | None = None
    netsuite_overage_item_id: str | None = None
    composite_product_ids: tuple[UUID, ...] | None = None
    composite_tags: Tags | None = None
    exclude_free_usage: bool | None = None
    include_composite_spend: bool | None = None
    custom_fields: fields.CustomFields = {}


class UpdateProduct(Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of update: what is left out stays, null takes away."""

    product_id: UUID
    starting_at: fields.Instant
    name: fields.Text | UnsetType = UNSET
    billable_metric_id: UUID | UnsetType = UNSET
    pricing_group_key: Tags | None | UnsetType = UNSET
    presentation_group_key: Tags | None | UnsetType = UNSET
    quantity_conversion: QuantityConversion | None | UnsetType = UNSET
    quantity_rounding: RoundingIn | None | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    is_refundable: bool | None | UnsetType = UNSET
    netsuite_internal_item_id: str | None | UnsetType = UNSET
    netsuite_overage_item_id: str | None | UnsetType = UNSET
    composite_product_ids: tuple[UUID, ...] | None | UnsetType = UNSET
    composite_tags: Tags | None | UnsetType = UNSET
    exclude_free_usage: bool | None | UnsetType = UNSET
    include_composite_spend: bool | None | UnsetType = UNSET


class GetProduct(Struct, forbid_unknown_fields=True):
    """The body of get."""

    id: UUID


class ArchiveProduct(Struct, forbid_unknown_fields=True):
    """The body of archive."""

    product_id: UUID


class ArchiveFilter(Word):
    """Which products, or packages, a list shows."""

    ARCHIVED = "ARCHIVED"
    NOT_ARCHIVED = "NOT_ARCHIVED"
    ALL = "ALL"


ARCHIVED = {ArchiveFilter.ARCHIVED: True, ArchiveFilter.NOT_ARCHIVED: False, ArchiveFilter.ALL: None}


class ListProducts(Struct, forbid_unknown_fields=True):
    """The body of list, which may be absent."""

    archive_filter: ArchiveFilter = ArchiveFilter.NOT_ARCHIVED


class ProductView(Struct, kw_only=True):
    """A product as get and list show it: as it began, as it is now, and every change (metronome-api.md §10.1)."""

    id: str
    type: ProductType
    initial: ProductState
    current: ProductState
    updates: tuple[ProductUpdate, ...]
    custom_fields: dict[str, str]
    archived_at: datetime | None


def view(product: Product, at: datetime) -> ProductView:
    """Return the product as it is shown at the instant."""
    return ProductView(
        id=product.id,
        type=product.type,
        initial=product.initial,
        current=product.at(at),
        updates=product.updates,
        custom_fields=product.custom_fields,
        archived_at=product.archived_at,
    )


@post("/v1/contract-pricing/products/create", status_code=200, guards=[writer])
async def create(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Create a product, which rates and balances can name from now on."""
    _refuse_type((await wire.body(request, OfType)).type)
    asked = await fields.body(request, CreateProduct, NOT_YET)
    state = ProductState(
        name=asked.name,
        created_at=api.clock(),
        created_by=caller.name,
        billable_metric_id=str(asked.billable_metric_id) if asked.billable_metric_id else None,
        pricing_group_key=asked.pricing_group_key,
        presentation_group_key=asked.presentation_group_key,
        quantity_conversion=asked.quantity_conversion,
        quantity_rounding=_rounding(asked.quantity_rounding),
        tags=asked.tags,
        is_refundable=asked.is_refundable,
        netsuite_internal_item_id=asked.netsuite_internal_item_id,
        netsuite_overage_item_id=asked.netsuite_overage_item_id,
        composite_product_ids=_ids(asked.composite_product_ids),
        composite_tags=asked.composite_tags,
        exclude_free_usage=asked.exclude_free_usage,
        include_composite_spend=asked.include_composite_spend,
    )
    product = Product(id=str(uuid.uuid4()), type=asked.type, initial=state, custom_fields=asked.custom_fields)
    async with api.database.transaction(caller.tenant_id) as tx:
        await _check(tx, caller.tenant_id, asked.type, [state], state.billable_metric_id)
        await products.insert(tx, caller.tenant_id, product)
    return Data(Id(product.id))


@post("/v1/contract-pricing/products/update", status_code=200, guards=[writer])
async def update(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Schedule a change of a product; in the past it applies to drafts too."""
    asked = await fields.body(request, UpdateProduct, NOT_YET)
    change = _change(asked, api.clock(), caller.name)
    async with api.database.transaction(caller.tenant_id) as tx:
        product = await products.lock(tx, caller.tenant_id, str(asked.product_id))
        changed = structs.replace(product, updates=(*product.updates, change))
        named = change.billable_metric_id or None
        await _check(tx, caller.tenant_id, product.type, _states_from(changed, change.starting_at), named)
        cards = await rate_cards.lock_selling(tx, caller.tenant_id, product.id)
        try:
            await filter_checks.check_sold(tx, caller.tenant_id, changed, cards, change.starting_at)
        except InvalidError as error:
            raise InvalidError(f"contracts that this product is sold to filter usage: {error}") from None
        await products.add_update(tx, caller.tenant_id, product.id, change)
    return Data(Id(product.id))


@post("/v1/contract-pricing/products/get", status_code=200, guards=[reader])
async def retrieve(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[ProductView]:
    """Return one product, archived or not."""
    asked = await wire.body(request, GetProduct)
    async with api.database.transaction(caller.tenant_id) as tx:
        return Data(view(await products.get(tx, caller.tenant_id, str(asked.id)), api.clock()))


@post("/v1/contract-pricing/products/list", status_code=200, guards=[reader])
async def list_products(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Page[ProductView]:
    """List products, oldest first."""
    asked, paging = await wire.body(request, ListProducts), query(request, Paging)
    limit, after = pages.limit_of(paging.limit), fields.position(paging.next_page)
    archived = ARCHIVED[asked.archive_filter]
    async with api.database.transaction(caller.tenant_id) as tx:
        found = await products.page(tx, caller.tenant_id, limit=limit + 1, after=after, archived=archived)
    shown, more = pages.cut(found, limit)
    cursor = pages.encode(pages.Position(shown[-1].initial.created_at, shown[-1].id)) if more else None
    return Page([view(each, api.clock()) for each in shown], cursor)


@post("/v1/contract-pricing/products/archive", status_code=200, guards=[writer])
async def archive(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Archive a product for good; rates that have it go on."""
    asked = await wire.body(request, ArchiveProduct)
    async with api.database.transaction(caller.tenant_id) as tx:
        await products.archive(tx, caller.tenant_id, str(asked.product_id), api.clock())
    return Data(Id(str(asked.product_id)))


def _refuse_type(name: str) -> None:
    """Raise `InvalidError` for a type that is not ours, and say which are."""
    ours = " and ".join(each.value for each in ProductType)
    if name.upper() not in ProductType.__members__:
        fields.refuse(f"there is no product type {name[:60]!r}; there are {ours}", "$.type")


def _change(asked: UpdateProduct, at: datetime, by: str) -> ProductUpdate:
    """Return the scheduled change that was asked for."""
    values = {name: value for name, value in structs.asdict(asked).items() if value is not UNSET}
    del values["product_id"]
    values["starting_at"] = fields.hour(asked.starting_at, "$.starting_at")
    if asked.billable_metric_id is not UNSET:
        values["billable_metric_id"] = str(asked.billable_metric_id)
    if asked.composite_product_ids is not UNSET:
        values["composite_product_ids"] = _ids(asked.composite_product_ids)
    if asked.quantity_rounding is not UNSET:
        values["quantity_rounding"] = _rounding(asked.quantity_rounding)
    return ProductUpdate(created_at=at, created_by=by, **values)


def _rounding(asked: RoundingIn | None) -> QuantityRounding | None:
    if asked is None:
        return None
    places = fields.whole(asked.decimal_places, 0, QUOTIENT_PLACES, "$.quantity_rounding.decimal_places")
    return QuantityRounding(places, asked.rounding_method)


def _ids(asked: Sequence[UUID] | None) -> tuple[str, ...] | None:
    return None if asked is None else tuple(str(each) for each in asked)


def _states_from(product: Product, instant: datetime) -> list[ProductState]:
    """Return the terms that hold at the instant and after each change that comes later."""
    return [product.at(at) for at in sorted({each.starting_at for each in product.updates}) if at >= instant]


async def _check(
    tx: Connection, tenant_id: int, kind: ProductType, states: Sequence[ProductState], named: str | None
) -> None:
    """Raise `InvalidError` unless all states are possible for the type and the metric just named can be used."""
    ids = {state.billable_metric_id for state in states if state.billable_metric_id}
    found = await metrics.by_ids(tx, tenant_id, ids)
    if named is not None:
        _check_live(found.get(named), named)
    composed = {each for state in states for each in state.composite_product_ids or ()}
    for missing in sorted(composed - set(await products.by_ids(tx, tenant_id, composed))):
        fields.refuse(f"there is no product {missing}", "$.composite_product_ids")
    for state in states:
        state.check(kind, found[state.billable_metric_id] if state.billable_metric_id else None)


def _check_live(metric: BillableMetric | None, metric_id: str) -> None:
    """Raise `InvalidError` for a metric that does not exist here or is archived: no new product may use it."""
    if metric is None:
        fields.refuse(f"there is no billable metric {metric_id}", "$.billable_metric_id")
    if metric.archived_at is not None:
        fields.refuse(f"the billable metric {metric_id} is archived", "$.billable_metric_id")


routes = [create, update, retrieve, list_products, archive]
