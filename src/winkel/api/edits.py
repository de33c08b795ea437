"""POST /v2/contracts/{edit,getEditHistory} and /v2/contracts/{commits,credits}/edit (metronome-api.md §4.7, Edit)."""

from typing import Any

from litestar import Request, post
from msgspec import UNSET, Struct, structs

from winkel.api import (
    balance_edits,
    commits,
    contract_edits,
    contract_ends,
    edit_records,
    fields,
    hierarchy,
    history,
    overrides,
    renewals,
    seats,
    terms,
    wire,
)
from winkel.api.auth import reader, writer
from winkel.api.balance_edits import Settled
from winkel.api.contract_edits import COMMITS, CREDITS, Ground, Terms
from winkel.api.contract_requests import ContractKey
from winkel.api.credit_types import check_units
from winkel.api.edit_requests import NOT_YET, EditCommit, EditContract, EditCredit, check_asks
from winkel.api.state import Api
from winkel.api.wire import Data, Id
from winkel.bill import actions
from winkel.model.commit import Balance, BalanceType
from winkel.model.contract import Contract
from winkel.model.edit import Amendment, ContractEdit
from winkel.model.tenant import Caller
from winkel.store import balances, contracts, edits, invoices, ledger, products, rate_cards, uniqueness_keys
from winkel.store.database import Connection


class Edited(Struct):
    """The answer of edit."""

    id: str
    edit: dict[str, Any]


@post("/v2/contracts/edit", guards=[writer], status_code=200)
async def edit(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Edited]:
    """Change the terms of a contract, all or nothing; drafts follow at once."""
    asked = await fields.body(request, EditContract, NOT_YET)
    key = ("customer_id", "contract_id")
    check_asks(asked, "$", *key, "uniqueness_key", "allow_contract_ending_before_finalized_invoice")
    async with api.database.transaction(caller.tenant_id) as tx:
        kept = await applied(tx, api, caller, asked)
    return Data(Edited(kept.id, kept.record))


async def applied(
    tx: Connection, api: Api, caller: Caller, asked: EditContract, amendment: Amendment | None = None
) -> ContractEdit:
    """Apply an edit, which may have been asked for as an amendment, and write it down. Raises `InvalidError`."""
    at, tenant_id, customer_id = api.clock(), caller.tenant_id, str(asked.customer_id)
    await commits.open_customer(tx, tenant_id, customer_id)
    before = await commits.open_contract(tx, tenant_id, customer_id, str(asked.contract_id))
    held = await _held(tx, api, tenant_id, before, asked.balance_ids)
    named = asked.product_ids.union(before.product_ids, *(each.product_ids for each in held.values()))
    await hierarchy.check_access(tx, tenant_id, before, asked)
    known = await products.by_ids(tx, tenant_id, sorted(named))
    units = await check_units(tx, tenant_id, asked)
    await overrides.check_units(tx, tenant_id, before.rate_card_id, asked.add_overrides, "$.add_overrides")
    rated = asked.add_subscriptions or asked.seat_keys
    rates = await rate_cards.rates_of(tx, tenant_id, before.rate_card_id) if rated else ()
    await seats.check_keys(tx, tenant_id, asked.seat_keys, rates)
    ground = Ground(known, await settled(tx, tenant_id, customer_id), rates, at, caller.name)
    allowed = asked.allow_contract_ending_before_finalized_invoice
    end = asked.end(None)
    if asked.update_contract_end_date is not UNSET:
        await renewals.check_end(tx, tenant_id, before, end, "$.update_contract_end_date")
        await contract_ends.check_longer(tx, tenant_id, before, end, "$.update_contract_end_date")
    await contract_ends.check(tx, tenant_id, before, end, allowed, "$.update_contract_end_date")
    made = contract_edits.edited(before, held, asked, ground)
    record = edit_records.contract_record(asked, before, held, made, known, units, at)
    await uniqueness_keys.claim(tx, tenant_id, "edit", asked.uniqueness_key, record.id)
    await _keep(tx, tenant_id, made, held)
    return await history.note(tx, caller, before, record, amendment)


