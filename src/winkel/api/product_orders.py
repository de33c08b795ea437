"""POST /v1/contract-pricing/rate-cards/{setRateCardProductsOrder,moveRateCardProducts}: the order on invoices.

It is a matter of looks (metronome-api.md §3, rows 109 and 110): what balances pay for first does not depend on it.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from litestar import Request, post
from msgspec import Struct

from winkel.api import fields, wire
from winkel.api.auth import writer
from winkel.api.state import Api
from winkel.api.wire import Data, Id
from winkel.model.rate_card import in_order
from winkel.model.tenant import Caller
from winkel.store import rate_cards
from winkel.store.database import Connection


class SetOrder(Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of setRateCardProductsOrder."""

    rate_card_id: UUID
    product_order: list[UUID]
    """The first products; others of the card come after them, in the order of their first rates."""


class ProductMove(Struct, forbid_unknown_fields=True, kw_only=True):
    """One product and the place that it gets, counted from 0."""

    product_id: UUID
    position: Decimal


class MoveProducts(Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of moveRateCardProducts; moves are made one after the other."""

    rate_card_id: UUID
    product_moves: list[ProductMove]


@post("/v1/contract-pricing/rate-cards/setRateCardProductsOrder", guards=[writer], status_code=200)
async def set_order(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Say in which order a card's products stand on invoices; drafts follow at once."""
    asked = await wire.body(request, SetOrder)
    card_id, wanted = str(asked.rate_card_id), [str(each) for each in asked.product_order]
    async with api.database.transaction(caller.tenant_id) as tx:
        sold = await _sold(tx, caller.tenant_id, card_id)
        for index, each in enumerate(wanted):
            _check(each, sold, f"$.product_order[{index}]")
            if each in wanted[:index]:
                fields.refuse("this product is named twice", f"$.product_order[{index}]")
        await rate_cards.set_order(tx, caller.tenant_id, card_id, wanted)
    return Data(Id(card_id))


@post("/v1/contract-pricing/rate-cards/moveRateCardProducts", guards=[writer], status_code=200)
async def move(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Give some products of a card other places on invoices; drafts follow at once."""
    asked = await wire.body(request, MoveProducts)
    card_id = str(asked.rate_card_id)
    async with api.database.transaction(caller.tenant_id) as tx:
        order = list(await _sold(tx, caller.tenant_id, card_id))
        for index, each in enumerate(asked.product_moves):
            place, product_id = f"$.product_moves[{index}]", str(each.product_id)
            _check(product_id, order, f"{place}.product_id")
            position = fields.whole(each.position, 0, len(order) - 1, f"{place}.position")
            order.remove(product_id)
            order.insert(position, product_id)
        await rate_cards.set_order(tx, caller.tenant_id, card_id, order)
    return Data(Id(card_id))


async def _sold(tx: Connection, tenant_id: int, rate_card_id: str) -> Sequence[str]:
    """Return the products of a card in their order, which nobody else changes now. Raises `NotFoundError`."""
    await rate_cards.lock(tx, tenant_id, rate_card_id)
    return list(in_order(await rate_cards.rates_of(tx, tenant_id, rate_card_id)))


def _check(product_id: str, sold: Sequence[str], place: str) -> None:
    if product_id not in sold:
        fields.refuse("this rate card has no rate of this product", place)


routes = [set_order, move]
