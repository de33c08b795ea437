"""Draws balances down: which balance pays how much of which charge."""

from collections import defaultdict
from collections.abc import Iterable, MutableMapping, Sequence
from decimal import Decimal
from typing import TypeAlias

from msgspec import Struct

from winkel.bill.purse import Purse, applies, seat_of
from winkel.model.invoice import TierPart
from winkel.model.money import ZERO, add, divide, multiply, negated, plain, subtract, total
from winkel.rate.rate import Charge


class Payment(Struct, frozen=True, gc=False):
    """What one segment pays of one charge: units at a unit price."""

    purse: Purse
    quantity: Decimal
    """To 20 decimal places where the amount is no multiple of the unit price."""
    unit_price: Decimal
    amount: Decimal
    """Quantity × unit price but for those places; exact. Zero only where units cost this balance nothing."""
    worth: Decimal
    """What it takes off the charge, at the charge's own unit price; exact. Without a special price: the amount."""
    tier: TierPart | None = None

    @property
    def drawn(self) -> Decimal:
        """What it takes from the segment: units, or an amount."""
        return self.quantity if self.purse.by_quantity else self.amount


class Open(Struct):
    """What is not yet paid of a charge, as the balances come one after the other."""

    quantity: Decimal
    amount: Decimal
    """At the charge's own unit price."""


Paid: TypeAlias = tuple[Charge, list[Payment]]
"""A charge with what balances pay of it."""


def draw(charges: Sequence[Charge], purses: Sequence[Purse], left: MutableMapping[str, Decimal]) -> list[Paid]:
    """Return every charge, in the given order, with what balances pay of it.

    `purses` come in the order in which they pay; `left` is what remains in each segment, by its id, or of each seat's
    part (`Purse.drawn_by`), before and after. Charges are covered in the order of `_turn`, by units in that of
    `_as_counted`. A balance never pays more than it has, nor more than a charge's part that is not set off (`payable`),
    and no part of a charge is paid twice.
    """
    payments: dict[int, list[Payment]] = defaultdict(list)
    if not purses:
        return [(charge, []) for charge in charges]
    by_quantity = any(purse.by_quantity for purse in purses)
    parts = payable(charges, free=by_quantity)
    as_counted = _as_counted(charges, parts) if by_quantity else []
    for purse in purses:
        for index in as_counted if purse.by_quantity else parts:
            charge, part = charges[index], parts[index]
            if not part.quantity and not part.amount:
                continue
            its_id = purse.drawn_by(charge.use)
            has = left.get(its_id, ZERO)  # an id that has no seat has no part
            if has > ZERO and _may_pay(purse, charge):
                payment = (_units if purse.by_quantity else _payment)(charge, part, purse, has)
                if payment is not None:
                    payments[index].append(payment)
                    left[its_id] = subtract(has, payment.drawn)
                    assert left[its_id] >= ZERO, "a balance is never drawn below zero"
    return [(charge, payments.get(index, [])) for index, charge in enumerate(charges)]


def _may_pay(purse: Purse, charge: Charge) -> bool:
    return purse.pays_for(charge.kind) and purse.is_open(charge.paid_during) and applies(purse.balance, charge.use)


def _units(charge: Charge, part: Open, purse: Purse, has: Decimal) -> Payment | None:
    """Return what a segment that has so many units covers of the open part, and take it off; None: no unit is open.

    Units are covered whatever they cost, also nothing.
    """
    if not part.quantity:
        return None
    special = charge.part_for(purse.balance.id)
    quantity = min(part.quantity, has)
    worth = _worth(charge, part, quantity)
    part.quantity, part.amount = subtract(part.quantity, quantity), subtract(part.amount, worth)
    if special is None:
        return Payment(purse, quantity, charge.unit_price, worth, worth, charge.tier)
    return Payment(purse, quantity, special.unit_price, multiply(quantity, special.unit_price), worth, special.tier)


def _payment(charge: Charge, part: Open, purse: Purse, has: Decimal) -> Payment | None:
    """Return what a segment that has so much pays of the open part, and take it off; None: it costs nothing anyway."""
    special = charge.part_for(purse.balance.id)
    if special is None:
        price, cost, tier = charge.unit_price, part.amount, charge.tier
    else:
        price, cost, tier = special.unit_price, multiply(part.quantity, special.unit_price), special.tier
    if not (part.amount if special is None else part.quantity):
        return None
    if cost <= has:
        quantity, amount, worth = part.quantity, cost, part.amount
    else:
        quantity, amount = min(part.quantity, plain(divide(has, price))), has
        worth = has if special is None else _worth(charge, part, quantity)
    part.quantity, part.amount = subtract(part.quantity, quantity), subtract(part.amount, worth)
    return Payment(purse, quantity, price, amount, worth, tier)


