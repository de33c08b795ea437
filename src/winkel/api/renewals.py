"""Renewals: a new contract ends an older one and gets what rolls over from it (metronome-api.md §4.7, Transition)."""

from collections.abc import Collection
from datetime import datetime

from msgspec import structs

from winkel.api import contract_ends, fields, hierarchy, history
from winkel.api.state import Api
from winkel.api.transitions import TransitionIn, TrueUpBehavior
from winkel.bill import actions
from winkel.model.commit import Balance, BalanceType
from winkel.model.contract import Contract
from winkel.model.errors import NotFoundError
from winkel.model.tenant import Caller
from winkel.store import balances, contracts
from winkel.store.database import Connection

PLACE = "$.transition.from_contract_id"


async def end_older(tx: Connection, caller: Caller, asked: TransitionIn, new: Contract, at: datetime) -> None:
    """End the contract that a new one renews, where that begins. The customer is locked.

    Raises `InvalidError` when it cannot be renewed.
    """
    tenant_id = caller.tenant_id
    old = await _older(tx, tenant_id, asked, new)
    await contract_ends.check(tx, tenant_id, old, new.starting_at, False, "$.starting_at")
    await actions.keep_begun(tx, tenant_id, old.customer_id, at)
    held = [each for each in await balances.of_customer(tx, tenant_id, old.customer_id) if each.contract_id == old.id]
    invoiced = await contract_ends.invoiced(tx, tenant_id, old.customer_id, at)
    made, cut = old, held
    if old.ending_before is None or new.starting_at < old.ending_before:
        made, cut = contract_ends.ended(old, held, new.starting_at, invoiced)
        await contracts.update(tx, tenant_id, made)
        await history.note_end(tx, caller, old, new.starting_at, at)
    trueup = asked.future_invoice_behavior.trueup or TrueUpBehavior.AS_IS
    for before, after in zip(held, cut, strict=True):
        kept = true_up_kept(before, after, trueup, new.starting_at, invoiced.final)
        if kept != before:
            await balances.set_schedules(tx, tenant_id, kept)


async def _older(tx: Connection, tenant_id: int, asked: TransitionIn, new: Contract) -> Contract:
    """Return the contract that is to be renewed. Raises `InvalidError` unless it can be."""
    try:
        old = await contracts.get(tx, tenant_id, new.customer_id, str(asked.from_contract_id))
    except NotFoundError as error:
        fields.refuse(str(error), PLACE)
    if old.archived_at is not None:
        fields.refuse("this contract is archived", PLACE)
    if old.starting_at >= new.starting_at:
        fields.refuse("the contract that is renewed must begin before the new one", "$.starting_at")
    follower = await contracts.successor(tx, tenant_id, old)
    if follower is not None:
        fields.refuse(f"this contract is renewed by contract {follower.id}", PLACE)
    await hierarchy.check_children_end(tx, tenant_id, old, new.starting_at, PLACE)
    return old


async def check_end(tx: Connection, tenant_id: int, contract: Contract, end: datetime | None, place: str) -> None:
    """Raise `InvalidError` when the end of a contract is that of its renewal, or lies after that of its parent."""
    follower = await contracts.successor(tx, tenant_id, contract)
    if follower is not None:
        fields.refuse(f"contract {follower.id} renews this one: it ends where that begins", place)
    if contract.as_child is not None:
        await hierarchy.check_lasting(tx, tenant_id, contract.as_child, end, place)


async def check_settled(tx: Connection, api: Api, tenant_id: int, contract: Contract, place: str) -> None:
    """Raise `InvalidError` while something may still roll over from a contract: archiving would lose it."""
    follower = await contracts.successor(tx, tenant_id, contract)
    if follower is None or contract.archived_at is not None:
        return
    at = api.clock()
    open_ones = await actions.unsettled(tx, api.further, tenant_id, contract.customer_id, at)
    sources = {each.rolled_over_from.contract_id for each in open_ones if each.rolled_over_from is not None}
    if at < follower.starting_at or contract.id in sources:
        message = f"contract {follower.id} renews this one and gets what is left when its last statement is final"
        fields.refuse(f"{message}: wait for that, or archive that contract first", place)


def true_up_kept(
    before: Balance, after: Balance, behavior: TrueUpBehavior, end: datetime, invoiced: Collection[str]
) -> Balance:
    """Return a balance of a renewed contract with the true-ups that are still asked for; final ones stay."""
    schedule = before.invoice_schedule
    if before.type is not BalanceType.POSTPAID or schedule is None:
        return after
    if behavior is TrueUpBehavior.REMOVE:
        items = tuple(each for each in schedule.schedule_items if each.timestamp < end or each.id in invoiced)
        schedule = structs.replace(schedule, schedule_items=items)
    return structs.replace(after, invoice_schedule=schedule)
