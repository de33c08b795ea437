"""The oracle's lines of a charge and of what balances pay of it (docs/pricing.md, sections 1 and 6)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from fractions import Fraction
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from sim.oracle_bill import Line
from sim.oracle_charge import Charge, Payer, Tier
from sim.oracle_draw import Paid
from sim.oracle_rate import terms_at
from sim.world import QUANTITY, Tenant


class Part(Struct, frozen=True):
    """Units of a charge at one price, and who pays for them."""

    payer: Payer | None
    unit_price: Fraction
    tier: Tier | None
    quantity: Fraction
    amount: Fraction


def lines(tenant: Tenant, paid: Iterable[Paid]) -> Iterator[Line]:
    """Yield the parts that balances pay, each with an equal negative line, and what nobody pays.

    Of one product, group and time, parts at the same price and tier that the same segment pays are one line.
    """
    runs: dict[Any, list[Paid]] = defaultdict(list)
    for each in paid:
        runs[each.charge.use, each.charge.start, each.charge.end, each.charge.item_id].append(each)
    for some in runs.values():
        alike: dict[Any, list[Part]] = defaultdict(list)
        for each in some:
            for part in _parts(each):
                alike[part.payer, part.unit_price, part.tier].append(part)
        for (payer, unit_price, tier), parts in alike.items():
            total = sum((part.amount for part in parts), Fraction(0))
            quantity = sum((part.quantity for part in parts), Fraction(0))
            charge = replace(some[0].charge, quantity=quantity, unit_price=unit_price, tier=tier)
            line = replace(usage_line(tenant, charge), total=total)
            at = charge.paid_at if charge.use.conversion else charge.start
            yield from _paid_lines(tenant, line, payer, at or charge.start) if payer else [line]


def _parts(paid: Paid) -> Iterator[Part]:
    for each in paid.payments:
        yield Part(each.payer, each.unit_price, each.tier, each.quantity, each.amount)
    quantity, amount = paid.rest
    if quantity or amount or not paid.payments:
        yield Part(None, paid.charge.unit_price, paid.charge.tier, quantity, amount)


def _paid_lines(tenant: Tenant, line: Line, payer: Payer, at: datetime) -> Iterator[Line]:
    """Yield a line that a segment pays, and the one that takes it off again, named as at that instant."""
    balance, segment = payer
    yield replace(line, balance_id=balance.id, segment_id=segment.id)
    yield Line(
        "applied_commit_or_credit",
        (balance.name or name_of(tenant, balance.product_id, at)) + " applied",
        balance.product_id,
        -line.total,
        starting_at=line.starting_at,
        ending_before=line.ending_before,
        balance_id=balance.id,
        segment_id=segment.id,
        quantity=-line.quantity if line.quantity and balance.currency == QUANTITY else None,
        unit=line.unit,
        promised=balance.type == "POSTPAID",
    )


def usage_line(tenant: Tenant, charge: Charge) -> Line:
    """Return a charge as one line; what is charged for a date has no time."""
    timed = charge.start != charge.end
    return Line(
        "usage" if charge.type == "composite" else charge.type,
        charge.name,
        "" if charge.use.conversion else charge.use.product_id,
        charge.total,
        charge.quantity,
        charge.unit_price,
        charge.list_price,
        charge.start if timed else None,
        charge.end if timed else None,
        charge.use.pricing,
        charge.use.presentation,
        charge.use.tags,
        charge.tier,
        item_id=charge.item_id,
        prorated=charge.prorated,
        list_unit=charge.list_unit,
        unit=charge.use.currency if charge.use.currency in tenant.units else None,
    )


def name_of(tenant: Tenant, product_id: str, at: datetime) -> str:
    """Return the name that a product has at an instant."""
    return terms_at(next(each for each in tenant.products if each.id == product_id), at).name
