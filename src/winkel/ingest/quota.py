"""A tenant's quota of events: a token bucket that refills steadily."""

import math

from msgspec import Struct


class Bucket(Struct):
    """What one tenant may still send. Time is given in seconds of any steady clock.

    A request is let in while anything is left, and may take more than that: the debt is paid off before the next one.
    So a batch that is larger than a second's quota gets through too, and on average nobody sends more than the rate.
    """

    rate: float
    """Events per second; a second's worth may be saved up."""
    left: float
    at: float

    def wait(self, now: float) -> int:
        """Return in how many whole seconds a request is let in: 0 is now."""
        self.left = min(self.rate, self.left + (now - self.at) * self.rate)
        self.at = now
        return 0 if self.left > 0 else max(1, math.ceil(-self.left / self.rate))

    def take(self, events: int) -> None:
        """Count the events of a request that was let in."""
        self.left -= events
