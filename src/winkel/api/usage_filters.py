"""Usage filters of contracts: POST /v1/contracts/setUsageFilter, and their part of create (metronome-api.md §4.7)."""

from collections.abc import Iterable
from datetime import datetime
from itertools import zip_longest
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, post
from msgspec import Meta, Struct

from winkel.api import commits, fields, wire
from winkel.api.auth import writer
from winkel.api.state import Api
from winkel.bill.draft import group_key_index
from winkel.model.contract import Contract, UsageFilter
from winkel.model.errors import InvalidError
from winkel.model.product import Product, ProductType
from winkel.model.tenant import Caller
from winkel.store import contracts, metrics, products, rate_cards
from winkel.store.database import Connection

VALUES_MAX = 1000
"""The most values of one filter."""


class UsageFilterIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which usage counts; without `starting_at` from the contract's start."""

    group_key: fields.Text
    group_values: Annotated[list[str], Meta(min_length=1, max_length=VALUES_MAX)]
    starting_at: fields.Instant | None = None


class SetUsageFilter(Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of setUsageFilter."""

    customer_id: UUID
    contract_id: UUID
    group_key: fields.Text
    group_values: Annotated[list[str], Meta(min_length=1, max_length=VALUES_MAX)]
    starting_at: fields.Instant


class UsageFilterView(Struct, omit_defaults=True, kw_only=True):
    """A usage filter on the wire."""

    group_key: str
    group_values: tuple[str, ...]
    starting_at: datetime
    ending_before: datetime | None = None


class UsageFiltersV1View(Struct, omit_defaults=True, kw_only=True):
    """The usage filters of a contract in the shape of V1."""

    initial: UsageFilterView
    updates: list[UsageFilterView]
    current: UsageFilterView | None = None


@post("/v1/contracts/setUsageFilter", guards=[writer], status_code=200)
async def set_usage_filter(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Response[Any]:
    """Filter the usage of a contract from an instant on; drafts follow at once."""
    asked = await wire.body(request, SetUsageFilter)
    made = UsageFilter(asked.group_key, tuple(asked.group_values), fields.hour(asked.starting_at, "$.starting_at"))
    async with api.database.transaction(caller.tenant_id) as tx:
        await commits.open_customer(tx, caller.tenant_id, str(asked.customer_id))
        contract = await contracts.get(tx, caller.tenant_id, str(asked.customer_id), str(asked.contract_id))
        if contract.archived_at is not None:
            fields.refuse("this contract is archived", "$.contract_id")
        await check(tx, caller.tenant_id, contract.rate_card_id, made, "$")
        await contracts.add_usage_filter(tx, caller.tenant_id, contract.id, made)
    return wire.empty()


def usage_filter(asked: UsageFilterIn, start: datetime, place: str) -> UsageFilter:
    """Return the filter of a new contract that starts then. Raises `InvalidError`."""
    since = start if asked.starting_at is None else fields.hour(asked.starting_at, f"{place}.starting_at")
    return UsageFilter(asked.group_key, tuple(asked.group_values), since)


async def check(tx: Connection, tenant_id: int, rate_card_id: str | None, made: UsageFilter, place: str) -> None:
    """Raise `InvalidError` unless the metrics of all products on the card know the key that is filtered by."""
    if rate_card_id is None:
        return
    card = (await rate_cards.rates(tx, tenant_id, [rate_card_id]))[rate_card_id]
    sold = await products.by_ids(tx, tenant_id, sorted({each.product_id for each in card}))
    named = {state.billable_metric_id for each in sold.values() for state in _states(each)}
    known = await metrics.by_ids(tx, tenant_id, sorted(each for each in named if each is not None))
    for product in sold.values():
        for state in _states(product):
            if product.type is ProductType.USAGE and state.billable_metric_id is not None:
                try:
                    group_key_index(known[state.billable_metric_id], state, [made.group_key])
                except InvalidError as error:
                    fields.refuse(str(error), f"{place}.group_key")


def _states(product: Product) -> Iterable[Any]:
    """Return the terms of a product at first and after each change."""
    return [product.initial, *(product.at(each.starting_at) for each in product.updates)]


def filter_views(contract: Contract) -> list[UsageFilterView]:
    """Return the usage filters of a contract for the wire, by time."""
    every = contract.filters()
    return [
        UsageFilterView(
            group_key=each.group_key,
            group_values=each.group_values,
            starting_at=each.starting_at,
            ending_before=following.starting_at if following else None,
        )
        for each, following in zip_longest(every, every[1:])
    ]


def filters_v1(contract: Contract, at: datetime) -> UsageFiltersV1View | None:
    """Return the usage filters of a contract in the shape of V1, with the one that holds at the instant."""
    every = filter_views(contract)
    if not every:
        return None
    begun = [each for each in every if each.starting_at <= at]
    return UsageFiltersV1View(initial=every[0], updates=every[1:], current=begun[-1] if begun else None)


routes = [set_usage_filter]
