"""Who says which partitions a meter may take: a consumer group, or nobody."""

from collections.abc import Collection, Mapping
from typing import Protocol


class Membership(Protocol):
    """A meter's place among those that share the partitions of a log.

    It only spreads the work. That a partition is metered once is due to the epochs of `store/progress.py`, whatever
    a group believes: a member keeps what it was given until whoever is given it next takes it (fleet/worker.py).
    """

    async def assigned(self) -> Collection[int] | None:
        """Return the partitions that are this member's now; None: nobody says, members agree among themselves.

        Whoever never asks counts as hung, and loses them. Raises `UnavailableError`.
        """
        ...

    def show(self, positions: Mapping[int, int]) -> None:
        """Say how far these partitions are metered here (→ next offset): for people, who look at the group's lag."""
        ...

    async def leave(self) -> None:
        """Let the others have everything at once."""
        ...


class Unled:
    """The place of a meter where no group exists: members take fair shares by leases in the database."""

    async def assigned(self) -> Collection[int] | None:
        """Return None."""
        return None

    def show(self, positions: Mapping[int, int]) -> None:
        """Do nothing: the database knows."""

    async def leave(self) -> None:
        """Do nothing."""
