"""POST /v1/contracts/getSubscriptionSeatsHistory, and what other routes check of seats (metronome-api.md §4.7)."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, post
from msgspec import Meta, Struct

from winkel.api import fields, pages, wire
from winkel.api.auth import reader
from winkel.api.contract_requests import ContractKey
from winkel.api.state import Api
from winkel.api.wire import Page
from winkel.model.contract import Contract
from winkel.model.errors import NotFoundError
from winkel.model.product import Product, ProductType
from winkel.model.rate_card import Rate
from winkel.model.subscription import Subscription
from winkel.model.tenant import Caller
from winkel.rate.offer import kept
from winkel.store import contracts, products
from winkel.store.database import Connection

PAGE = 10
"""The most spans of a page of history (metronome-api.md §2)."""


class GetSeatsHistory(ContractKey, kw_only=True):
    """The body of getSubscriptionSeatsHistory."""

    subscription_id: UUID
    covering_date: fields.Instant | None = None
    starting_at: fields.Instant | None = None
    ending_before: fields.Instant | None = None
    limit: Annotated[int, Meta(ge=1, le=PAGE)] = PAGE
    cursor: str | None = None


class SeatsView(Struct):
    """The seats of a subscription for a time; without an end, for good."""

    starting_at: datetime
    ending_before: datetime | None
    total_quantity: int
    assigned_seat_ids: tuple[str, ...]


@post("/v1/contracts/getSubscriptionSeatsHistory", guards=[reader], status_code=200)
async def get_seats_history(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Page[SeatsView]:
    """Return who has a seat when, the oldest first, those to come too."""
    asked = await wire.body(request, GetSeatsHistory)
    if asked.covering_date is not None and (asked.starting_at is not None or asked.ending_before is not None):
        fields.refuse("cannot be used together with starting_at or ending_before", "$.covering_date")
    async with api.database.transaction(caller.tenant_id, snapshot=True) as tx:
        contract = await contracts.get(tx, caller.tenant_id, str(asked.customer_id), str(asked.contract_id))
    subscription = seated(contract, str(asked.subscription_id), "$.subscription_id")
    after = fields.position(asked.cursor)
    found = [
        each for each in spans(subscription) if _wanted(each, asked) and (after is None or each.starting_at > after[0])
    ]
    shown, more = pages.cut(found, asked.limit)
    cursor = pages.encode(pages.Position(shown[-1].starting_at, subscription.id)) if more else None
    return Page(shown, cursor)


def seated(contract: Contract, subscription_id: str, place: str) -> Subscription:
    """Return a subscription with seats. Raises `NotFoundError`, and `InvalidError` for one with a quantity only."""
    for each in contract.subscriptions:
        if each.id == subscription_id:
            if each.seat_group_key is None:
                fields.refuse("this subscription is not SEAT_BASED: it has a quantity only", place)
            return each
    raise NotFoundError(f"this contract has no subscription {subscription_id}")


def spans(subscription: Subscription) -> Iterator[SeatsView]:
    """Yield the seats for each time in which they stay the same, until the subscription ends."""
    end = subscription.ending_before
    every = [each for each in subscription.seats() if end is None or each.starting_at < end]
    ends = [*(each.starting_at for each in every[1:]), end]
    for each, until in zip(every, ends, strict=True):
        yield SeatsView(each.starting_at, until, each.total, each.assigned)


def _wanted(span: SeatsView, asked: GetSeatsHistory) -> bool:
    """Whether a span covers the date, or any time between the dates, that is asked for."""
    low, high = asked.covering_date or asked.starting_at, asked.covering_date or asked.ending_before
    begins = high is None or span.starting_at <= high
    return begins and (low is None or span.ending_before is None or span.ending_before > low)


async def check_keys(tx: Connection, tenant_id: int, named: Sequence[tuple[str, str]], rates: Sequence[Rate]) -> None:
    """Raise `InvalidError` unless usage of some product on the card tells whose seat it is of (§4.7).

    `named` are group keys, and where the request names them.
    """
    if not named:
        return
    sold = await products.by_ids(tx, tenant_id, sorted({each.product_id for each in rates}))
    keys = {key for each in sold.values() if each.type is ProductType.USAGE for key in _keys(each)}
    for key, place in named:
        if key not in keys:
            fields.refuse(
                "no usage product on the rate card has it among its pricing and presentation group keys", place
            )


def _keys(product: Product) -> Iterator[str]:
    """Yield the keys by which the usage of a product is kept apart, at first and after each change."""
    for state in (product.initial, *(product.at(each.starting_at) for each in product.updates)):
        yield from kept(state)


routes = [get_seats_history]
