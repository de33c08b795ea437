"""What a case shows of seats and quantities that are told late."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sim.oracle_bill import Bill
from sim.oracle_seats import begun_with, followed, gifts
from sim.oracle_told import Answer
from sim.world import Balance, Change, ServiceRequest, Subscription

if TYPE_CHECKING:
    from sim.features import Sight

TOLD = (
    "told late", "told late for a final period", "told late what a void invoice charged", "quantity told late",
    "told late and charged", "told late, charged on a date that is over",
    "told late, refused: charged", "told late, refused: impossible",
    "told late, more at the start", "told late, fewer at the start",
    "told late, gives from when it came", "pool told late", "part told late", "part told late pays",
    "part of nothing, told late",
)  # fmt: skip
"""Those that 5,000 contracts may miss are not among them."""


def of_told(sight: "Sight") -> Iterator[str]:
    """Yield what an instant shows of changes that were asked for late."""
    for each in sight.answers:
        yield from _of_answer(sight, each)
    for bill in sight.drafts:
        yield from _of_bill(sight, bill)
    for kind, old, new, _ in sight.corrected:
        if kind == "REGENERATE" and new is not None:
            quantities = [
                {(line.item_id, line.quantity) for line in bill.lines if line.type == "subscription"}
                for bill in (old, new)
            ]
            yield from ("told late, made anew with other seats",) * (quantities[0] != quantities[1] and _agreed(sight))
    for balance in sight.balances:
        one = followed(sight.books.tenant, balance, sight.at)
        if one is not None and balance.segments[0].starting_at <= sight.at:
            yield from _of_gifts(sight, balance, one)


def _agreed(sight: "Sight") -> bool:
    """Whether something was asked for late, and agreed on, by then."""
    subscriptions = (each for contract in sight.books.tenant.contracts for each in contract.subscriptions)
    changes = (each for one in subscriptions for each in (*one.changes, *one.seat_changes))
    return any(each.said_at is not None and each.said_at <= sight.at for each in changes)


def _of_answer(sight: "Sight", answer: Answer) -> Iterator[str]:
    """Yield what became of a change."""
    asked = answer.asked
    if isinstance(asked.change, ServiceRequest):
        return
    start = asked.change.starting_at
    if answer.refused is not None:
        yield f"told late, refused: {answer.refused}"
    elif start < asked.said_at:
        yield "told late"
        yield from ("quantity told late",) * isinstance(asked.change, Change)
        before = [
            each for each in sight.books.final if each not in sight.final and each.contract_id == asked.contract_id
        ]
        over = [each for each in before if each.type == "USAGE" and each.end and each.start <= start < each.end]
        yield from ("told late for a final period",) * any(not each.void for each in over)
        charged = (line for each in before if each.void for line in each.lines if line.type == "subscription")
        its = [line for line in charged if str(line.item_id).startswith(f"{asked.subscription_id} ")]
        yield from ("told late what a void invoice charged",) * any(
            (each.starting_at or start) >= start for each in its
        )


def _of_bill(sight: "Sight", bill: Bill) -> Iterator[str]:
    """Yield what is charged that was told late."""
    for one in (each for contract in sight.books.tenant.contracts for each in contract.subscriptions):
        for change in (*one.changes, *one.seat_changes):
            said_at = change.said_at
            if said_at is None or not change.starting_at < said_at <= sight.at:
                continue
            if any(line.item_id == f"{one.id} {change.starting_at:%Y-%m-%dT%H}" for line in bill.lines):
                yield "told late and charged"
                yield from ("told late, charged on a date that is over",) * (bill.start < said_at and not bill.end)


def _of_gifts(sight: "Sight", balance: Balance, one: Subscription) -> Iterator[str]:
    """Yield what seats that were told late give to a child."""
    first, *later = gifts(balance, one)
    begun = begun_with(balance, one)
    yield from ("told late, more at the start",) * (first.amount > begun.amount)
    yield from ("told late, fewer at the start",) * (first.amount < begun.amount)
    names = [{seat for seat, _ in each.per_seat} for each in (begun, first)]
    yield from ("told late, another at the start",) * (bool(names[0] - names[1]) and bool(names[1] - names[0]))
    yield from ("part of nothing, told late",) * bool(names[0] - names[1])
    late = {
        each.starting_at
        for each in (*one.changes, *one.seat_changes)
        if each.said_at is not None and each.starting_at < each.said_at
    }
    if any(each.at in late for each in later) or (names[1] - names[0]) or first.amount > begun.amount:
        yield "told late, gives from when it came"
        assert balance.seats is not None
        if not balance.seats.follows.individual:
            yield "pool told late"
            return
        yield "part told late"
        given = {seat for each in later if each.at in late for seat, _ in each.per_seat} | (names[1] - names[0])
        for bill in sight.drafts:
            for line in bill.lines:
                its = line.segment_id == balance.segments[0].id and line.type == "usage"
                seat = dict((*line.pricing, *line.presentation)).get(balance.seats.key)
                yield from ("part told late pays",) * (its and seat in given)