@post("/v2/contracts/getEditHistory", guards=[reader], status_code=200)
async def get_history(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[list[dict[str, Any]]]:
    """Return every edit of a contract, oldest first."""
    asked = await wire.body(request, ContractKey)
    async with api.database.transaction(caller.tenant_id, snapshot=True) as tx:
        contract = await contracts.get(tx, caller.tenant_id, str(asked.customer_id), str(asked.contract_id))
        found = await edits.of_contract(tx, caller.tenant_id, contract.id)
    return Data([each.record for each in found])


@post("/v2/contracts/commits/edit", guards=[writer], status_code=200)
async def edit_commit(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Change a commit of a customer or of a contract; drafts follow at once."""
    asked = await fields.body(request, EditCommit, NOT_YET)
    check_asks(asked, "$", "customer_id", "commit_id")
    return await _edit_balance(api, caller, asked, str(asked.commit_id), COMMITS)


@post("/v2/contracts/credits/edit", guards=[writer], status_code=200)
async def edit_credit(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Change a credit of a customer or of a contract; drafts follow at once."""
    asked = await fields.body(request, EditCredit, NOT_YET)
    check_asks(asked, "$", "customer_id", "credit_id")
    return await _edit_balance(api, caller, asked, str(asked.credit_id), CREDITS)


async def settled(tx: Connection, tenant_id: int, customer_id: str) -> Settled:
    """Return what is final of a customer's balances and charges."""
    items = await invoices.items_of(tx, tenant_id, customer_id)
    return Settled(
        (await ledger.of_customers(tx, tenant_id, [customer_id])).get(customer_id, ()),
        items.final,
        items.awaited,
        await invoices.charged_parts(tx, tenant_id, customer_id),
    )


async def _held(tx: Connection, api: Api, tenant_id: int, contract: Contract, named: set[str]) -> dict[str, Balance]:
    """Return the balances of a contract by id; children are kept that have begun or that the edit names."""
    at, customer_id = api.clock(), contract.customer_id
    await actions.keep_begun(tx, tenant_id, customer_id, at)
    for balance in await actions.unkept_children(tx, tenant_id, customer_id, at):
        if balance.id in named and balance.contract_id == contract.id:
            await balances.insert(tx, tenant_id, balance)
    every = await balances.of_customer(tx, tenant_id, customer_id, include_archived=True)
    return {each.id: each for each in every if each.contract_id == contract.id}


async def _keep(tx: Connection, tenant_id: int, made: Terms, held: dict[str, Balance]) -> None:
    """Keep a contract and what has changed of its balances."""
    await contracts.update(tx, tenant_id, made.contract)
    for each in made.balances.values():
        if each.id not in held:
            await balances.insert(tx, tenant_id, each)
        elif each != held[each.id]:
            await balances.update(tx, tenant_id, each)


async def _edit_balance(
    api: Api, caller: Caller, asked: EditCommit | EditCredit, balance_id: str, kinds: tuple[BalanceType, ...]
) -> Data[Id]:
    """Change one balance, and write it into the history of its contract, if it has one."""
    tenant_id, customer_id = caller.tenant_id, str(asked.customer_id)
    async with api.database.transaction(tenant_id) as tx:
        balance = await commits.open_balance(tx, api, caller, customer_id, balance_id, kinds)
        known = await products.by_ids(tx, tenant_id, sorted(balance_edits.product_ids([asked]) | balance.product_ids))
        final = await settled(tx, tenant_id, customer_id)
        if balance.contract_id is not None:
            contract = await contracts.get(tx, tenant_id, customer_id, balance.contract_id)
            await hierarchy.check_access(tx, tenant_id, contract, asked)
        made = balance_edits.edited(balance, asked, known, final, "$")
        made = _placed(made, asked, final)
        if (made.applicable_contract_ids, made.invoice_contract_id) != (
            balance.applicable_contract_ids,
            balance.invoice_contract_id,
        ):
            await commits.check_contracts(tx, tenant_id, made)
        await balances.update(tx, tenant_id, made)
        id_name = "commit_id" if isinstance(asked, EditCommit) else "credit_id"
        await history.note_balance(tx, caller, balance, edit_records.told(asked, id_name), api.clock())
    return Data(Id(made.id))


def _placed(balance: Balance, asked: EditCommit | EditCredit, final: Settled) -> Balance:
    """Return the balance for other contracts. Raises `InvalidError` for one that belongs to a contract."""
    made = balance
    if asked.applicable_contract_ids is not UNSET:
        if balance.contract_id is not None or balance.type is BalanceType.POSTPAID:
            fields.refuse("is for prepaid commits and credits of the customer", "$.applicable_contract_ids")
        ids = tuple(str(each) for each in asked.applicable_contract_ids or ())
        made = structs.replace(made, applicable_contract_ids=ids)
    if isinstance(asked, EditCommit) and asked.invoice_contract_id is not UNSET:
        made = structs.replace(made, invoice_contract_id=str(asked.invoice_contract_id))
        _check_moved(balance, made, final)
    terms.check_payer(made, "$")
    return made


def _check_moved(before: Balance, after: Balance, final: Settled) -> None:
    """Raise `InvalidError` unless the commit can be invoiced with another contract: an invoice keeps its contract."""
    if before.contract_id is not None:
        fields.refuse("is for commits of the customer; this one belongs to a contract", "$.invoice_contract_id")
    asked = () if before.invoice_schedule is None else before.invoice_schedule.schedule_items
    moved = before.invoice_contract_id != after.invoice_contract_id
    if moved and any(item.id in final.invoiced_items or item.id in final.freed_items for item in asked):
        fields.refuse("a date of this commit is on an invoice, which keeps its contract", "$.invoice_contract_id")


routes = [edit, get_history, edit_commit, edit_credit]
