"""Partitions that a consumer group has given to somebody who does not meter them: dead, and not missed by it yet."""

from collections.abc import Collection

WAIT_SECONDS = 1.0
"""How long a partition may be without an owner until any meter takes it.

Meters that lost the database for a moment are back by then, and most changes of hands within a group are over. Who is
later takes back what the group gave to it.
"""


class Unowned:
    """Which partitions a meter takes without having been given them, and keeps until somebody else takes them."""

    def __init__(self) -> None:
        self.taken: set[int] = set()
        """Those that this meter holds although the group has given them to others."""
        self._since: dict[int, float] = {}

    def settle(self, others: Collection[int], held: Collection[int]) -> None:
        """Forget what somebody took from us, and what is not the others' any more: the group has given it to us."""
        self.taken = {each for each in self.taken if each in held and each in others}

    def waiting(self, unowned: Collection[int], now: float) -> list[int]:
        """Return those that have waited long enough, of all that are without an owner at `now` (in seconds)."""
        self._since = {each: self._since.get(each, now) for each in sorted(unowned)}
        return [each for each, since in self._since.items() if now - since >= WAIT_SECONDS]
