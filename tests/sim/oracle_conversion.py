"""The oracle's conversions: what is left in custom pricing units becomes money (docs/pricing.md, section 16)."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from fractions import Fraction

from sim.oracle_charge import Charge
from sim.oracle_draw import Paid
from sim.oracle_number import exact
from sim.oracle_target import Use
from sim.world import Contract, Tenant

HOUR = timedelta(hours=1)


def conversions(
    tenant: Tenant, contract: Contract, paid: Iterable[Paid], start: datetime, end: datetime, paid_at: datetime
) -> Iterator[Charge]:
    """Yield one charge for each unit of which something is left: so many units at what one is worth on the card.

    Of a scheduled invoice `start` and `end` are its date.
    """
    left = dict.fromkeys(tenant.units, Fraction(0))
    for each in paid:
        if each.charge.use.currency in left:
            left[each.charge.use.currency] += each.rest[1]
    for unit, amount in left.items():
        if amount:
            yield Charge(
                use=Use(unit, (), (), (), tenant.cards[contract.card_id], conversion=True),
                name=f"{unit} conversion",
                start=start,
                end=end,
                quantity=amount,
                unit_price=exact(tenant.worths[contract.card_id, unit]),
                list_price=None,
                tier=None,
                type="cpu_conversion",
                paid_at=paid_at,
            )
