"""POST /v2/contracts/{commits,credits}/archive and /v1/contracts/commits/disableTrueup (metronome-api.md §3, §4.7)."""

from typing import Any
from uuid import UUID

from litestar import Request, post
from msgspec import Struct, structs

from winkel.api import amendments, balance_edits, commits, edits, fields, history, wire
from winkel.api.auth import writer
from winkel.api.contract_edits import COMMITS, CREDITS
from winkel.api.state import Api
from winkel.api.wire import Data, Id
from winkel.model.commit import BalanceType
from winkel.model.errors import NotFoundError
from winkel.model.tenant import Caller
from winkel.store import balances


class ArchiveCommit(Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of commits/archive."""

    customer_id: UUID
    commit_id: UUID


class ArchiveCredit(Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of credits/archive."""

    customer_id: UUID
    credit_id: UUID


class DisableTrueUp(ArchiveCommit, kw_only=True):
    """The body of disableTrueup."""

    contract_id: UUID
    amendment_id: UUID | None = None
    """The amendment that has added the commit: it may be named, and needs not be."""


@post("/v2/contracts/commits/archive", guards=[writer], status_code=200)
async def archive_commit(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Archive a commit of a customer or of a contract, which no finalized invoice asks for or draws on."""
    asked = await wire.body(request, ArchiveCommit)
    return await _archive(api, caller, str(asked.customer_id), str(asked.commit_id), COMMITS, "$.commit_id")


@post("/v2/contracts/credits/archive", guards=[writer], status_code=200)
async def archive_credit(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Archive a credit of a customer or of a contract, which no finalized invoice draws on."""
    asked = await wire.body(request, ArchiveCredit)
    return await _archive(api, caller, str(asked.customer_id), str(asked.credit_id), CREDITS, "$.credit_id")


@post("/v1/contracts/commits/disableTrueup", guards=[writer], status_code=200)
async def disable_trueup(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Let a postpaid commit go on counting usage and ask for nothing in the end; once more changes nothing."""
    asked = await wire.body(request, DisableTrueUp)
    async with api.database.transaction(caller.tenant_id) as tx:
        its_id = str(asked.commit_id)
        balance = await commits.open_balance(tx, api, caller, str(asked.customer_id), its_id, COMMITS)
        if str(asked.contract_id) != (balance.contract_id or balance.invoice_contract_id):
            raise NotFoundError(f"contract {asked.contract_id} has no commit {balance.id}")
        contract_id = str(asked.contract_id)
        await amendments.check_added(tx, caller.tenant_id, contract_id, asked.amendment_id, balance.id, "$")
        schedule = balance.invoice_schedule
        if balance.type is not BalanceType.POSTPAID or schedule is None:
            fields.refuse("only POSTPAID commits have a true-up", "$.commit_id")
        final = await edits.settled(tx, caller.tenant_id, balance.customer_id)
        if any(each.id in final.invoiced_items for each in schedule.schedule_items):
            fields.refuse("its true-up is finalized: void it first", "$.commit_id")
        if not schedule.do_not_invoice:
            made = structs.replace(balance, invoice_schedule=structs.replace(schedule, do_not_invoice=True))
            await balances.update(tx, caller.tenant_id, made)
            change = {"id": balance.id, "invoice_schedule": {"do_not_invoice": True}}
            await history.note_balance(tx, caller, balance, change, api.clock())
    return Data(Id(balance.id))


async def _archive(
    api: Api, caller: Caller, customer_id: str, balance_id: str, kinds: tuple[BalanceType, ...], place: str
) -> Data[Id]:
    """Archive a balance, and write it into the history of its contract, if it has one."""
    async with api.database.transaction(caller.tenant_id) as tx:
        balance = await commits.open_balance(tx, api, caller, customer_id, balance_id, kinds)
        final = await edits.settled(tx, caller.tenant_id, customer_id)
        made = balance_edits.archived(balance, final, api.clock(), place)
        await balances.update(tx, caller.tenant_id, made)
        await history.note_archive(tx, caller, balance, api.clock())
    return Data(Id(made.id))


routes = [archive_commit, archive_credit, disable_trueup]
