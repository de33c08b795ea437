"""Draws balances down: which balance pays how much of which charge."""

from collections import defaultdict
from collections.abc import MutableMapping, Sequence
from decimal import Decimal
from typing import TypeAlias

from msgspec import Struct

from winkel.bill.purse import Purse
from winkel.model.invoice import TierPart
from winkel.model.money import ZERO, add, divide, multiply, plain, subtract, total
from winkel.rate.rate import Charge


class Payment(Struct, frozen=True, gc=False):
    """What one segment pays of one charge: units at a unit price."""

    purse: Purse
    quantity: Decimal
    """Above zero; to 20 decimal places where the amount is no multiple of the unit price."""
    unit_price: Decimal
    amount: Decimal
    """Quantity × unit price but for those places; exact. Zero only where units cost this balance nothing."""
    tier: TierPart | None = None


class Open(Struct):
    """What is not yet paid of a charge, as the balances come one after the other."""

    quantity: Decimal
    amount: Decimal
    """At the charge's own unit price."""


Paid: TypeAlias = tuple[Charge, list[Payment]]
"""A charge with what balances pay of it."""


def draw(charges: Sequence[Charge], purses: Sequence[Purse], left: MutableMapping[str, Decimal]) -> list[Paid]:
    """Return every charge, in the given order, with what balances pay of it.

    `purses` come in the order in which they pay; `left` is what remains in each segment, by its id, before and after.
    Charges are covered
    in the order of `_turn`. A balance never pays more than it has, nor more than a charge's part that is not set off
    (`payable`), and no part of a charge is paid twice.
    """
    payments: dict[int, list[Payment]] = defaultdict(list)
    if purses:
        parts = payable(charges)
        for index in sorted(parts, key=lambda index: _turn(charges[index])):
            charge, part = charges[index], parts[index]
            for purse in purses:
                if not part.quantity:
                    break
                has = left[purse.segment.id]
                if has > ZERO and purse.may_pay(charge.use, charge.paid_during):
                    payment = _payment(charge, part, purse, has)
                    if payment is not None:
                        payments[index].append(payment)
                        left[purse.segment.id] = subtract(has, payment.amount)
                        assert left[purse.segment.id] >= ZERO, "a balance is never drawn below zero"
    return [(charge, payments.get(index, [])) for index, charge in enumerate(charges)]


def _payment(charge: Charge, part: Open, purse: Purse, has: Decimal) -> Payment | None:
    """Return what a segment that has so much pays of the open part, and take it off; None: it costs nothing anyway."""
    special = charge.part_for(purse.balance.id)
    if special is None and not part.amount:
        return None
    price = charge.unit_price if special is None else special.unit_price
    cost = part.amount if special is None else multiply(part.quantity, price)
    if cost <= has:
        quantity, amount = part.quantity, cost
    else:
        quantity, amount = min(part.quantity, plain(divide(has, price))), has
    part.quantity = subtract(part.quantity, quantity)
    part.amount = subtract(part.amount, amount if special is None else multiply(quantity, charge.unit_price))
    return Payment(purse, quantity, price, amount, charge.tier if special is None else special.tier)


def payable(charges: Sequence[Charge]) -> dict[int, Open]:
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
    free = {index: ZERO for index, charge in enumerate(charges) if charge.special and charge.quantity > ZERO}
    return {
        index: Open(_quantity(charges[index], amount), amount)
        for index, amount in {**free, **amounts}.items()
        if amount or not charges[index].total
    }


def _quantity(charge: Charge, amount: Decimal) -> Decimal:
    """Return how many units of a charge an amount is; to 20 decimal places where the quotient doesn't end."""
    return charge.quantity if amount == charge.total else min(charge.quantity, plain(divide(amount, charge.unit_price)))


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
        sorted((name, value is not None, value or "") for name, value in charge.use.presentation.items()),
        charge.tier.level if charge.tier else 0,
        charge.position,
    )


def rest(charge: Charge, payments: Sequence[Payment]) -> tuple[Decimal, Decimal]:
    """Return what nobody pays of a charge: its quantity and its amount, exactly what is left of its total."""
    quantity = subtract(charge.quantity, total([each.quantity for each in payments]))
    if not quantity:
        return ZERO, ZERO
    worth = [
        each.amount if charge.part_for(each.purse.balance.id) is None else multiply(each.quantity, charge.unit_price)
        for each in payments
    ]
    return quantity, subtract(charge.total, total(worth))


def taken(paid: Sequence[Paid]) -> dict[str, tuple[Purse, Decimal]]:
    """Return what each segment pays in total, by segment id, in the order of the lines."""
    found: dict[str, tuple[Purse, Decimal]] = {}
    for _, payments in paid:
        for payment in payments:
            if not payment.amount:
                continue
            segment_id = payment.purse.segment.id
            _, before = found.get(segment_id, (payment.purse, ZERO))
            found[segment_id] = payment.purse, add(before, payment.amount)
    return found
