"""The oracle's lines of a charge and of what balances pay of it (docs/pricing.md, sections 1 and 6)."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from fractions import Fraction

from sim.oracle_bill import Line
from sim.oracle_charge import Charge
from sim.oracle_draw import Payer
from sim.oracle_number import divided
from sim.oracle_rate import terms_at
from sim.world import Tenant


def lines(tenant: Tenant, charge: Charge, payments: Iterable[tuple[Payer, Fraction]]) -> Iterator[Line]:
    """Yield the parts that balances pay, each with an equal negative line, and then the rest."""
    whole = usage_line(charge)
    quantity, amount = charge.quantity, charge.total
    for (balance, segment), paid in payments:
        part = quantity if paid == amount else min(quantity, divided(paid, charge.unit_price))
        yield replace(whole, quantity=part, total=paid, balance_id=balance.id, segment_id=segment.id)
        yield Line(
            "applied_commit_or_credit",
            (balance.name or name_of(tenant, balance.product_id, charge.start)) + " applied",
            balance.product_id,
            -paid,
            starting_at=charge.start,
            ending_before=charge.end,
            balance_id=balance.id,
            segment_id=segment.id,
        )
        quantity, amount = quantity - part, amount - paid
    if amount or charge.total == 0:
        yield replace(whole, quantity=quantity, total=amount)


def usage_line(charge: Charge) -> Line:
    """Return a charge as one line."""
    return Line(
        "usage",
        charge.name,
        charge.use.product_id,
        charge.total,
        charge.quantity,
        charge.unit_price,
        charge.list_price,
        charge.start,
        charge.end,
        charge.use.pricing,
        charge.use.presentation,
        charge.use.tags,
        charge.tier,
    )


def name_of(tenant: Tenant, product_id: str, at: datetime) -> str:
    """Return the name that a product has at an instant."""
    return terms_at(next(each for each in tenant.products if each.id == product_id), at).name
