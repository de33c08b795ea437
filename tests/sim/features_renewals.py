"""What a case shows of renewals, and of what rolls over."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sim.oracle_bill import Bill
from sim.oracle_number import exact
from sim.oracle_period import months_after
from sim.oracle_rollover import Rolled
from sim.world import Balance, Case, End

if TYPE_CHECKING:
    from sim.features import Sight

RENEWALS = (
    "renewed", "renewed again", "renewed after its end", "rolls over", "rolled over", *(
        f"rolls over {each}" for each in ("PREPAID", "POSTPAID", "CREDIT")
    ),
    "fraction rolls over", "all that is left rolls over", "nothing rolls over", "child rolls over",
    "rolled over for a year", "rolled over until the contract ends", "segment that ends before is lost",
    "rolled over pays", "rolled over pays, not settled", "rolled over before its own", "rolled promise counts",
    "rolled promise is trued up", "rolled over in a unit", "paid before, not free",
    "true-up kept by renewal", "true-up removed by renewal", "fee before it is settled",
)  # fmt: skip


def of_renewals(case: Case, sight: "Sight") -> Iterator[str]:
    """Yield what an instant shows of renewals."""
    renewals = [each for each in case.tenant.ends if each.renewed_by and each.said_at <= sight.at]
    rolling = [each for each in sight.rolled if each.settled_at is None]
    for end in renewals:
        yield from _of_renewal(case, sight, end)
    for each in sight.rolled:
        yield from _of_rolled(sight, each)
    for each in rolling:
        new = each.balance.contract_id
        if any(bill.contract_id == new and bill.type == "SCHEDULED" and _subscribed(bill) for bill in sight.drafts):
            yield "fee before it is settled"


def _of_renewal(case: Case, sight: "Sight", end: End) -> Iterator[str]:
    """Yield what a renewal does, and what does not roll over."""
    yield "renewed"
    old, new = (
        next(each for each in case.tenant.contracts if each.id == id_) for id_ in (end.contract_id, end.renewed_by)
    )
    yield from ("renewed again",) * (old.renews is not None)
    yield from ("renewed after its end",) * (old.ending_before is not None and old.ending_before < new.starting_at)
    for balance in sight.balances:
        if balance.contract_id != old.id or sight.at < new.starting_at:
            continue
        yield from _of_true_up(case, end, balance)
        went = any(each.segment_id in {one.id for one in balance.segments} for each in sight.rolled)
        if balance.rollover and exact(balance.rollover) and balance.segments and not went:
            lasting = any(each.ending_before >= new.starting_at for each in balance.segments)
            yield "nothing rolls over" if lasting else "segment that ends before is lost"
        if balance.rolled_from is not None and any(each.ending_before == new.starting_at for each in balance.segments):
            yield "rolled over is not rolled again"


def _of_true_up(case: Case, end: End, balance: Balance) -> Iterator[str]:
    """Yield what becomes of a true-up with a date from the renewal on."""
    made = next((each for each in case.tenant.balances if each.id == balance.id), None)
    if (
        made is not None
        and made.type == "POSTPAID"
        and made.schedule
        and made.schedule.items[0].at >= end.ending_before
    ):
        yield "true-up kept by renewal" if end.true_ups else "true-up removed by renewal"


def _of_rolled(sight: "Sight", rolled: Rolled) -> Iterator[str]:
    """Yield what rolls over from one segment, and what it is good for."""
    new, (segment,) = rolled.balance, rolled.balance.segments
    yield "rolls over" if rolled.settled_at is None else "rolled over"
    yield f"rolls over {new.type}"
    old = next(each for each in sight.balances if each.id == new.rolled_from)
    whole = next(exact(each.amount) for each in old.segments if each.id == rolled.segment_id)
    fraction = exact(old.rollover or "0")
    if fraction < 1:
        yield "fraction rolls over" if rolled.amount == fraction * whole else "all that is left rolls over"
    yield from ("child rolls over",) * (".r" in old.id)
    yield from ("rolled over in a unit",) * (new.currency in {"Coins", "Stars"})
    whole_year = segment.ending_before == months_after(segment.starting_at, 12)
    yield "rolled over for a year" if whole_year else "rolled over until the contract ends"
    paid = [line for bill in sight.drafts for line in bill.lines if line.segment_id == segment.id]
    if paid:
        yield "rolled over pays" if rolled.settled_at else "rolled over pays, not settled"
        yield from ("rolled promise counts",) * (new.type == "POSTPAID")
        yield from ("paid before, not free",) * new.paid_before
        others = {each.id for each in sight.balances if each.contract_id == new.contract_id} - {new.id}
        if any(line.balance_id in others for bill in sight.drafts for line in bill.lines):
            yield "rolled over before its own"
    asked = any(line.item_id == f"{new.id} invoice" for bill in sight.drafts for line in bill.lines)
    yield from ("rolled promise is trued up",) * asked


def _subscribed(bill: Bill) -> bool:
    return any(line.type == "subscription" for line in bill.lines)
