"""Draws balances down: which balance pays how much of which charge."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal

from msgspec import Struct

from winkel.bill.purse import Purse
from winkel.model.money import ZERO, add, subtract
from winkel.rate.rate import Charge


class Payment(Struct, frozen=True, gc=False):
    """What one segment pays of one charge; above zero."""

    purse: Purse
    amount: Decimal


def draw(
    charges: Sequence[Charge], purses: Sequence[Purse], left: Mapping[str, Decimal]
) -> list[tuple[Charge, list[Payment]]]:
    """Return every charge, in the given order, with what balances pay of it.

    `purses` come in the order in which they pay; `left` is what remains in each segment, by its id. Charges are covered
    in the order of `_turn`. A balance never pays more than it has, nor more than a charge's part that is not set off
    (`payable`), and no part of a charge is paid twice.
    """
    payments: dict[int, list[Payment]] = defaultdict(list)
    if purses:
        open_amounts = payable(charges)
        remaining = dict(left)
        for index in sorted(open_amounts, key=lambda index: _turn(charges[index])):
            open_amount = open_amounts[index]
            for purse in purses:
                if not open_amount:
                    break
                amount = min(open_amount, remaining[purse.segment.id])
                if amount > ZERO and purse.may_pay(charges[index].use, charges[index].period):
                    payments[index].append(Payment(purse, amount))
                    open_amount = subtract(open_amount, amount)
                    remaining[purse.segment.id] = subtract(remaining[purse.segment.id], amount)
                    assert remaining[purse.segment.id] >= ZERO, "a balance is never drawn below zero"
    return [(charge, payments.get(index, [])) for index, charge in enumerate(charges)]


def payable(charges: Sequence[Charge]) -> dict[int, Decimal]:
    """Return by index what balances may pay of each charge: its total, less what negative charges take back.

    A negative charge (usage that was corrected, or a LATEST value that fell) takes back the last positive charges of
    the same product, group and currency on the same invoice. So balances pay at most the net of each group, nothing is
    refilled, and a free balance never turns into a refund in money.
    """
    back: dict[tuple[object, ...], Decimal] = defaultdict(lambda: ZERO)
    for charge in charges:
        if charge.total < ZERO:
            back[charge.use.key] = subtract(back[charge.use.key], charge.total)
    amounts = {index: charge.total for index, charge in enumerate(charges) if charge.total > ZERO}
    if back:
        for index in sorted(amounts, key=lambda index: _turn(charges[index]), reverse=True):
            key = charges[index].use.key
            taken = min(amounts[index], back[key])
            amounts[index] = subtract(amounts[index], taken)
            back[key] = subtract(back[key], taken)
    return {index: amount for index, amount in amounts.items() if amount}


def _turn(charge: Charge) -> tuple[object, ...]:
    """Return the sort key of a charge: which line is covered first (metronome-api.md §4.7).

    Earlier start, higher unit price, name from A to Z; then product, groups and tier: nothing is left to chance.
    """
    return (
        charge.period.start,
        -charge.unit_price,
        charge.name,
        charge.use.product_id,
        sorted(charge.use.pricing.items()),
        sorted((name, value or "") for name, value in charge.use.presentation.items()),
        charge.tier.level if charge.tier else 0,
    )


def taken(paid: Sequence[tuple[Charge, Sequence[Payment]]]) -> dict[str, tuple[Purse, Decimal]]:
    """Return what each segment pays in total, by segment id, in the order of the lines."""
    found: dict[str, tuple[Purse, Decimal]] = {}
    for _, payments in paid:
        for payment in payments:
            segment_id = payment.purse.segment.id
            _, before = found.get(segment_id, (payment.purse, ZERO))
            found[segment_id] = payment.purse, add(before, payment.amount)
    return found
