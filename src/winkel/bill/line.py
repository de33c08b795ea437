"""Charges and what balances pay of them, as lines of an invoice."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from msgspec import structs

from winkel.bill.draw import Payment
from winkel.model.commit import Balance
from winkel.model.invoice import LineItem, LineType
from winkel.model.money import ZERO, divide, multiply, negated, plain, subtract, total
from winkel.model.product import Product, ProductType
from winkel.rate.rate import Charge


def usage_lines(charge: Charge, payments: Sequence[Payment], products: Mapping[str, Product]) -> list[LineItem]:
    """Return the lines of one charge: for each balance a covered and an applied line, then what nobody pays.

    The covered parts and the rest add up to the charge, in quantity and in amount (metronome-api.md §4.9).
    """
    whole = _usage_line(charge)
    if not payments:
        return [whole]
    found: list[LineItem] = []
    quantity, amount = charge.quantity, charge.total
    for payment in payments:
        balance, segment = payment.purse.balance, payment.purse.segment
        part = quantity if payment.amount == amount else min(quantity, _quantity(payment.amount, charge.unit_price))
        covered = structs.replace(
            whole,
            quantity=part,
            total=payment.amount,
            balance_id=balance.id,
            balance_type=str(balance.type),
            segment_id=segment.id,
        )
        found += [covered, _applied_line(covered, balance, products)]
        quantity, amount = subtract(quantity, part), subtract(amount, payment.amount)
    if amount:
        found.append(structs.replace(whole, quantity=quantity, total=amount))
    _check(charge, found)
    return found


def balance_name(balance: Balance, products: Mapping[str, Product], at: datetime) -> str:
    """Return the name of a balance on invoices: its own, or that of its product at the time."""
    return balance.name or products[balance.product_id].at(at).name


def _usage_line(charge: Charge) -> LineItem:
    """Return a charge as one line."""
    use = charge.use
    return LineItem(
        type=LineType.USAGE,
        name=charge.name,
        total=charge.total,
        credit_type_id=use.credit_type_id,
        product_id=use.product_id,
        product_type=ProductType.USAGE,
        quantity=charge.quantity,
        unit_price=charge.unit_price,
        list_price=charge.list_price,
        starting_at=charge.period.start,
        ending_before=charge.period.end,
        pricing_group_values=use.pricing or None,
        presentation_group_values=use.presentation or None,
        tier=charge.tier,
        product_tags=use.tags,
    )


def _applied_line(covered: LineItem, balance: Balance, products: Mapping[str, Product]) -> LineItem:
    """Return the line that takes off again what a balance pays."""
    assert covered.starting_at is not None, "usage has a time"
    return LineItem(
        type=LineType.APPLIED,
        name=f"{balance_name(balance, products, covered.starting_at)} applied",
        total=negated(covered.total),
        credit_type_id=covered.credit_type_id,
        product_id=balance.product_id,
        product_type=ProductType.FIXED,
        starting_at=covered.starting_at,
        ending_before=covered.ending_before,
        balance_id=covered.balance_id,
        balance_type=covered.balance_type,
        segment_id=covered.segment_id,
    )


def _quantity(amount: Decimal, unit_price: Decimal) -> Decimal:
    """Return how many units an amount pays for, to 20 decimal places where the quotient doesn't end."""
    return plain(divide(amount, unit_price))


def _check(charge: Charge, lines: Sequence[LineItem]) -> None:
    """Assert that a charge was split without loss."""
    parts = [line for line in lines if line.type is LineType.USAGE]
    assert total([part.total for part in parts]) == charge.total, "the parts of a charge sum to the charge"
    assert total([part.quantity or ZERO for part in parts]) == charge.quantity, "no unit is lost or billed twice"
    assert multiply(charge.quantity, charge.unit_price) == charge.total, "quantity × unit price = total"
