"""Contracts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from psycopg.types.json import Jsonb

from winkel.model.contract import Contract
from winkel.model.errors import NotFoundError
from winkel.model.period import Period
from winkel.store.database import Connection
from winkel.store.sql import Queries, grouped

sql = Queries(__name__)


class Filter(Struct, frozen=True, kw_only=True):
    """Which contracts of a customer are wanted; None asks for nothing."""

    covering: datetime | None = None
    starting_at: datetime | None = None
    include_archived: bool = False


async def insert(tx: Connection, tenant_id: int, contract: Contract) -> None:
    """Keep a new contract."""
    await tx.execute(sql.insert, _values(tenant_id, contract))


async def get(tx: Connection, tenant_id: int, customer_id: str, contract_id: str) -> Contract:
    """Return a contract of a customer, archived or not. Raises `NotFoundError`."""
    values = {"tenant_id": tenant_id, "customer_id": customer_id, "id": contract_id}
    row = await (await tx.execute(sql.find, values)).fetchone()
    if row is None:
        raise NotFoundError(f"this customer has no contract {contract_id}")
    return msgspec.convert(row, Contract)


async def of_customer(
    tx: Connection, tenant_id: int, customer_id: str, include_archived: bool = False
) -> tuple[Contract, ...]:
    """Return the contracts of a customer, oldest first."""
    return (await of_customers(tx, tenant_id, [customer_id], include_archived)).get(customer_id, ())


async def of_customers(
    tx: Connection, tenant_id: int, customer_ids: Sequence[str], include_archived: bool = False
) -> dict[str, tuple[Contract, ...]]:
    """Return the contracts of some customers, oldest first, by customer; who has none is left out."""
    values = {"tenant_id": tenant_id, "customer_ids": list(customer_ids), "include_archived": include_archived}
    rows = await (await tx.execute(sql.of_customers, values)).fetchall()
    return grouped((each.customer_id, each) for each in msgspec.convert(rows, list[Contract]))


async def filter_names(
    tx: Connection, tenant_id: int, rate_card_ids: Sequence[str], since: datetime
) -> list[list[str]]:
    """Return by which names live contracts of some cards filter usage after an instant: each choice of names once."""
    values = {"tenant_id": tenant_id, "rate_card_ids": list(rate_card_ids), "since": since}
    return [row["names"] for row in await (await tx.execute(sql.filter_names, values)).fetchall()]


async def children_of(tx: Connection, tenant_id: int, customer_id: str) -> list[Contract]:
    """Return the live child contracts of all contracts of a customer, oldest first; they are other customers'."""
    values = {"tenant_id": tenant_id, "customer_id": customer_id}
    return msgspec.convert(await (await tx.execute(sql.children_of, values)).fetchall(), list[Contract])


async def successor(tx: Connection, tenant_id: int, contract: Contract) -> Contract | None:
    """Return the contract that renews another, or None; an archived one does not."""
    for each in await of_customer(tx, tenant_id, contract.customer_id):
        if each.transition is not None and each.transition.from_contract_id == contract.id:
            return each
    return None


async def page(
    tx: Connection, tenant_id: int, customer_id: str, wanted: Filter, after: tuple[datetime, str] | None, limit: int
) -> list[Contract]:
    """Return at most `limit` contracts that follow `after` = (created_at, id), oldest first."""
    values = {
        "tenant_id": tenant_id,
        "customer_id": customer_id,
        "after_at": after and after[0],
        "after_id": after and after[1],
        "limit": limit,
        **msgspec.structs.asdict(wanted),
    }
    return msgspec.convert(await (await tx.execute(sql.page, values)).fetchall(), list[Contract])


async def holders(tx: Connection, tenant_id: int, after: str | None, limit: int) -> list[str]:
    """Return the ids of at most `limit` customers with open contracts that follow `after`, in order."""
    rows = await tx.execute(sql.holders, {"tenant_id": tenant_id, "after": after, "limit": limit})
    return [row["customer_id"] for row in await rows.fetchall()]


async def update(tx: Connection, tenant_id: int, contract: Contract) -> None:
    """Keep the terms of a contract as they are now. What they were is kept by `store/edits.py`."""
    await tx.execute(sql.update, _values(tenant_id, contract))


async def archive(tx: Connection, tenant_id: int, contract_id: str, at: datetime) -> None:
    """Archive a contract; once more changes nothing."""
    await tx.execute(sql.archive, {"tenant_id": tenant_id, "id": contract_id, "at": at})


async def invoiced_periods(tx: Connection, tenant_id: int, contract_id: str) -> list[Period]:
    """Return the periods of a contract whose usage statements are final, the oldest first.

    They are those of the statements: the contract may have another end by now.
    """
    rows = await tx.execute(sql.invoiced_periods, {"tenant_id": tenant_id, "id": contract_id})
    return msgspec.convert(await rows.fetchall(), list[Period])


async def archived_renewals(tx: Connection, tenant_id: int, customer_ids: Sequence[str]) -> dict[str, str]:
    """Return which contracts the archived contracts of some customers renew, by the id of the archived one."""
    rows = await tx.execute(sql.archived_renewals, {"tenant_id": tenant_id, "customer_ids": list(customer_ids)})
    return {row["id"]: row["renewed"] for row in await rows.fetchall()}


def _values(tenant_id: int, contract: Contract) -> dict[str, Any]:
    """Return the parameters of a statement that writes a contract."""
    values = {"tenant_id": tenant_id, **msgspec.structs.asdict(contract)}
    values["usage_statement_schedule"] = Jsonb(contract.usage_statement_schedule)
    values["custom_fields"] = Jsonb(contract.custom_fields)
    values["overrides"] = Jsonb(contract.overrides)
    values["scheduled_charges"] = Jsonb(contract.scheduled_charges)
    values["recurring_balances"] = Jsonb(contract.recurring_balances)
    values["subscriptions"] = Jsonb(contract.subscriptions)
    values["usage_filters"] = Jsonb(contract.usage_filters)
    values["discounts"] = Jsonb(contract.discounts)
    values["issue_dates"] = Jsonb(contract.issue_dates)
    values["professional_services"] = Jsonb(contract.professional_services)
    values["pro_service_invoices"] = Jsonb(contract.pro_service_invoices)
    values["transition"] = None if contract.transition is None else Jsonb(contract.transition)
    values["as_child"] = None if contract.as_child is None else Jsonb(contract.as_child)
    return values