def _worth(charge: Charge, part: Open, quantity: Decimal) -> Decimal:
    """Return what some units of the open part cost at the charge's own price: of all of them, all that is open.

    Earlier payments may have rounded quantities, so units × price may differ from the open amount in the last places.
    """
    return part.amount if quantity == part.quantity else min(part.amount, multiply(quantity, charge.unit_price))


def payable(charges: Sequence[Charge], *, free: bool = False) -> dict[int, Open]:
    """Return by index what balances may pay of each charge, in the order in which charges are covered.

    That is its total, less what negative charges take back. A negative charge (usage that was corrected, or a LATEST
    value that fell) takes back the last positive charges of the same product, group and currency on the same invoice.
    So balances pay at most the net of each group, nothing is refilled, and a free balance never turns into a refund in
    money. Units that are given back for nothing take back units that were charged at nothing, for a balance may have
    paid for those at its commit rate. With `free` units that cost nothing are among what may be paid for.
    """
    back: dict[tuple[object, ...], Decimal] = defaultdict(lambda: ZERO)
    back_free: dict[tuple[object, ...], Decimal] = defaultdict(lambda: ZERO)
    for charge in charges:
        if charge.total < ZERO:
            back[charge.use.key] = subtract(back[charge.use.key], charge.total)
        elif charge.quantity < ZERO:
            back_free[charge.use.key] = subtract(back_free[charge.use.key], charge.quantity)
    wanted = (
        index
        for index, each in enumerate(charges)
        if each.total > ZERO or (each.quantity > ZERO and (free or each.special or back_free))
    )
    found: list[tuple[int, Open]] = []
    for index in sorted(wanted, key=lambda index: (*_turn(charges[index]), index), reverse=True):
        charge = charges[index]
        left, taking = (charge.total, back) if charge.total else (charge.quantity, back_free)
        if taking:
            taken = min(left, taking[charge.use.key])
            taking[charge.use.key] = subtract(taking[charge.use.key], taken)
            left = subtract(left, taken)
        if left:
            found.append((index, Open(_quantity(charge, left), left) if charge.total else Open(left, ZERO)))
    return dict(reversed(found))


def _quantity(charge: Charge, amount: Decimal) -> Decimal:
    """Return how many units of a charge an amount is; to 20 decimal places where the quotient doesn't end."""
    return charge.quantity if amount == charge.total else min(charge.quantity, plain(divide(amount, charge.unit_price)))


def _turn(charge: Charge) -> tuple[object, ...]:
    """Return the sort key of a charge: which line is covered first (metronome-api.md §4.7).

    Earlier start, higher unit price, name from A to Z; then product, groups and tier. Subscriptions may be alike in all
    of that: then the one is covered first that was agreed first, so nothing is left to chance.
    """
    return (
        charge.period.start,
        negated(charge.unit_price),
        charge.name,
        charge.use.product_id,
        sorted(charge.use.pricing.items()),
        sorted((name, value is not None, value or "") for name, value in charge.use.presentation.items()),
        charge.tier.level if charge.tier else 0,
        charge.position,
    )


def _as_counted(charges: Sequence[Charge], parts: Iterable[int]) -> list[int]:
    """Return the indexes of parts in the order in which units are covered.

    Those of one product, group and time as they were counted, so that the first units used are those that cost nothing
    however a period is cut; of different ones as `_turn` has it, by the first unit.
    """
    first: dict[tuple[object, ...], tuple[object, ...]] = {}
    for each in charges:
        first.setdefault((each.use.key, each.period), _turn(each))
    return sorted(parts, key=lambda index: (first[charges[index].use.key, charges[index].period], index))


def rest(charge: Charge, payments: Sequence[Payment]) -> tuple[Decimal, Decimal]:
    """Return what nobody pays of a charge: its quantity and its amount, exactly what is left of its total."""
    quantity = subtract(charge.quantity, total([each.quantity for each in payments]))
    return quantity, subtract(charge.total, total([each.worth for each in payments]))


class Taken(Struct):
    """What a segment pays in total: an amount, or units."""

    purse: Purse
    amount: Decimal = ZERO
    per_seat: dict[str, Decimal] = {}
    """What of it the parts of seats pay."""


def taken(paid: Sequence[Paid]) -> dict[str, Taken]:
    """Return what each segment pays in total, by segment id, in the order of the lines."""
    found: dict[str, Taken] = {}
    for charge, payments in paid:
        for payment in payments:
            if not payment.drawn:
                continue
            its = found.setdefault(payment.purse.segment.id, Taken(payment.purse))
            its.amount = add(its.amount, payment.drawn)
            seat = seat_of(payment.purse.balance, charge.use)
            if seat is not None:
                its.per_seat[seat] = add(its.per_seat.get(seat, ZERO), payment.drawn)
    return found
