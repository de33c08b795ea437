"""What random contracts are drawn with: favourites of which things are made, and chance from a seed."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import TypeVar

from sim.world import Tenant

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
MONTHS = ((2026, 1), (2026, 2), (2024, 2), (2025, 12), (2026, 4))
OFFSETS = (0, 1, 24, 72, 168, 221, 336, 337, 480, 667, 671, 672, 696, 743, 744, 768, 840, 1080, 1416)
"""Hours after the first of the month at which things like to happen."""
HOURS = 24 * 75
KEYS = ("model", "team")
TAGS = ("ai", "beta")
SIZES = ("1", "2", "5", "5", "10", "2.5")
AMOUNTS = ("1", "1", "2", "5", "5", "10", "10", "30", "0.01", "100", "1000", "0.333333333333333333333333")
RATE_TYPES = ("LIST_RATE", "LIST_RATE", "LIST_RATE", "COMMIT_RATE")
PRIORITIES = ("1", "1", "1", "2", "0.5")
FREQUENCIES = ("MONTHLY", "MONTHLY", "QUARTERLY", "ANNUAL", "WEEKLY")
FRACTIONS = (None, "1", "1", "0.9", "0.9", "0.5", "0.25", "0.333", "0")
THEMES = (
    "anything", "anything", "balances", "balances", "balances", "overrides", "changes", "changes", "commits", "commits",
    "commits", "promises", "recurring", "subscriptions", "subscriptions", "composites", "composites",
    "units", "units", "renewals", "renewals", "corrections", "corrections",
)  # fmt: skip
"""What a case has most of: where many things of a kind meet, the rules that choose between them show."""
Choice = TypeVar("Choice")


class Chance:
    """Draws one case; every part of it uses the same chance, so the order of draws is part of a seed."""

    tenant: Tenant
    looks: list[datetime]

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = Random(seed)
        self.theme = self.pick(THEMES)
        self.no_overages = self.theme == "commits" and self.chance(0.25)
        """Whether usage is free that no balance pays for."""
        self.base = datetime(*self.pick(MONTHS), 1, tzinfo=UTC)
        self.favourites = [self.base + each * HOUR for each in self.rng.sample(OFFSETS, 5)]

    def themed(self, theme: str, then: "tuple[Choice, ...]", otherwise: "tuple[Choice, ...]") -> "tuple[Choice, ...]":
        """Return the options of a theme, or those of the others."""
        return then if self.theme == theme else otherwise

    def pick(self, options: "tuple[Choice, ...] | list[Choice]") -> Choice:
        """Return one of them."""
        return options[int(self.rng.random() * len(options))]

    def chance(self, probability: float) -> bool:
        """Return True as often."""
        return self.rng.random() < probability

    def some(self, options: tuple[str, ...]) -> tuple[str, ...]:
        """Return any of them, or none, in any order."""
        found = [each for each in options if self.chance(0.45)]
        return tuple(found if self.chance(0.8) else found[::-1])

    def when(self) -> datetime:
        """Return a full hour: most often one at which other things happen too."""
        if self.chance(0.85):
            return self.pick(self.favourites)
        return self.base + self.rng.randrange(HOURS) * HOUR

    def after(self, start: datetime) -> datetime:
        """Return a full hour after another."""
        later = [each for each in self.favourites if each > start]
        return self.pick(later) if later and self.chance(0.8) else start + self.pick((1, 24, 168, 744)) * HOUR

    # ── what is sold ──

    def currencies(self) -> tuple[str, ...]:
        """Return the currencies of cards, and custom units."""
        return (*self.tenant.cards.values(), *self.tenant.units, *self.tenant.units)

    def money(self, currency: str) -> str:
        """Return the currency in which something is asked for that gives so."""
        return "USD" if currency in self.tenant.units else self.pick((currency, currency, "USD"))
