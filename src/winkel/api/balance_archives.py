"""POST /v2/contracts/{commits,credits}/archive, /v2/contracts/commits/retire and /v1/contracts/commits/disableTrueup.

metronome-api.md §3, §4.7.
"""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, post
from msgspec import Meta, Struct, structs

from winkel.api import amendments, balance_edits, commits, edits, fields, history, wire
from winkel.api.auth import writer
from winkel.api.contract_edits import COMMITS, CREDITS
from winkel.api.contract_requests import ContractKey
from winkel.api.state import Api
from winkel.api.wire import Data, Id
from winkel.bill.retire import why_not
from winkel.model.commit import BalanceType
from winkel.model.errors import NotFoundError
from winkel.model.tenant import Caller
from winkel.store import balances, contracts


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


class RetireCommits(ContractKey, Struct, kw_only=True):
    """The body of commits/retire."""

    commit_ids: Annotated[list[UUID], Meta(min_length=1)]
    dry_run: bool = False


class Skipped(Struct):
    """A commit that is not retired, and why."""

    commit_id: str
    reason: str


class Retired(Struct):
    """What was retired, or would be."""

    retired_count: int
    retired_commit_ids: list[str]
    skipped_count: int
    skipped_reasons: list[Skipped]


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


@post("/v2/contracts/commits/retire", guards=[writer], status_code=200)
async def retire_commits(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Retired]:
    """Take those commits of a contract out of billing that are used up for good; `dry_run` only tells which.

    Those of the customer that are invoiced with the contract are among them.
    """
    asked = await wire.body(request, RetireCommits)
    tenant_id, customer_id = caller.tenant_id, str(asked.customer_id)
    async with api.database.transaction(tenant_id) as tx:
        await commits.open_customer(tx, tenant_id, customer_id)
        contract = await contracts.get(tx, tenant_id, customer_id, str(asked.contract_id))
        every = await balances.of_customer(tx, tenant_id, customer_id, include_archived=True)
        some = (each for each in every if (each.contract_id or each.invoice_contract_id) == contract.id)
        held = {each.id: each for each in some if each.type in COMMITS}
        final = await edits.settled(tx, tenant_id, customer_id)
        found: list[str] = []
        skipped: list[Skipped] = []
        for commit_id in dict.fromkeys(map(str, asked.commit_ids)):
            if commit_id not in held:
                raise NotFoundError(f"contract {contract.id} has no commit {commit_id}")
            reason = why_not(held[commit_id], final.entries, final.invoiced_items)
            if reason is None:
                found.append(commit_id)
            else:
                skipped.append(Skipped(commit_id, reason))
        if found and not asked.dry_run:
            await balances.retire(tx, tenant_id, found, api.clock())
    return Data(Retired(len(found), found, len(skipped), skipped))


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


routes = [archive_commit, archive_credit, disable_trueup, retire_commits]
