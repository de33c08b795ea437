"""POST /v1/contract-pricing/rate-cards/…: create, get, update, list, archive (metronome-api.md §4.6)."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from litestar import Request, post
from msgspec import Struct

from winkel.api import fields, pages, wire
from winkel.api.aliases import AliasIn, aliases
from winkel.api.auth import reader, writer
from winkel.api.state import Api
from winkel.api.wire import Data, Id, Page, Ref, credit_type_ref
from winkel.model.errors import InvalidError
from winkel.model.rate_card import Alias, RateCard
from winkel.model.tenant import Caller
from winkel.store import rate_cards


class CreateRateCard(Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of create."""

    name: fields.Text
    description: str | None = None
    fiat_credit_type_id: UUID | None = None
    aliases: list[AliasIn] = []
    credit_type_conversions: list[Any] = []
    custom_fields: fields.CustomFields = {}


class UpdateRateCard(Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of update. `aliases` replaces all names of the card; what is left out stays."""

    rate_card_id: UUID
    name: fields.Text | None = None
    description: str | None = None
    aliases: list[AliasIn] | None = None
    add_credit_type_conversions: list[Any] = []


class RateCardId(Struct, forbid_unknown_fields=True):
    """The body of get and archive."""

    id: UUID


class RateCardView(Struct, omit_defaults=True, kw_only=True):
    """A rate card as the API shows it (metronome-api.md §10.1)."""

    id: str
    name: str
    created_at: datetime
    created_by: str
    fiat_credit_type: Ref
    aliases: tuple[Alias, ...]
    credit_type_conversions: tuple[()]
    custom_fields: dict[str, str]
    description: str | None = None


@post("/v1/contract-pricing/rate-cards/create", guards=[writer], status_code=200)
async def create(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Make a rate card without rates."""
    asked = await wire.body(request, CreateRateCard)
    _no_conversions(asked.credit_type_conversions)
    card = RateCard(
        id=str(uuid.uuid4()),
        name=asked.name,
        description=asked.description,
        created_at=api.clock(),
        created_by=caller.name,
        fiat_credit_type_id=fields.currency(asked.fiat_credit_type_id, "$.fiat_credit_type_id"),
        aliases=aliases(asked.aliases),
        custom_fields=asked.custom_fields,
    )
    async with api.database.transaction(caller.tenant_id) as tx:
        await rate_cards.insert(tx, caller.tenant_id, card)
    return Data(Id(card.id))


@post("/v1/contract-pricing/rate-cards/get", guards=[reader], status_code=200)
async def get(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[RateCardView]:
    """Return one rate card, archived or not."""
    asked = await wire.body(request, RateCardId)
    async with api.database.transaction(caller.tenant_id) as tx:
        return Data(_view(await rate_cards.get(tx, caller.tenant_id, str(asked.id))))


@post("/v1/contract-pricing/rate-cards/update", guards=[writer], status_code=200)
async def update(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Rename, describe or alias a rate card; contracts that were made with an alias keep their card."""
    asked = await wire.body(request, UpdateRateCard)
    _no_conversions(asked.add_credit_type_conversions)
    key = str(asked.rate_card_id)
    async with api.database.transaction(caller.tenant_id) as tx:
        await rate_cards.update(tx, caller.tenant_id, key, name=asked.name, description=asked.description)
        if asked.aliases is not None:
            await rate_cards.set_aliases(tx, caller.tenant_id, key, aliases(asked.aliases))
    return Data(Id(key))


@post("/v1/contract-pricing/rate-cards/list", guards=[reader], status_code=200)
async def list_rate_cards(
    request: Request[Any, Any, Any], api: Api, caller: Caller, limit: int | None = None, next_page: str | None = None
) -> Page[RateCardView]:
    """List the rate cards that are not archived, oldest first; the body is any object or none."""
    await wire.body(request, dict[str, Any])
    size, after = pages.limit_of(limit), fields.position(next_page)
    async with api.database.transaction(caller.tenant_id) as tx:
        found = await rate_cards.page(tx, caller.tenant_id, after, size + 1)
    shown, more = pages.cut(found, size)
    return Page([_view(card) for card in shown], fields.next_page(shown, more))


@post("/v1/contract-pricing/rate-cards/archive", guards=[writer], status_code=200)
async def archive(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Archive a rate card: no new contracts and no new rates; contracts that have it keep it."""
    asked = await wire.body(request, RateCardId)
    async with api.database.transaction(caller.tenant_id) as tx:
        await rate_cards.archive(tx, caller.tenant_id, str(asked.id), api.clock())
    return Data(Id(str(asked.id)))


def _no_conversions(asked: Sequence[Any]) -> None:
    if asked:
        raise InvalidError("custom pricing units are not supported yet: leave the credit type conversions out")


def _view(card: RateCard) -> RateCardView:
    return RateCardView(
        id=card.id,
        name=card.name,
        description=card.description,
        created_at=card.created_at,
        created_by=card.created_by,
        fiat_credit_type=credit_type_ref(card.fiat_credit_type_id),
        aliases=card.aliases,
        credit_type_conversions=(),
        custom_fields=card.custom_fields,
    )


routes = [create, get, update, list_rate_cards, archive]
