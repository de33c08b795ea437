"""The oracle's renewals: what rolls over from one contract to the one that renews it (docs/pricing.md, section 18)."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from fractions import Fraction

from msgspec import Struct
from msgspec.structs import replace

from sim.oracle_draw import is_paid
from sim.oracle_number import exact
from sim.oracle_period import months_after
from sim.world import Balance, Contract, Item, Schedule, Segment


class Rolled(Struct, frozen=True):
    """What leaves a segment of an older contract, and the balance of the new one that begins with it."""

    from_contract: str
    segment_id: str
    at: datetime
    amount: Fraction
    balance: Balance
    settled_at: datetime | None = None
    """None: not yet."""
    told: tuple[Fraction, ...] = ()
    """What left in the end, as the ledger has it: one amount after the other, each time that it was settled."""

    def holding(self, amount: Fraction) -> "Rolled":
        """Return it as it is when it is settled once more, with another amount in all."""
        if amount == self.amount:
            return self
        [segment] = self.balance.segments
        balance = replace(self.balance, segments=(replace(segment, amount=str(amount)),))
        return replace(self, amount=amount, balance=balance, told=(*self.told, amount - self.amount))


def rolls_over(contract: Contract, balances: Iterable[Balance], left: Mapping[str, Fraction]) -> list[Rolled]:
    """Return what rolls over to a contract, if segments have so much left."""
    found = []
    for balance in balances:
        if balance.contract_id != contract.renews or balance.rollover is None or balance.rolled_from is not None:
            continue
        if balance.archived_at is not None:
            continue
        for segment in balance.segments:
            most = min(exact(balance.rollover) * exact(segment.amount), left[segment.id])
            if segment.starting_at < contract.starting_at <= segment.ending_before and most > 0:
                new = _new(contract, balance, most)
                found.append(Rolled(str(contract.renews), segment.id, contract.starting_at, most, new, told=(most,)))
    return found


def _new(contract: Contract, old: Balance, amount: Fraction) -> Balance:
    """Return the balance of the new contract: it pays for what the old one did, until its contract or a year ends."""
    name = f"{old.id} {contract.id} ROLLOVER"
    start, end = contract.starting_at, contract.ending_before or months_after(contract.starting_at, 12)
    return Balance(
        id=name,
        type=old.type,
        customer_id=old.customer_id,
        product_id=old.product_id,
        currency=old.currency,
        contract_id=contract.id,
        priority=old.priority,
        segments=(Segment(f"{name} access", str(amount), start, end),),
        created_at=start,
        name=old.name,
        product_ids=old.product_ids,
        tags=old.tags,
        specifiers=old.specifiers,
        schedule=_promised(old, name, end, amount),
        rate_type=old.rate_type,
        rolled_from=old.id,
        paid_before=is_paid(old),
        child_access=old.child_access,
        child_ids=old.child_ids,
    )


def _promised(old: Balance, name: str, end: datetime, amount: Fraction) -> Schedule | None:
    """Return when a promise that is promised again is trued up: when its access ends."""
    if old.type != "POSTPAID" or old.schedule is None:
        return None
    item = Item(f"{name} invoice", end, "1", str(amount))
    return Schedule(old.schedule.currency, (item,), old.schedule.do_not_invoice)
