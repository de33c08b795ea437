"""Identity as equality: to remember what follows from a large thing without comparing all that is in it."""

from typing import Generic, TypeVar

T = TypeVar("T")


class Same(Generic[T]):
    """A thing that equals nothing but itself. Whoever keeps one keeps the thing, so its identity stays its own.

    For caches of pure functions: the same immutable arguments give the same result.
    """

    __slots__ = ("it",)

    def __init__(self, it: T) -> None:
        self.it = it

    def __hash__(self) -> int:
        return id(self.it)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.it is other.it
