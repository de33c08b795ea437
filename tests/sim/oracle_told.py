"""The oracle's requests that come later: other seats and quantities, and invoices for professional services.

Those are sections 8, 13, 14 and 17 of docs/pricing.md.
"""

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from sim.oracle_books import Books
from sim.oracle_ledger import changes, remaining
from sim.oracle_seats import is_possible, later_gifts, parts
from sim.oracle_service import freed, is_too_much, with_request
from sim.world import Change, Contract, SeatChange, ServiceRequest, Subscription, Tenant


class Asked(Struct, frozen=True):
    """What was asked for at a time: a change of a subscription, or an invoice for services."""

    said_at: datetime
    contract_id: str
    subscription_id: str
    """Empty: of none."""
    change: Change | SeatChange | ServiceRequest


class Answer(Struct, frozen=True):
    """What became of it; `refused` says why it was not agreed on, and is None if it was."""

    asked: Asked
    refused: str | None


def asked_later(tenant: Tenant) -> list[Asked]:
    """Return what was asked for after contracts were agreed, in its order."""
    found = [
        Asked(each.said_at, contract.id, "", each)
        for contract in tenant.contracts
        for each in contract.service_requests
    ]
    found += [
        Asked(each.said_at, contract.id, one.id, each)
        for contract in tenant.contracts
        for one in contract.subscriptions
        for each in (*one.changes, *one.seat_changes)
        if each.said_at is not None
    ]
    return sorted(found, key=lambda each: each.said_at)


def before_them(tenant: Tenant) -> Tenant:
    """Return a tenant without what is asked for later."""
    return replace(
        tenant,
        contracts=[
            replace(each, subscriptions=tuple(map(_untold, each.subscriptions)), service_requests=())
            for each in tenant.contracts
        ],
    )


def hear(books: Books, asked: Asked) -> Answer:
    """Agree on what is asked for, or refuse it (sections 8 and 14)."""
    contract = next((each for each in books.contracts(asked.said_at) if each.id == asked.contract_id), None)
    agreed = [_with(each, asked) if each.id == asked.contract_id else each for each in books.tenant.contracts]
    tenant = replace(books.tenant, contracts=agreed)
    why = "unknown" if contract is None else next(_objections(books, tenant, contract, asked), None)
    if why is None:
        books.tenant = tenant
    return Answer(asked, why)


def _objections(books: Books, tenant: Tenant, contract: Contract, asked: Asked) -> Iterator[str]:
    """Yield why something is refused that would leave the tenant like this."""
    if isinstance(asked.change, ServiceRequest):
        if is_too_much(tenant, with_request(contract, asked.change), freed(books.final)):
            yield "too much"
        return
    one = next((each for each in contract.subscriptions if each.id == asked.subscription_id), None)
    if one is None:
        yield "unknown"
        return
    start = asked.change.starting_at
    if start < one.starting_at or (one.ending_before is not None and start >= one.ending_before):
        yield "outside its time"
    if any(start <= since for since in _charged(books, one)):
        yield "charged"
    if not is_possible(_changed(one, asked)):
        yield "impossible"
    if _is_overdrawn(books, tenant, asked):
        yield "taken"


def _charged(books: Books, one: Subscription) -> Iterator[datetime]:
    """Yield the instants from which final invoices charge units, but void ones."""
    for bill in books.final:
        for line in bill.lines:
            if line.type == "subscription" and str(line.item_id).split(" ")[0] == one.id and not bill.void:
                assert line.starting_at is not None
                yield line.starting_at


def _is_overdrawn(books: Books, tenant: Tenant, asked: Asked) -> bool:
    """Whether final invoices took more than the seats would give, of some child or of somebody's part."""
    for balance in books.balances(asked.said_at):
        if balance.seats is not None and balance.seats.follows.subscription_id == asked.subscription_id:
            told = [*changes(balance, (), books.final), *later_gifts(tenant, balance, asked.said_at)]
            left = *remaining(balance, told).values(), *parts(tenant, balance, books.final, asked.said_at).values()
            if min(left, default=0) < 0:
                return True
    return False


def _with(contract: Contract, asked: Asked) -> Contract:
    """Return a contract with a request for services, or a change of a subscription, more."""
    if isinstance(asked.change, ServiceRequest):
        return with_request(contract, asked.change)
    return replace(contract, subscriptions=tuple(_changed(each, asked) for each in contract.subscriptions))


def _changed(one: Subscription, asked: Asked) -> Subscription:
    """Return a subscription with the change more, if it is meant."""
    if one.id != asked.subscription_id:
        return one
    if isinstance(asked.change, Change):
        return replace(one, changes=(*one.changes, asked.change))
    assert isinstance(asked.change, SeatChange)
    return replace(one, seat_changes=(*one.seat_changes, asked.change))


def _untold(one: Subscription) -> Subscription:
    """Return a subscription as it was agreed at first."""
    return replace(
        one,
        changes=tuple(each for each in one.changes if each.said_at is None),
        seat_changes=tuple(each for each in one.seat_changes if each.said_at is None),
    )
