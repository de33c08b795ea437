"""One seed → what one customer agreed to and used: small enough to be read, and full of coincidences.

Instants, amounts and names come from a few favourites, so that things begin together, tiers end where usage does,
balances are used up exactly and many keys of an order are equal.
"""

from datetime import timedelta

from msgspec.structs import replace

from sim.contracts_chance import DAY, HOUR, HOURS, KEYS, LONG_AGO
from sim.contracts_imports import with_imports
from sim.contracts_moves import Moved
from sim.contracts_previews import with_previews
from sim.contracts_priced import with_other_prices
from sim.contracts_quantity import in_units
from sim.contracts_services import Serving
from sim.contracts_subscribed import with_subscription_rates
from sim.contracts_windows import with_cuts
from sim.world import Case, Correction, Counted, Customer, Tenant

QUANTITIES = ("1", "2", "3", "3", "5", "5", "10", "10", "7", "0.5", "0", "-2", "-5", "1e-21", "0.1234567890123456789")
WORTHS = ("1", "1", "2", "10", "0.1", "0.002", "0.333333333333333333333333")
MANY_BALANCES = ("commits", "promises", "subscriptions", "composites", "units", "renewals", "corrections")


def make(seed: int) -> Case:
    """Return the case of a seed, always the same one."""
    return Maker(seed).case()


def theme_of(seed: int) -> str:
    """Return what the case of a seed has most of."""
    return Maker(seed).theme


class Maker(Moved, Serving):
    """Makes one case, part by part."""

    def case(self) -> Case:
        """Return it all."""
        made = Tenant("tenant", customers=[Customer("customer", "Customer", (("alias", LONG_AGO),))])
        self.tenant = made
        made.metrics = [
            self.metric(f"m{number}") for number in range(self.pick(self.themed("changes", (2, 2), (1, 1, 2))))
        ]
        made.products = [
            self.fixed("F"),
            *(
                self.product(name)
                for name in "ABC"[: self.pick((2, 2, 3) if self.theme in {"balances", "units"} else (1, 1, 2, 3))]
            ),
        ]
        if self.theme == "subscriptions" or self.chance({"units": 0.5, "renewals": 0.35}.get(self.theme, 0.1)):
            made.products += [self.subscribed(name) for name in self.pick(("S", "S", "ST"))]
        if self.theme == "composites" or self.chance(0.4 if self.theme == "units" else 0.08):
            made.products += [self.composite(name) for name in self.pick(("X", "X", "XY"))]
        made.cards = {name: self.pick(("USD", "USD", "USD", "EUR")) for name in self.pick((("one",), ("one", "two")))}
        if self.theme == "units" or self.chance(0.06):
            made.units = self.pick(self.themed("units", (("Coins", "Stars"),), (("Stars",), ("Coins", "Stars"))))
            made.worths = {(card, unit): self.pick(WORTHS) for card in made.cards for unit in made.units}
        made.rates = self.rates()
        several_looks = self.pick((1, 2, 3) if self.theme in {"renewals", "corrections"} else (0, 1, 2))
        days = {*self.rng.sample((5, 20, 31, 32, 34), several_looks), self.pick((33, 62, 75))}
        self.looks = [self.base + each * DAY for each in sorted(days)]
        made.contracts = [self.contract(f"c{number}") for number in range(self.pick((1, 1, 2, 3)))]
        renewals = self.renewals()
        made.contracts += [contract for contract, _ in renewals]
        several = self.theme if self.theme in MANY_BALANCES else "balances"
        for number in range(self.pick(self.themed(several, (3, 4, 5), (0, 1, 2)))):
            twin = made.balances and self.chance(0.6)
            made.balances.append(self.twin(f"b{number}") if twin else self.balance(f"b{number}"))
        made.entries = [self.entry(f"e{number}") for number in range(self.pick((0, 0, 0, 1, 2))) if made.balances]
        renewed = {each.contract_id for _, each in renewals} | {each.renewed_by for _, each in renewals}
        made.ends = [
            self.end(each)
            for each in made.contracts
            if each.ending_before is None and each.id not in renewed and self.chance(0.15)
        ]
        made.ends += [end for _, end in renewals]
        ended = {each.contract_id: each.ending_before for each in made.ends}
        gone = {
            segment.id
            for each in made.balances
            for segment in each.segments
            if each.contract_id in ended and segment.starting_at >= ended[each.contract_id]
        }
        made.entries = [each for each in made.entries if each.segment_id not in gone]
        many = self.pick(self.themed("renewals", (8, 14, 20), (0, 3, 6, 10, 14)))
        counted = tuple(self.counted(f"t{number}") for number in range(many))
        grace, corrections = HOUR * self.pick((24, 24, 1, 72)), self.corrections()
        in_units(self)
        with_subscription_rates(self)
        with_other_prices(self)
        case = Case(self.seed, made, counted, tuple(self.looks), grace, corrections)
        changed = self.with_moves(self.with_edits(self.with_services(self.with_seats(self.with_family(case)))))
        return with_cuts(self, with_previews(self, with_imports(self, changed)))

    def corrections(self) -> tuple[Correction, ...]:
        """Return what is voided and made anew."""
        themes: dict[str, tuple[int, ...]] = {"corrections": (2, 3, 4), "renewals": (0, 2, 3), "promises": (0, 2)}
        many = self.pick(themes.get(self.theme, (0,) * 12 + (2,)))
        if many and self.theme in themes and self.chance(0.4):  # all of it, once more
            kinds = ("VOID",) * 2 * many + ("REGENERATE",) * 2 * many
            at = self.pick(self.looks[-2:])
            return tuple(Correction(at, kind, 0) for kind in kinds)
        found = [
            Correction(at, self.pick(("VOID", "REGENERATE")), self.pick((0, 0, 1, 5)) + self.rng.randrange(4))
            for at in self.looks
            for _ in range(many)
        ]
        return tuple(replace(each, kind="VOID") if number % 2 == 0 else each for number, each in enumerate(found))

    # ── chance ──

    def counted(self, name: str) -> Counted:
        """Return an event that was counted: when something changes, or just before, or at any other time."""
        at = self.when() + self.pick((timedelta(0), timedelta(0), -timedelta(microseconds=1), HOUR / 2))
        if self.chance(0.5):
            at = self.base + self.rng.randrange(HOURS) * HOUR
        metric = self.pick(self.tenant.metrics)
        value = {"COUNT": "1", "UNIQUE": self.pick(("u", "v", "w"))}.get(metric.aggregation)
        many = ("-3", "-5", "-10") if self.theme in {"commits", "units"} else ()
        value = value or self.pick((*QUANTITIES, *many))
        values = tuple((each, self.pick(("x", "x", "x", "x", "y", "", None))) for each in KEYS)
        rarely = self.pick(self.themed("corrections", (0.4,), (0.12,)))
        late = self.pick((1, 24, 48, 800)) * HOUR if self.chance(rarely) else timedelta(0)
        return Counted(metric.id, self.pick(("customer", "customer", "alias")), at, name, values, value, at + late)
