"""Rate cards and their rates."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct
from psycopg.types.json import Jsonb

from winkel.model.alias import AliasOwner
from winkel.model.errors import NotFoundError
from winkel.model.period import Frequency
from winkel.model.price import Price
from winkel.model.rate_card import Conversion, Rate, RateCard
from winkel.store import aliases
from winkel.store.database import Connection
from winkel.store.sql import Queries

sql = Queries(__name__)


class NewRate(Struct, frozen=True, kw_only=True):
    """A rate that has no number yet: the database counts (`model/rate_card.py`, Rate)."""

    id: str
    rate_card_id: str
    product_id: str
    price: Price
    entitled: bool
    starting_at: datetime
    credit_type_id: str
    ending_before: datetime | None = None
    pricing_group_values: dict[str, str] = {}
    commit_price: Price | None = None
    billing_frequency: Frequency | None = None


async def insert(tx: Connection, tenant_id: int, card: RateCard) -> None:
    """Keep a new rate card and assign its aliases."""
    nested = {
        "custom_fields": Jsonb(card.custom_fields),
        "credit_type_conversions": Jsonb(card.credit_type_conversions),
    }
    values = {"tenant_id": tenant_id, **msgspec.structs.asdict(card), **nested}
    await tx.execute(sql.insert, values)
    await aliases.replace(tx, tenant_id, AliasOwner.RATE_CARD, card.id, card.aliases)


async def get(tx: Connection, tenant_id: int, rate_card_id: str) -> RateCard:
    """Return a rate card, archived or not. Raises `NotFoundError`."""
    row = await (await tx.execute(sql.find, {"tenant_id": tenant_id, "id": rate_card_id})).fetchone()
    if row is None:
        raise NotFoundError(f"there is no rate card {rate_card_id}")
    return msgspec.convert(row, RateCard)


async def by_ids(tx: Connection, tenant_id: int, ids: Sequence[str]) -> dict[str, RateCard]:
    """Return those of these rate cards that exist, archived ones too, by id; their aliases are left out."""
    rows = await (await tx.execute(sql.by_ids, {"tenant_id": tenant_id, "ids": list(ids)})).fetchall()
    return {each.id: each for each in msgspec.convert(rows, list[RateCard])}


async def lock(tx: Connection, tenant_id: int, rate_card_id: str) -> RateCard:
    """Return a rate card that nobody else adds to or orders until the transaction ends. Raises `NotFoundError`."""
    await tx.execute(sql.lock, {"tenant_id": tenant_id, "id": rate_card_id})
    return await get(tx, tenant_id, rate_card_id)


async def hold(tx: Connection, tenant_id: int, ids: Sequence[str]) -> None:
    """Let nobody add rates to some rate cards until the transaction ends; others may hold them too."""
    await tx.execute(sql.hold, {"tenant_id": tenant_id, "ids": list(ids)})


async def lock_selling(tx: Connection, tenant_id: int, product_id: str) -> list[str]:
    """Return the ids of the rate cards that have rates of a product; nobody else changes or holds them until then."""
    rows = await (await tx.execute(sql.lock_selling, {"tenant_id": tenant_id, "product_id": product_id})).fetchall()
    return [row["id"] for row in rows]


async def page(tx: Connection, tenant_id: int, after: tuple[datetime, str] | None, limit: int) -> list[RateCard]:
    """Return at most `limit` rate cards that are not archived and follow `after` = (created_at, id)."""
    values = {"tenant_id": tenant_id, "after_at": after and after[0], "after_id": after and after[1], "limit": limit}
    return msgspec.convert(await (await tx.execute(sql.page, values)).fetchall(), list[RateCard])


async def update(
    tx: Connection, tenant_id: int, rate_card_id: str, *, name: str | None, description: str | None
) -> None:
    """Change what is not None. Raises `NotFoundError`."""
    values = {"tenant_id": tenant_id, "id": rate_card_id, "name": name, "description": description}
    if await (await tx.execute(sql.update, values)).fetchone() is None:
        raise NotFoundError(f"there is no rate card {rate_card_id}")


async def add_conversions(tx: Connection, tenant_id: int, rate_card_id: str, conversions: Sequence[Conversion]) -> None:
    """Add conversions to a rate card that the transaction has locked."""
    values = {"tenant_id": tenant_id, "id": rate_card_id, "conversions": Jsonb(conversions)}
    await tx.execute(sql.add_conversions, values)


async def units_of_products(
    tx: Connection, tenant_id: int, rate_card_id: str, product_ids: Sequence[str]
) -> dict[str, str]:
    """Return the pricing unit of those of these products that have rates on a rate card: all of one are in one."""
    values = {"tenant_id": tenant_id, "id": rate_card_id, "product_ids": list(product_ids)}
    rows = await (await tx.execute(sql.units_of_products, values)).fetchall()
    return {row["product_id"]: row["credit_type_id"] for row in rows}


async def archive(tx: Connection, tenant_id: int, rate_card_id: str, at: datetime) -> None:
    """Archive a rate card; once more changes nothing. Raises `NotFoundError`."""
    values = {"tenant_id": tenant_id, "id": rate_card_id, "at": at}
    if await (await tx.execute(sql.archive, values)).fetchone() is None:
        raise NotFoundError(f"there is no rate card {rate_card_id}")


async def add_rates(tx: Connection, tenant_id: int, rates: Sequence[NewRate]) -> None:
    """Add rates, numbered in this order."""
    async with tx.cursor() as cursor:
        await cursor.executemany(sql.insert_rate, [_row(tenant_id, rate) for rate in rates])


async def rates(tx: Connection, tenant_id: int, rate_card_ids: Iterable[str]) -> dict[str, tuple[Rate, ...]]:
    """Return the rates of each of these cards, in the order in which they were added; none for an unknown card."""
    result: dict[str, list[Rate]] = {each: [] for each in rate_card_ids}
    rows = await tx.execute(sql.rates, {"tenant_id": tenant_id, "rate_card_ids": list(result)})
    for rate in msgspec.convert(await rows.fetchall(), list[Rate]):
        result[rate.rate_card_id].append(rate)
    return {each: tuple(found) for each, found in result.items()}


async def set_order(tx: Connection, tenant_id: int, rate_card_id: str, product_ids: Sequence[str]) -> None:
    """Put products of a card into an order; others come after them."""
    card = {"tenant_id": tenant_id, "rate_card_id": rate_card_id}
    await tx.execute(sql.drop_order, card)
    await tx.execute(sql.insert_order, {**card, "product_ids": list(product_ids)})


async def rates_of(tx: Connection, tenant_id: int, rate_card_id: str | None) -> tuple[Rate, ...]:
    """Return the rates of one card, in the order in which they were added; none without a card."""
    return () if rate_card_id is None else (await rates(tx, tenant_id, [rate_card_id]))[rate_card_id]


def _row(tenant_id: int, rate: NewRate) -> dict[str, object]:
    nested = {
        "price": Jsonb(rate.price),
        "pricing_group_values": Jsonb(rate.pricing_group_values),
        "commit_price": None if rate.commit_price is None else Jsonb(rate.commit_price),
    }
    return {"tenant_id": tenant_id, **msgspec.structs.asdict(rate), **nested}
