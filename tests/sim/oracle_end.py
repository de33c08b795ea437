"""What the oracle knows of contracts at a time, and leaves of one that ends earlier (docs/pricing.md, section 8)."""

from collections.abc import Collection, Iterable
from datetime import datetime

from msgspec.structs import replace

from sim.oracle_recurring import children
from sim.oracle_rollover import Rolled
from sim.oracle_seats import known
from sim.world import Balance, Contract, End, Schedule, Tenant


def contracts_at(tenant: Tenant, customer_ids: Collection[str], at: datetime) -> list[Contract]:
    """Return the contracts of customers as they are agreed at an instant."""
    said = _said(tenant, at)
    found = [
        _known(each, at)
        for each in tenant.contracts
        if each.customer_id in customer_ids and (each.renews is None or any(end.renewed_by == each.id for end in said))
    ]
    for end in said:
        found = [_ended(each, end) if each.id == end.contract_id and _is_earlier(each, end) else each for each in found]
    return found


def balances_at(
    tenant: Tenant, customer_ids: Collection[str], at: datetime, rolled: Iterable[Rolled] = ()
) -> list[Balance]:
    """Return the balances of customers that are known at an instant; a contract's own end with it.

    Children of recurring terms that have begun when the end is said stay what they are, and are cut like all others.
    So does what has rolled over and is settled by then.
    """
    contracts, rolled = contracts_at(tenant, customer_ids, at), list(rolled)
    agreed = {None, *(each.id for each in contracts)}
    found = [
        each
        for each in tenant.balances
        if each.customer_id in customer_ids and each.created_at <= at and each.contract_id in agreed
    ]
    terms = tenant.contracts
    for end in _said(tenant, at):
        found += [each.balance for each in rolled if each.settled_at and each.settled_at <= end.said_at]
        rolled = [each for each in rolled if not each.settled_at or each.settled_at > end.said_at]
        kept = {each.id for each in found}
        found += [
            each
            for contract in terms
            if contract.id == end.contract_id
            for each in children(contract, end.said_at)
            if each.segments[0].starting_at <= end.said_at and each.id not in kept
        ]
        earlier = any(each.id == end.contract_id and _is_earlier(each, end) for each in terms)
        terms = [_ended(each, end) if each.id == end.contract_id and earlier else each for each in terms]
        cut = [_cut(each, end) if earlier and not _is_archived(each, end) else each for each in found]
        found = [
            _trued_up(before, after, end)
            if before.contract_id == end.contract_id and not _is_archived(before, end)
            else before
            for before, after in zip(found, cut, strict=True)
        ]
    known = {each.id for each in found}
    for contract in contracts:
        found += [each for each in children(contract, at) if each.id not in known]
    return [*found, *(each.balance for each in rolled)]


def _said(tenant: Tenant, at: datetime) -> list[End]:
    return sorted((each for each in tenant.ends if each.said_at <= at), key=lambda each: each.said_at)


def _known(contract: Contract, at: datetime) -> Contract:
    agreed = (each for each in contract.subscriptions if each.known_at <= at)
    requests = tuple(each for each in contract.service_requests if each.said_at <= at)
    subscriptions = tuple(known(each, at) for each in agreed)
    return replace(contract, subscriptions=subscriptions, service_requests=requests)


def _ended(contract: Contract, end: End) -> Contract:
    charges, discounts = (
        tuple(replace(each, schedule=_until(each.schedule, end)) for each in some)
        for some in (contract.charges, contract.discounts)
    )
    requests = tuple(
        each
        for each in contract.service_requests
        if each.at < end.ending_before or each.at <= end.said_at or each.said_at >= end.said_at
    )
    return replace(
        contract, ending_before=end.ending_before, charges=charges, discounts=discounts, service_requests=requests
    )


def _is_earlier(contract: Contract, end: End) -> bool:
    return contract.ending_before is None or end.ending_before < contract.ending_before


def _is_archived(balance: Balance, end: End) -> bool:
    """Whether it had been archived by the time that an end is said: then nothing of it changes."""
    return balance.archived_at is not None and balance.archived_at <= end.said_at


def _cut(balance: Balance, end: End) -> Balance:
    segments = tuple(
        replace(each, ending_before=min(each.ending_before, end.ending_before))
        for each in balance.segments
        if each.starting_at < end.ending_before
    )
    return replace(balance, segments=segments, schedule=balance.schedule and _until(balance.schedule, end))


def _trued_up(before: Balance, after: Balance, end: End) -> Balance:
    """Return a balance of a contract that ends; who renews it says what becomes of its true-ups."""
    if end.renewed_by is None or before.type != "POSTPAID" or before.schedule is None:
        return after
    items = tuple(each for each in before.schedule.items if end.true_ups or each.at < end.ending_before)
    return replace(after, schedule=replace(before.schedule, items=items))


def _until(schedule: Schedule, end: End) -> Schedule:
    """Return the dates that remain: those before the end, and those that had come when it was said."""
    items = tuple(each for each in schedule.items if each.at < end.ending_before or each.at <= end.said_at)
    return replace(schedule, items=items)
