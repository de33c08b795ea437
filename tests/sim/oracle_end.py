"""What the oracle knows of contracts at a time, and leaves of one that ends earlier (docs/pricing.md, section 8)."""

from dataclasses import replace
from datetime import datetime

from sim.oracle_recurring import children
from sim.world import Balance, Contract, End, Schedule, Tenant


def contracts_at(tenant: Tenant, customer_id: str, at: datetime) -> list[Contract]:
    """Return the contracts of a customer as they are agreed at an instant."""
    found = [_known(each, at) for each in tenant.contracts if each.customer_id == customer_id]
    for end in _said(tenant, at):
        found = [_ended(each, end) if each.id == end.contract_id else each for each in found]
    return found


def balances_at(tenant: Tenant, customer_id: str, at: datetime) -> list[Balance]:
    """Return the balances of a customer that are known at an instant; a contract's own end with it.

    Children of recurring terms that have begun when the end is said stay what they are, and are cut like all others.
    """
    found = [each for each in tenant.balances if each.customer_id == customer_id and each.created_at <= at]
    for end in _said(tenant, at):
        found += [
            each
            for contract in tenant.contracts
            if contract.id == end.contract_id
            for each in children(contract, end.said_at)
            if each.segments[0].starting_at <= end.said_at
        ]
        found = [_cut(each, end) if each.contract_id == end.contract_id else each for each in found]
    known = {each.id for each in found}
    for contract in contracts_at(tenant, customer_id, at):
        found += [each for each in children(contract, at) if each.id not in known]
    return found


def _said(tenant: Tenant, at: datetime) -> list[End]:
    return [each for each in tenant.ends if each.said_at <= at]


def _known(contract: Contract, at: datetime) -> Contract:
    return replace(contract, subscriptions=tuple(each for each in contract.subscriptions if each.known_at <= at))


def _ended(contract: Contract, end: End) -> Contract:
    charges, discounts = (
        tuple(replace(each, schedule=_until(each.schedule, end)) for each in some)
        for some in (contract.charges, contract.discounts)
    )
    return replace(contract, ending_before=end.ending_before, charges=charges, discounts=discounts)


def _cut(balance: Balance, end: End) -> Balance:
    segments = tuple(
        replace(each, ending_before=min(each.ending_before, end.ending_before))
        for each in balance.segments
        if each.starting_at < end.ending_before
    )
    return replace(balance, segments=segments, schedule=balance.schedule and _until(balance.schedule, end))


def _until(schedule: Schedule, end: End) -> Schedule:
    """Return the dates that remain: those before the end, and those that had come when it was said."""
    items = tuple(each for each in schedule.items if each.at < end.ending_before or each.at <= end.said_at)
    return replace(schedule, items=items)
