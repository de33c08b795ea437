"""Charges and what balances pay of them, as lines of an invoice."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import groupby

from msgspec import Struct, structs

from winkel.bill.draw import Paid, Payment, rest
from winkel.bill.purse import Purse
from winkel.model.commit import AccessType, Balance
from winkel.model.invoice import LineItem, LineType, TierPart
from winkel.model.money import add, multiply, negated, total
from winkel.model.period import Period
from winkel.model.product import Product, ProductType
from winkel.rate.rate import Charge


class Piece(Struct, frozen=True, gc=False):
    """Units of a charge that one balance pays for, or nobody."""

    charge: Charge
    purse: Purse | None
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    tier: TierPart | None


def usage_lines(paid: Iterable[Paid], products: Mapping[str, Product]) -> Iterator[LineItem]:
    """Yield the lines of charges: for each balance a covered and an applied line, then what nobody pays.

    The covered parts and the rest add up to the charge, in quantity and in amount (metronome-api.md §4.9). Where units
    cost some balances less, charges are cut finer than anybody needs to see: parts that are alike are one line.
    """
    for (_, period, _), some in groupby(paid, key=lambda each: (each[0].use.key, each[0].period, each[0].instalment)):
        for piece in _joined([piece for charge, payments in some for piece in _pieces(charge, payments)]):
            line = _usage_line(piece)
            yield line
            if piece.purse is not None:
                yield _applied_line(line, piece.purse.balance, period, products)


def _pieces(charge: Charge, payments: Sequence[Payment]) -> list[Piece]:
    """Return what each balance pays of a charge, then what nobody pays."""
    found = [Piece(charge, each.purse, each.quantity, each.unit_price, each.amount, each.tier) for each in payments]
    quantity, amount = rest(charge, payments)
    if quantity or amount or not payments:
        found.append(Piece(charge, None, quantity, charge.unit_price, amount, charge.tier))
    _check(charge, found)
    return found


def _joined(pieces: list[Piece]) -> list[Piece]:
    """Return the pieces, those that differ in their quantity only as one, where the first of them stands."""
    alike: dict[tuple[object, ...], Piece] = {}
    for each in pieces:
        key = each.purse and each.purse.segment.id, each.unit_price, each.tier
        if (first := alike.get(key)) is None:
            alike[key] = each
        else:
            quantity, amount = add(first.quantity, each.quantity), add(first.amount, each.amount)
            alike[key] = structs.replace(first, quantity=quantity, amount=amount)
    return list(alike.values())


def balance_name(balance: Balance, products: Mapping[str, Product], at: datetime) -> str:
    """Return the name of a balance on invoices: its own, or that of its product at the time."""
    return balance.name or products[balance.product_id].at(at).name


def _usage_line(piece: Piece) -> LineItem:
    """Return units of a charge as one line."""
    charge, use = piece.charge, piece.charge.use
    balance, part = piece.purse and piece.purse.balance, charge.instalment
    return LineItem(
        type=LineType.USAGE if part is None else LineType.SUBSCRIPTION,
        name=charge.name,
        total=piece.amount,
        credit_type_id=use.credit_type_id,
        product_id=use.product_id,
        product_type=charge.kind,
        quantity=piece.quantity,
        unit_price=piece.unit_price,
        list_price=charge.list_price,
        list_credit_type_id=charge.list_credit_type_id,
        starting_at=charge.period.start,
        ending_before=charge.period.end,
        pricing_group_values=use.pricing or None,
        presentation_group_values=use.presentation or None,
        tier=piece.tier,
        balance_id=balance.id if balance else None,
        balance_type=str(balance.type) if balance else None,
        segment_id=piece.purse.segment.id if piece.purse else None,
        access_type=balance.access_type if balance else AccessType.SPEND,
        product_tags=use.tags,
        schedule_item_id=part.item_id if part else None,
        subscription_id=part.subscription_id if part else None,
        is_prorated=part is not None and part.is_prorated,
    )


def _applied_line(covered: LineItem, balance: Balance, period: Period, products: Mapping[str, Product]) -> LineItem:
    """Return the line that takes off again what a balance pays, and says how many units that are, if it has units."""
    units = None
    if covered.access_type is AccessType.QUANTITY:
        assert covered.quantity is not None, "a charge has units"
        units = negated(covered.quantity)
    return LineItem(
        type=LineType.APPLIED,
        name=f"{balance_name(balance, products, period.start)} applied",
        total=negated(covered.total),
        credit_type_id=covered.credit_type_id,
        product_id=balance.product_id,
        product_type=ProductType.FIXED,
        starting_at=covered.starting_at,
        ending_before=covered.ending_before,
        quantity=units,
        balance_id=covered.balance_id,
        balance_type=covered.balance_type,
        segment_id=covered.segment_id,
        access_type=covered.access_type,
    )


def _check(charge: Charge, pieces: Sequence[Piece]) -> None:
    """Assert that a charge was split without loss."""
    assert total([each.quantity for each in pieces]) == charge.quantity, "no unit is lost or billed twice"
    assert multiply(charge.quantity, charge.unit_price) == charge.total, "quantity × unit price = total"
    if not charge.special:
        assert total([each.amount for each in pieces]) == charge.total, "the parts of a charge sum to the charge"
