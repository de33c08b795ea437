"""POST /v1/contracts/customer{Commits,Credits}/{create,list,updateEndDate} (metronome-api.md §4.7, §4.8)."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from litestar import Request, post
from msgspec import Struct, structs

from winkel.api import contract_ends, edit_records, fields, history, pages, schedules, terms, wire
from winkel.api.auth import reader, writer
from winkel.api.balance_views import BalanceView, balances_view
from winkel.api.credit_types import check_units
from winkel.api.state import Api
from winkel.api.terms import CustomerCommitIn, CustomerCreditIn, Origin
from winkel.api.wire import Data, Id, Page
from winkel.bill.actions import kept, standing, unkept_children, unsettled
from winkel.bill.balance import balance_of, ledger
from winkel.bill.invoiced import Invoiced
from winkel.bill.seats import adjustments
from winkel.model.commit import AccessType, Balance, BalanceType
from winkel.model.contract import Contract
from winkel.model.errors import NotFoundError
from winkel.model.ledger import LedgerEntry
from winkel.model.tenant import Caller
from winkel.store import balances, billing, contracts, credit_types, customers, invoices, products, uniqueness_keys
from winkel.store import ledger as entries
from winkel.store.balances import Filter
from winkel.store.database import Connection
from winkel.store.shards import Lender

PAGE = 25
"""The most commits or credits of one page (metronome-api.md §2)."""


class ListBalances(Struct, forbid_unknown_fields=True, kw_only=True):
    """What the bodies of both lists have in common."""

    customer_id: UUID
    covering_date: fields.Instant | None = None
    starting_at: fields.Instant | None = None
    effective_before: fields.Instant | None = None
    include_archived: bool = False
    include_balance: bool = False
    include_ledgers: bool = False
    limit: int | None = None
    next_page: str | None = None


class ListCommits(ListBalances, kw_only=True):
    """The body of customerCommits/list."""

    commit_id: UUID | None = None
    include_contract_commits: bool = False
    access_type: AccessType | None = None


class ListCredits(ListBalances, kw_only=True):
    """The body of customerCredits/list."""

    credit_id: UUID | None = None
    include_contract_credits: bool = False


class UpdateCommitEnd(Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of customerCommits/updateEndDate; what is left out stays."""

    customer_id: UUID
    commit_id: UUID
    access_ending_before: fields.Instant | None = None
    invoices_ending_before: fields.Instant | None = None


