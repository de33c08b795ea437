"""POST /v1/contract-pricing/rate-cards/…: create, get, update, list, archive (metronome-api.md §4.6)."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from litestar import Request, post
from msgspec import Struct

from winkel.api import fields, pages, wire
from winkel.api.aliases import AliasIn, aliases
from winkel.api.auth import reader, writer
from winkel.api.credit_types import check_units
from winkel.api.requests import Paging, query
from winkel.api.state import Api
from winkel.api.wire import Data, Id, Page, Ref, credit_type_ref
from winkel.model.alias import Alias, AliasOwner
from winkel.model.credit_type import Units, is_custom
from winkel.model.money import plain
from winkel.model.rate_card import Conversion, RateCard
from winkel.model.tenant import Caller
from winkel.store import aliases as kept
from winkel.store import credit_types, rate_cards


class ConversionIn(Struct, forbid_unknown_fields=True):
    """What a custom pricing unit is worth, in the card's currency as amounts are kept: cents of US dollars."""

    custom_credit_type_id: UUID
    fiat_per_custom_credit: Decimal


class CreateRateCard(Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of create."""

    name: fields.Text
    description: str | None = None
    fiat_credit_type_id: UUID | None = None
    aliases: list[AliasIn] = []
    credit_type_conversions: list[ConversionIn] = []
    custom_fields: fields.CustomFields = {}


class UpdateRateCard(Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of update. `aliases` replaces all names of the card; what is left out stays."""

    rate_card_id: UUID
    name: fields.Text | None = None
    description: str | None = None
    aliases: list[AliasIn] | None = None
    add_credit_type_conversions: list[ConversionIn] = []


class RateCardId(Struct, forbid_unknown_fields=True):
    """The body of get and archive."""

    id: UUID


class ConversionView(Struct):
    """What a custom pricing unit is worth; the number is a string on the wire (metronome-api.md §2)."""

    custom_credit_type: Ref
    fiat_per_custom_credit: str


class RateCardView(Struct, omit_defaults=True, kw_only=True):
    """A rate card as the API shows it (metronome-api.md §10.1)."""

    id: str
    name: str
    created_at: datetime
    created_by: str
    fiat_credit_type: Ref
    aliases: tuple[Alias, ...]
    credit_type_conversions: list[ConversionView]
    custom_fields: dict[str, str]
    description: str | None = None


@post("/v1/contract-pricing/rate-cards/create", guards=[writer], status_code=200)
async def create(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Make a rate card without rates."""
    asked = await wire.body(request, CreateRateCard)
    card = RateCard(
        id=str(uuid.uuid4()),
        name=asked.name,
        description=asked.description,
        created_at=api.clock(),
        created_by=caller.name,
        fiat_credit_type_id=fields.currency(asked.fiat_credit_type_id, "$.fiat_credit_type_id"),
        aliases=aliases(asked.aliases),
        custom_fields=asked.custom_fields,
        credit_type_conversions=_conversions(asked.credit_type_conversions, (), "$.credit_type_conversions"),
    )
    async with api.database.transaction(caller.tenant_id) as tx:
        await check_units(tx, caller.tenant_id, asked)
        await rate_cards.insert(tx, caller.tenant_id, card)
    return Data(Id(card.id))


@post("/v1/contract-pricing/rate-cards/get", guards=[reader], status_code=200)
async def get(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[RateCardView]:
    """Return one rate card, archived or not."""
    asked = await wire.body(request, RateCardId)
    async with api.database.transaction(caller.tenant_id) as tx:
        card = await rate_cards.get(tx, caller.tenant_id, str(asked.id))
        return Data(_view(card, await credit_types.units(tx, caller.tenant_id)))


@post("/v1/contract-pricing/rate-cards/update", guards=[writer], status_code=200)
async def update(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Rename, describe or alias a rate card, or add conversions.

    Contracts that were made with an alias keep their card. A conversion that is there never changes.
    """
    asked = await wire.body(request, UpdateRateCard)
    key = str(asked.rate_card_id)
    async with api.database.transaction(caller.tenant_id) as tx:
        await rate_cards.update(tx, caller.tenant_id, key, name=asked.name, description=asked.description)
        if asked.aliases is not None:
            await kept.replace(tx, caller.tenant_id, AliasOwner.RATE_CARD, key, aliases(asked.aliases))
        if asked.add_credit_type_conversions:
            await check_units(tx, caller.tenant_id, asked)
            card, place = await rate_cards.lock(tx, caller.tenant_id, key), "$.add_credit_type_conversions"
            more = _conversions(asked.add_credit_type_conversions, card.credit_type_conversions, place)
            await rate_cards.add_conversions(tx, caller.tenant_id, key, more)
    return Data(Id(key))


@post("/v1/contract-pricing/rate-cards/list", guards=[reader], status_code=200)
async def list_rate_cards(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Page[RateCardView]:
    """List the rate cards that are not archived, oldest first; the body is any object or none."""
    await wire.body(request, dict[str, Any])
    asked = query(request, Paging)
    size, after = pages.limit_of(asked.limit), fields.position(asked.next_page)
    async with api.database.transaction(caller.tenant_id) as tx:
        found = await rate_cards.page(tx, caller.tenant_id, after, size + 1)
        units = await credit_types.units(tx, caller.tenant_id)
    shown, more = pages.cut(found, size)
    return Page([_view(card, units) for card in shown], fields.next_page(shown, more))


@post("/v1/contract-pricing/rate-cards/archive", guards=[writer], status_code=200)
async def archive(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Archive a rate card: no new contracts and no new rates; contracts that have it keep it."""
    asked = await wire.body(request, RateCardId)
    async with api.database.transaction(caller.tenant_id) as tx:
        await rate_cards.archive(tx, caller.tenant_id, str(asked.id), api.clock())
    return Data(Id(str(asked.id)))


def _conversions(asked: Sequence[ConversionIn], held: Sequence[Conversion], place: str) -> tuple[Conversion, ...]:
    """Return new conversions beside those that a card has.

    Raises `InvalidError` for a currency, a worth of zero, and a unit that has one: what it is worth stands in invoices.
    """
    known = {each.custom_credit_type_id for each in held}
    found = []
    for index, each in enumerate(asked):
        where, unit = f"{place}[{index}]", str(each.custom_credit_type_id)
        if not is_custom(unit):
            fields.refuse("is a currency: only custom pricing units have conversions", f"{where}.custom_credit_type_id")
        if unit in known:
            message = "this unit has a conversion on this card already, which cannot be changed"
            fields.refuse(message, f"{where}.custom_credit_type_id")
        worth = fields.number(each.fiat_per_custom_credit, f"{where}.fiat_per_custom_credit")
        if not worth:
            fields.refuse("must be above zero", f"{where}.fiat_per_custom_credit")
        known.add(unit)
        found.append(Conversion(unit, worth))
    return tuple(found)


def _view(card: RateCard, units: Units) -> RateCardView:
    return RateCardView(
        id=card.id,
        name=card.name,
        description=card.description,
        created_at=card.created_at,
        created_by=card.created_by,
        fiat_credit_type=credit_type_ref(card.fiat_credit_type_id),
        aliases=card.aliases,
        credit_type_conversions=[
            ConversionView(
                credit_type_ref(each.custom_credit_type_id, units), f"{plain(each.fiat_per_custom_credit):f}"
            )
            for each in card.credit_type_conversions
        ],
        custom_fields=card.custom_fields,
    )


routes = [create, get, update, list_rate_cards, archive]
