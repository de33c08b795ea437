"""What all figures of a process are registered in, and the signs by which one sees that it works."""

from collections.abc import Callable
from time import monotonic

from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]  # it would double the number of series, for nothing that anybody looks at
REGISTRY = CollectorRegistry()
"""The figures of this process, its memory and processor time among them."""
ProcessCollector(registry=REGISTRY)

QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds, in seconds, for what should take milliseconds."""


class Sign:
    """A sign of life: something that a healthy process does again and again.

    `what` says it in a sentence for whoever reads /readyz; `within` is how old, in seconds, the last one may be.
    """

    def __init__(self, what: str, within: float, clock: Callable[[], float] = monotonic) -> None:
        self.what = what
        self.within = within
        self._clock = clock
        self._last = float("-inf")

    def give(self) -> None:
        """Say that it was done just now."""
        self._last = self._clock()

    @property
    def age(self) -> float:
        """Seconds since it was given last; infinite when it never was."""
        return self._clock() - self._last

    @property
    def missing(self) -> str:
        """What is wrong, as a sentence; empty when nothing is."""
        if self.age <= self.within:
            return ""
        if self.age == float("inf"):
            return f"not yet: {self.what}"
        return f"not for {self.age:.0f} s: {self.what}"


LOOP = Sign("the event loop turns", within=30.0)
"""Given by whoever serves the figures; a process without it hangs, and is best started again."""