class UpdateCreditEnd(Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of customerCredits/updateEndDate."""

    customer_id: UUID
    credit_id: UUID
    access_ending_before: fields.Instant


@post("/v1/contracts/customerCommits/create", guards=[writer], status_code=200)
async def create_commit(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Give a customer a prepaid commit, for all or for some of its contracts."""
    asked = await fields.body(request, CustomerCommitIn, terms.NOT_YET | {"rollover_fraction"})
    async with api.database.transaction(caller.tenant_id) as tx:
        origin = await _origin(tx, api, caller, asked)
        await check_units(tx, caller.tenant_id, asked)
        known = await terms.known_products(tx, caller.tenant_id, [asked])
        balance = terms.commit(asked, origin, known, "$")
        await check_contracts(tx, caller.tenant_id, balance)
        return await _keep(tx, caller.tenant_id, balance)


@post("/v1/contracts/customerCredits/create", guards=[writer], status_code=200)
async def create_credit(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Give a customer a credit, for all or for some of its contracts."""
    asked = await fields.body(request, CustomerCreditIn, terms.NOT_YET | {"rollover_fraction"})
    async with api.database.transaction(caller.tenant_id) as tx:
        origin = await _origin(tx, api, caller, asked)
        await check_units(tx, caller.tenant_id, asked)
        known = await terms.known_products(tx, caller.tenant_id, [asked])
        balance = terms.credit(asked, origin, known, "$")
        await check_contracts(tx, caller.tenant_id, balance)
        return await _keep(tx, caller.tenant_id, balance)


@post("/v1/contracts/customerCommits/list", guards=[reader], status_code=200)
async def list_commits(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Page[BalanceView]:
    """List the commits of a customer, and of its contracts if asked for, oldest first."""
    asked = await wire.body(request, ListCommits)
    wanted = _filter(asked, (BalanceType.PREPAID, BalanceType.POSTPAID), asked.commit_id)
    wanted = structs.replace(wanted, include_contracts=asked.include_contract_commits, access_type=asked.access_type)
    return await _list(api, caller, asked, wanted)


@post("/v1/contracts/customerCredits/list", guards=[reader], status_code=200)
async def list_credits(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Page[BalanceView]:
    """List the credits of a customer, and of its contracts if asked for, oldest first."""
    asked = await wire.body(request, ListCredits)
    wanted = _filter(asked, (BalanceType.CREDIT,), asked.credit_id)
    return await _list(api, caller, asked, structs.replace(wanted, include_contracts=asked.include_contract_credits))


@post("/v1/contracts/customerCommits/updateEndDate", guards=[writer], status_code=200)
async def update_commit_end(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """End the access to a prepaid commit, or its invoicing, earlier; never later."""
    asked = await wire.body(request, UpdateCommitEnd)
    end = fields.hour_or_none(asked.invoices_ending_before, "$.invoices_ending_before")
    async with api.database.transaction(caller.tenant_id) as tx:
        before = balance = await open_balance(
            tx, api, caller, str(asked.customer_id), str(asked.commit_id), (BalanceType.PREPAID,)
        )
        if asked.access_ending_before is not None:
            balance = _shortened(balance, asked.access_ending_before)
        if end is not None:
            invoiced = await contract_ends.invoiced(tx, caller.tenant_id, balance.customer_id, api.clock())
            balance = _invoiced_until(balance, end, invoiced)
        await balances.set_schedules(tx, caller.tenant_id, balance)
        await history.note_balance(tx, caller, before, edit_records.shortened(before, balance), api.clock())
    return Data(Id(balance.id))


@post("/v1/contracts/customerCredits/updateEndDate", guards=[writer], status_code=200)
async def update_credit_end(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """End the access to a credit earlier; never later."""
    asked = await wire.body(request, UpdateCreditEnd)
    async with api.database.transaction(caller.tenant_id) as tx:
        balance = await open_balance(
            tx, api, caller, str(asked.customer_id), str(asked.credit_id), (BalanceType.CREDIT,)
        )
        after = _shortened(balance, asked.access_ending_before)
        await balances.set_schedules(tx, caller.tenant_id, after)
        await history.note_balance(tx, caller, balance, edit_records.shortened(balance, after), api.clock())
    return Data(Id(balance.id))


async def views(
    tx: Connection,
    further: Sequence[Lender],
    tenant_id: int,
    found: Sequence[Balance],
    *,
    at: datetime,
    include_ledgers: bool = False,
    include_balance: bool = False,
) -> list[BalanceView]:
    """Return balances of one customer for the wire, in the same order, as they are at the instant.

    What is left of them, and their ledgers, include the deductions that open drafts would post (metronome-api.md §4.8).
    """
    sold = await products.by_ids(tx, tenant_id, sorted({each.product_id for each in found}))
    units = await credit_types.units(tx, tenant_id)
    posted: list[LedgerEntry] = []
    if found and (include_ledgers or include_balance):
        now = await standing(tx, further, tenant_id, found[0].customer_id, at)
        posted = [*now.account.entries, *now.deductions, *await _archived_seats(tx, tenant_id, found, at)]
        retired = [each.id for each in found if each.retired_at is not None]
        posted += await entries.of_balances(tx, tenant_id, retired) if retired else ()
    return [
        balances_view(
            each,
            sold[each.product_id].at(at).name,
            units,
            ledger(each, posted, at) if include_ledgers else None,
            balance_of(each, posted, (), at) if include_balance else None,
        )
        for each in found
    ]


async def _archived_seats(tx: Connection, tenant_id: int, found: Sequence[Balance], at: datetime) -> list[LedgerEntry]:
    """Return what seats gave to those that are archived: an account has no archived balances."""
    some = [each for each in found if each.allocation is not None and each.archived_at is not None]
    if not some:
        return []
    agreed = await contracts.of_customer(tx, tenant_id, some[0].customer_id, include_archived=True)
    return adjustments(agreed, some, at)


async def page(
    tx: Connection,
    further: Sequence[Lender],
    tenant_id: int,
    customer_id: str,
    wanted: Filter,
    after: tuple[datetime, str] | None,
    limit: int,
    at: datetime,
) -> list[Balance]:
    """Return at most `limit` balances that follow `after`, the oldest first: kept ones, and children that are not."""
    found = await balances.page(tx, tenant_id, customer_id, wanted, after, limit)
    if wanted.include_contracts:
        given = await unkept_children(tx, tenant_id, customer_id, at)
        given += await unsettled(tx, further, tenant_id, customer_id, at)
        found = sorted([*found, *(each for each in given if _passes(each, wanted, after))], key=order)
    return found[:limit]


def order(balance: Balance) -> tuple[datetime, str]:
    """Return the key by which balances are listed."""
    return balance.created_at, balance.id


def _passes(child: Balance, wanted: Filter, after: tuple[datetime, str] | None) -> bool:
    """Whether a child belongs on this page of this list: what `store/balances.sql, page` asks of kept balances."""
    (segment,) = child.segments
    return (
        child.type in wanted.types
        and wanted.id in {None, child.id}
        and wanted.access_type in {None, child.access_type}
        and (wanted.covering is None or segment.starting_at <= wanted.covering < segment.ending_before)
        and (wanted.starting_at is None or segment.ending_before > wanted.starting_at)
        and (wanted.effective_before is None or segment.starting_at < wanted.effective_before)
        and (after is None or order(child) > after)
    )


async def _origin(tx: Connection, api: Api, caller: Caller, asked: CustomerCreditIn) -> Origin:
    """Return who gets the balance. Raises `NotFoundError`, and `InvalidError` for an archived customer."""
    customer_id = str(asked.customer_id)
    await open_customer(tx, caller.tenant_id, customer_id)
    return Origin(customer_id=customer_id, contract_id=None, created_at=api.clock(), created_by=caller.name)


async def open_customer(tx: Connection, tenant_id: int, customer_id: str, *relatives: str) -> None:
    """Take a customer to change its terms: no invoice of its family is finalized until the transaction ends.

    `relatives` are those whose family it joins; they are taken too. Raises `NotFoundError`, and `InvalidError` for an
    archived customer.
    """
    await billing.lock_customer(tx, tenant_id, customer_id, *relatives)
    customer = await customers.get(tx, tenant_id, customer_id)
    if customer.archived_at is not None:
        fields.refuse("this customer is archived", "$.customer_id")


async def check_contracts(tx: Connection, tenant_id: int, balance: Balance) -> None:
    """Raise `InvalidError` unless all contracts that a customer's balance names are open ones of this customer."""
    own = {each.id for each in await contracts.of_customer(tx, tenant_id, balance.customer_id)}
    for index, each in enumerate(balance.applicable_contract_ids):
        if each not in own:
            fields.refuse(f"this customer has no contract {each}", f"$.applicable_contract_ids[{index}]")
    if balance.invoice_contract_id is not None and balance.invoice_contract_id not in own:
        fields.refuse(f"this customer has no contract {balance.invoice_contract_id}", "$.invoice_contract_id")


async def check_not_payer(tx: Connection, tenant_id: int, contract: Contract, place: str) -> None:
    """Raise `InvalidError` while a commit of the customer is to be invoiced with a contract that is to be archived.

    What is on void invoices only is still to be invoiced, too. An archived contract invoices nothing in any case.
    """
    if contract.archived_at is not None:
        return
    asked = await invoices.items_of(tx, tenant_id, contract.customer_id)
    for each in await balances.of_customer(tx, tenant_id, contract.customer_id):
        schedule = each.invoice_schedule
        if each.invoice_contract_id != contract.id or schedule is None or schedule.do_not_invoice:
            continue
        missing = {item.id for item in schedule.schedule_items} - asked.final
        if missing:
            message = f"commit {each.id} is still to be invoiced with this contract"
            final = "let its invoice be final (a void one is regenerated)"
            way = final if missing & asked.awaited else "give it another invoice_contract_id"
            fields.refuse(f"{message}: archive it, or {way}", place)


async def _keep(tx: Connection, tenant_id: int, balance: Balance) -> Data[Id]:
    await uniqueness_keys.claim(tx, tenant_id, "balance", balance.uniqueness_key, balance.id)
    await balances.insert(tx, tenant_id, balance)
    return Data(Id(balance.id))


def _filter(asked: ListBalances, types: tuple[BalanceType, ...], balance_id: UUID | None) -> Filter:
    return Filter(
        types=types,
        id=None if balance_id is None else str(balance_id),
        covering=asked.covering_date and fields.instant(asked.covering_date, "$.covering_date"),
        starting_at=asked.starting_at and fields.instant(asked.starting_at, "$.starting_at"),
        effective_before=asked.effective_before and fields.instant(asked.effective_before, "$.effective_before"),
        include_archived=asked.include_archived,
    )


async def _list(api: Api, caller: Caller, asked: ListBalances, wanted: Filter) -> Page[BalanceView]:
    """Return one page of a customer's balances. Raises `NotFoundError` for an unknown customer."""
    size, after = pages.limit_of(asked.limit, PAGE, "`$.limit`"), fields.position(asked.next_page)
    customer_id = str(asked.customer_id)
    async with api.database.transaction(caller.tenant_id, snapshot=True) as tx:
        await customers.get(tx, caller.tenant_id, customer_id)
        found = await page(tx, api.further, caller.tenant_id, customer_id, wanted, after, size + 1, api.clock())
        shown, more = pages.cut(found, size)
        ledgers, amounts = asked.include_ledgers, asked.include_balance
        seen = await views(
            tx, api.further, caller.tenant_id, shown, at=api.clock(), include_ledgers=ledgers, include_balance=amounts
        )
    return Page(seen, fields.next_page(shown, more))


async def open_contract(tx: Connection, tenant_id: int, customer_id: str, contract_id: str) -> Contract:
    """Return a contract whose terms are to change. Raises `NotFoundError`, and `InvalidError` for an archived one."""
    contract = await contracts.get(tx, tenant_id, customer_id, contract_id)
    if contract.archived_at is not None:
        fields.refuse("this contract is archived", "$.contract_id")
    return contract


async def open_balance(
    tx: Connection, api: Api, caller: Caller, customer_id: str, balance_id: str, kinds: Collection[BalanceType]
) -> Balance:
    """Return a balance to be changed. Raises `NotFoundError`, and `InvalidError` for an archived one."""
    await open_customer(tx, caller.tenant_id, customer_id)
    balance = await kept(tx, caller.tenant_id, customer_id, balance_id, api.clock())
    if balance.type not in kinds:
        raise NotFoundError(f"{balance_id} is no {'credit' if BalanceType.CREDIT in kinds else 'commit'}")
    if balance.archived_at is not None:
        fields.refuse("this balance is archived", "$")
    check_not_retired(balance)
    if balance.rolled_over_from is not None:
        fields.refuse("what rolled over from another contract cannot be edited", "$")
    return balance


def check_not_retired(balance: Balance) -> None:
    """Raise `InvalidError` for a commit that is used up for good: voiding an invoice that names it brings it back."""
    if balance.retired_at is not None:
        fields.refuse("this commit is retired: it takes no part in billing any more", "$")


def _shortened(balance: Balance, asked: datetime) -> Balance:
    """Return the balance with an earlier end of access. Raises `InvalidError` for a later one, or for no access."""
    end = fields.hour(asked, "$.access_ending_before")
    kept = schedules.segments_until(balance.segments, end)
    if not kept:
        fields.refuse("must lie after the start of the first segment", "$.access_ending_before")
    if end > balance.segments[-1].ending_before:
        fields.refuse("an end date can only be moved to an earlier time", "$.access_ending_before")
    return structs.replace(balance, segments=kept)


def _invoiced_until(balance: Balance, end: datetime, invoiced: Invoiced) -> Balance:
    """Return the balance without the dates of invoicing from `end` on. Raises `InvalidError` when there are none."""
    if balance.invoice_schedule is None:
        fields.refuse("this commit has no invoice_schedule", "$.invoices_ending_before")
    return structs.replace(balance, invoice_schedule=schedules.items_until(balance.invoice_schedule, end, invoiced))


routes = [create_commit, create_credit, list_commits, list_credits, update_commit_end, update_credit_end]
