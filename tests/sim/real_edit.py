"""Winkel's edits of a case: what `api/contract_edits.py` makes of what is asked for."""

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import Any

from msgspec import structs
from msgspec.structs import replace

from sim import build, world
from sim.world import Edit, Recurring
from winkel.api import balance_edits, contract_edits
from winkel.api.balance_edits import AccessEdit, InvoicingEdit, ItemUpdate, Removed, SegmentUpdate, Settled
from winkel.api.contract_edits import Ground
from winkel.api.discounts import DiscountUpdate
from winkel.api.edit_requests import EditContract, UpdateCharge, UpdateCommit, UpdateCredit
from winkel.api.recurring_edits import AmountUpdate, RecurringCommitUpdate, RecurringCreditUpdate
from winkel.api.schedules import InvoiceScheduleIn, ItemIn
from winkel.model.commit import Balance, BalanceType, InvoiceSchedule, RateSide, Segment
from winkel.model.contract import Contract, Discount, ScheduledCharge
from winkel.model.product import Product


def edited(
    contract: Contract, balances: Iterable[Balance], asked: Edit, known: Mapping[str, Product], settled: Settled
) -> tuple[Contract, list[Balance]]:
    """Return a contract and all balances after an edit. Raises `InvalidError`.

    Balances of customers have edits of their own. What is new has the ids that the oracle gives it.
    """
    held = {each.id: each for each in balances}
    own = {each.id: each for each in held.values() if each.contract_id == contract.id}
    made = contract_edits.edited(
        contract, own, _request(contract, own.values(), asked), Ground(known, settled, (), asked.said_at, "sim")
    )
    held |= made.balances
    for each in held.values():
        if each.contract_id is not None:
            continue
        if each.id in asked.archived:
            held[each.id] = balance_edits.archived(each, settled, asked.said_at, "$")
        if (update := _update(each, asked)) is not None:
            held[each.id] = balance_edits.edited(each, update, known, settled, "$")
    return made.contract, [*held.values(), *map(build.balance_of, asked.balances)]


def with_new(contract: Contract, like: world.Contract, asked: Edit) -> Contract:
    """Return a contract with what an edit adds."""
    new = build.contract_of(
        replace(
            like,
            overrides=asked.overrides,
            charges=asked.charges,
            discounts=asked.discounts,
            filters=asked.filters,
            recurring=(),
            subscriptions=(),
        )
    )
    return structs.replace(
        contract,
        overrides=(*contract.overrides, *new.overrides),
        scheduled_charges=(*contract.scheduled_charges, *new.scheduled_charges),
        discounts=(*contract.discounts, *new.discounts),
        usage_filters=(*contract.usage_filters, *new.usage_filters),
    )


def _request(contract: Contract, own: Iterable[Balance], asked: Edit) -> EditContract:
    """Return the body of a request for what goes and what changes."""
    updates = [each for each in (_update(one, asked) for one in own) if each is not None]
    charges = [(each, _dates(each.schedule, asked)) for each in contract.scheduled_charges]
    going = [(each.id, each.type is BalanceType.CREDIT) for each in own if each.id in asked.archived]
    terms = [(each, one) for each in asked.recurring for one in contract.recurring_balances if one.id == each.id]
    return EditContract(
        customer_id=_id(contract.customer_id),
        contract_id=_id(contract.id),
        remove_overrides=[Removed(_id(each)) for each in asked.removed],
        archive_commits=[Removed(_id(each)) for each, free in going if not free],
        archive_credits=[Removed(_id(each)) for each, free in going if free],
        archive_scheduled_charges=_among(contract.scheduled_charges, asked.archived),
        archive_discounts=_among(contract.discounts, asked.archived),
        update_discounts=[
            DiscountUpdate(id=_id(each.id), schedule=_all_dates(each.schedule, asked))
            for each in contract.discounts
            if _dates(each.schedule, asked)
        ],
        update_recurring_commits=[
            RecurringCommitUpdate(recurring_commit_id=_id(each.id), invoice_amount=_asked(each), **_given(each))
            for each, one in terms
            if one.type is not BalanceType.CREDIT
        ],
        update_recurring_credits=[
            RecurringCreditUpdate(recurring_credit_id=_id(each.id), **_given(each))
            for each, one in terms
            if one.type is BalanceType.CREDIT
        ],
        update_commits=[each for each in updates if isinstance(each, UpdateCommit)],
        update_credits=[each for each in updates if isinstance(each, UpdateCredit)],
        update_scheduled_charges=[
            UpdateCharge(scheduled_charge_id=_id(each.id), invoice_schedule=dates) for each, dates in charges if dates
        ],
    )


def _among(some: Iterable[ScheduledCharge | Discount], ids: Collection[str]) -> list[Removed]:
    return [Removed(_id(each.id)) for each in some if each.id in ids]


def _given(term: Recurring) -> dict[str, Any]:
    """Return what children to come give; the seats that they follow say how many."""
    quantity, unit_price = map(Decimal, term.amount)
    amount = AmountUpdate(unit_price=unit_price, quantity=None if term.follows else quantity)
    return {"access_amount": amount, "ending_before": term.ending_before, "rate_type": RateSide(term.rate_type)}


def _asked(term: Recurring) -> AmountUpdate | None:
    """Return what children to come ask for."""
    if term.asked is None:
        return None
    quantity, unit_price = map(Decimal, term.asked)
    return AmountUpdate(unit_price=unit_price, quantity=quantity)


def _update(balance: Balance, asked: Edit) -> UpdateCommit | UpdateCredit | None:
    """Return what changes of a balance, if anything does."""
    access, dates = _access(balance.segments, asked), _dates(balance.invoice_schedule, asked)
    if access is None and dates is None:
        return None
    if balance.type is BalanceType.CREDIT:
        return UpdateCredit(credit_id=_id(balance.id), access_schedule=access)
    return UpdateCommit(commit_id=_id(balance.id), access_schedule=access, invoice_schedule=dates)


def _access(segments: Iterable[Segment], asked: Edit) -> AccessEdit | None:
    its = {each.id for each in segments}
    some = [
        SegmentUpdate(
            id=_id(each.id),
            amount=Decimal(each.amount),
            starting_at=each.starting_at,
            ending_before=each.ending_before,
        )
        for each in asked.segments
        if each.id in its
    ]
    return AccessEdit(update_schedule_items=some) if some else None


def _dates(schedule: InvoiceSchedule | None, asked: Edit) -> InvoicingEdit | None:
    its = {each.id: each for each in schedule.schedule_items} if schedule else {}
    some = [
        ItemUpdate(
            id=_id(each.id),
            timestamp=each.at,
            unit_price=Decimal(each.unit_price),
            quantity=Decimal(each.quantity),
        )
        for each in asked.items
        if each.id in its
    ]
    return InvoicingEdit(update_schedule_items=some) if some else None


def _all_dates(schedule: InvoiceSchedule, asked: Edit) -> InvoiceScheduleIn:
    """Return all dates of a discount, as it is said anew."""
    changed = {each.id: each for each in asked.items}
    some = [
        ItemIn(
            timestamp=each.timestamp,
            unit_price=Decimal(changed[each.id].unit_price) if each.id in changed else each.unit_price,
            quantity=each.quantity,
        )
        for each in schedule.schedule_items
    ]
    return InvoiceScheduleIn(
        credit_type_id=_id(schedule.credit_type_id), do_not_invoice=schedule.do_not_invoice, schedule_items=some
    )


def _id(name: str) -> Any:
    """Return a short name where the API has a UUID."""
    return name
