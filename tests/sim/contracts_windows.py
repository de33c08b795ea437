"""Windows of random contracts, drawn last: what a seed made before it knew them it still makes."""

from msgspec.structs import replace

from sim.contracts_chance import HOUR, HOURS, Chance
from sim.world import Case


def with_cuts(chance: Chance, case: Case) -> Case:
    """Return the case, sometimes with instants at which its statements are cut into windows."""
    if not case.counted or not chance.chance(0.12):
        return case
    several = range(chance.pick((1, 2, 5)))
    return replace(case, cuts=tuple(sorted({chance.base + chance.rng.randrange(HOURS) * HOUR for _ in several})))
