"""Other dates of issue in random contracts. They are drawn last, as edits are."""

from msgspec.structs import replace

from sim.contracts_chance import HOUR
from sim.contracts_edits import Edited
from sim.world import Case, Move

OFTEN = {"subscriptions": 0.3, "promises": 0.4, "corrections": 0.3, "anything": 0.3}


class Moved(Edited):
    """Makes what moves open scheduled invoices."""

    def with_moves(self, case: Case) -> Case:
        """Return the case, sometimes with dates of issue that are moved."""
        if not self.chance(OFTEN.get(self.theme, 0.08)):
            return case
        moves = [self.move() for _ in range(self.pick((1, 2, 3)))]
        return replace(case, moves=tuple(sorted(moves, key=lambda each: each.said_at)))

    def move(self) -> Move:
        """Return a move of some open invoice, to a date that is over or still to come."""
        said_at = self.pick(self.looks[:-1] or self.looks) + self.pick((0, 0, 3)) * HOUR
        near = said_at + self.pick((-240, -1, 0, 1, 24, 240, 744)) * HOUR
        return Move(said_at, self.rng.randrange(6), self.when() if self.chance(0.3) else near)
