"""Previews of random contracts, drawn last: what a seed made before it knew them it still makes."""

from datetime import datetime

from msgspec.structs import replace

from sim.contracts_chance import HOUR, Chance
from sim.world import Case, Counted, Preview


def with_previews(chance: Chance, case: Case) -> Case:
    """Return the case, sometimes with questions of what some events would cost."""
    if not case.counted or not chance.chance(0.15):
        return case
    return replace(case, previews=tuple(_one(chance, case, at) for at in case.looks for _ in range(2)))


def _one(chance: Chance, case: Case, at: datetime) -> Preview:
    customer = chance.pick(case.tenant.customers).id
    events = [_like(chance, case, customer, at, number) for number in range(chance.pick((0, 1, 2, 4)))]
    return Preview(at, customer, chance.chance(0.6), tuple(events))


def _like(chance: Chance, case: Case, customer: str, at: datetime, number: int) -> Counted:
    """Return an event like one that was counted, of this or the last period, or of the hour before."""
    like, hours = chance.pick(case.counted), chance.pick((1, 24, 24 * 35))
    then = at - HOUR * (1 + chance.rng.randrange(hours))
    return Counted(like.metric_id, customer, then, f"p{number}", like.values, like.value)
