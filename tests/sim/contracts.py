"""One seed → what one customer agreed to and used: small enough to be read, and full of coincidences.

Instants, amounts and names come from a few favourites, so that things begin together, tiers end where usage does,
balances are used up exactly and many keys of an order are equal.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import TypeVar

from sim.world import (
    Balance,
    Case,
    Change,
    Condition,
    Contract,
    Correction,
    Counted,
    Customer,
    End,
    Entry,
    Filter,
    Item,
    Metric,
    Override,
    Price,
    Product,
    Rate,
    Recurring,
    Schedule,
    ScheduledCharge,
    Segment,
    Specifier,
    Subscription,
    Tenant,
    Terms,
    Values,
)

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
MONTHS = ((2026, 1), (2026, 2), (2024, 2), (2025, 12), (2026, 4))
OFFSETS = (0, 1, 24, 72, 168, 221, 336, 337, 480, 667, 671, 672, 696, 743, 744, 768, 840, 1080, 1416)
"""Hours after the first of the month at which things like to happen."""
HOURS = 24 * 75
KEYS = ("model", "team")
TAGS = ("ai", "beta")
AGGREGATIONS = ("SUM", "SUM", "SUM", "COUNT", "MAX", "LATEST", "LATEST", "UNIQUE")
PRICES = ("1", "1", "2", "3", "0", "0.5", "0.3", "7", "0.000123456789012345678901234567")
SIZES = ("1", "2", "5", "5", "10", "2.5")
QUANTITIES = ("1", "2", "3", "3", "5", "5", "10", "10", "7", "0.5", "0", "-2", "-5", "1e-21", "0.1234567890123456789")
AMOUNTS = ("1", "1", "2", "5", "5", "10", "10", "30", "0.01", "100", "1000", "0.333333333333333333333333")
SMALL = ("1", "2", "3", "5", "5", "10", "30", "0.01", "0.333333333333333333333333")
FACTORS = (("DIVIDE", "3"), ("DIVIDE", "1000"), ("DIVIDE", "4"), ("MULTIPLY", "2"), ("MULTIPLY", "0.5"))
ROUNDINGS = (("ROUND_UP", 0), ("ROUND_DOWN", 0), ("ROUND_HALF_UP", 0), ("ROUND_UP", 1), ("ROUND_HALF_UP", 2))
SHARE_ROUNDINGS = (
    None,
    None,
    ("HALF_UP", 0),
    ("FLOOR", 0),
    ("CEILING", 0),
    ("HALF_UP", 2),
    ("FLOOR", 2),
    ("FLOOR", -1),
)
MULTIPLIERS = ("0.5", "0.5", "0.9", "0", "1", "1.5", "0.8")
RATE_TYPES = ("LIST_RATE", "LIST_RATE", "LIST_RATE", "COMMIT_RATE")
PRIORITIES = ("1", "1", "1", "2", "0.5")
FREQUENCIES = ("MONTHLY", "MONTHLY", "QUARTERLY", "ANNUAL", "WEEKLY")
FRACTIONS = (None, "1", "1", "0.9", "0.9", "0.5", "0.25", "0.333", "0")
SHARES = ("0.1", "0.1", "0.05", "0.5", "1", "0")
WORTHS = ("1", "1", "2", "10", "0.1", "0.002", "0.333333333333333333333333")
SEATS = ("1", "1", "2", "5", "10", "0", "2.5")
THEMES = (
    "anything", "anything", "balances", "balances", "balances", "overrides", "changes", "changes", "commits", "commits",
    "commits", "promises", "recurring", "subscriptions", "subscriptions", "composites", "composites",
    "units", "units", "renewals", "renewals", "corrections", "corrections",
)  # fmt: skip
"""What a case has most of: where many things of a kind meet, the rules that choose between them show."""
PROMISING = ("composites", "units", "renewals", "corrections")
MANY_BALANCES = ("commits", "promises", "subscriptions", "composites", "units", "renewals", "corrections")
Choice = TypeVar("Choice")


def make(seed: int) -> Case:
    """Return the case of a seed, always the same one."""
    return _Maker(seed).case()


def months_on(first: datetime, months: int) -> datetime:
    """Return the first day of a month that comes so many months after another."""
    index = first.year * 12 + first.month - 1 + months
    return first.replace(year=index // 12, month=index % 12 + 1)


def goes_below_zero(changes: tuple[Change, ...]) -> bool:
    """Whether a quantity does, after any of its changes."""
    quantity = Fraction(0)
    for each in sorted(changes, key=lambda each: each.starting_at):
        quantity = Fraction(each.quantity) if each.quantity else quantity + Fraction(each.delta or 0)
        if quantity < 0:
            return True
    return False


def theme_of(seed: int) -> str:
    """Return what the case of a seed has most of."""
    return _Maker(seed).theme


class _Maker:
    """Makes one case, part by part."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = Random(seed)
        self.theme = self.pick(THEMES)
        self.no_overages = self.theme == "commits" and self.chance(0.25)
        """Whether usage is free that no balance pays for."""
        self.base = datetime(*self.pick(MONTHS), 1, tzinfo=UTC)
        self.favourites = [self.base + each * HOUR for each in self.rng.sample(OFFSETS, 5)]

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
        return Case(self.seed, made, counted, tuple(self.looks), HOUR * self.pick((24, 24, 1, 72)), self.corrections())

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

    def metric(self, name: str) -> Metric:
        """Return a billable metric; usage is kept apart by one or two compound keys."""
        aggregation = self.pick(self.themed("commits", ("SUM", "SUM", "LATEST", "MAX"), AGGREGATIONS))
        key = None if aggregation == "COUNT" else "value"
        groups = self.pick(self.themed("changes", ((KEYS,), (KEYS[::-1],)), ((KEYS,), (KEYS,), (("model",), KEYS))))
        conditions = tuple(Condition(each) for each in ("value", *KEYS))
        return Metric(name, name, aggregation, key, None, None, conditions, groups, LONG_AGO)

    def fixed(self, name: str) -> Product:
        """Return the product of balances and scheduled charges; sometimes it gets another name."""
        later = ((self.when(), Terms("Renamed")),) if self.chance(0.15) else ()
        return Product(name, Terms("Fixed"), LONG_AGO, later)

    def product(self, name: str) -> Product:
        """Return a usage product, with versions over time."""
        if self.no_overages or (self.theme in {"commits", "renewals"} and self.chance(0.7)):
            return self.plain_product(name)
        pricing = self.pick(self.themed("changes", (KEYS, ("model",), ()), ((), (), (), ("model",), ("team",), KEYS)))
        presentation = tuple(each for each in self.some(KEYS) if each not in pricing) if self.chance(0.5) else ()
        first = Terms(
            name=self.pick(self.themed("balances", (name, "Same"), (name, name, "Same"))),
            metric_id=self.pick(self.tenant.metrics).id,
            pricing_keys=pricing,
            presentation_keys=presentation,
            conversion=self.pick(FACTORS) if self.chance(0.3) else None,
            rounding=self.pick(ROUNDINGS) if self.chance(0.35) else None,
            tags=self.some(TAGS),
        )
        versions = []
        terms = first
        for at in sorted({self.when() for _ in range(self.pick(self.themed("changes", (1, 2, 3), (0, 0, 1))))}):
            terms = first if versions and self.chance(0.3) else self.changed(terms)
            versions.append((at, terms))
        return Product(name, first, LONG_AGO, tuple(versions))

    def subscribed(self, name: str) -> Product:
        """Return a SUBSCRIPTION product; sometimes it gets another name or other tags."""
        first = Terms(self.pick((name, "Seat", "Same")), tags=self.some(TAGS))
        later = ((self.when(), replace(first, name="Renamed", tags=self.some(TAGS))),) if self.chance(0.2) else ()
        return Product(name, first, LONG_AGO, later, "SUBSCRIPTION")

    def composite(self, name: str) -> Product:
        """Return a COMPOSITE product; what it asks for, and of what, may change."""
        first = replace(self.shared(Terms(self.pick((name, "Same")))), tags=self.some(TAGS))
        later = []
        for at in sorted({self.when() for _ in range(self.pick((0, 0, 1, 2)))}):
            terms = self.shared(later[-1][1] if later else first)
            later.append((at, replace(terms, name=self.pick((name, "Other")), tags=self.some(TAGS))))
        return Product(name, first, LONG_AGO, tuple(later), "COMPOSITE")

    def shared(self, terms: Terms) -> Terms:
        """Return the terms of a COMPOSITE product for a share of some products, tags or both."""
        names = (*(each.id for each in self.tenant.products[1:]), "X")
        products = tuple(each for each in names if self.chance(0.5))
        return replace(
            terms,
            shared_products=products,
            shared_tags=self.some(TAGS) if products and self.chance(0.6) else TAGS[: self.pick((1, 2))],
            without_free=self.chance(0.6),
            with_composites=self.chance(0.4),
        )

    def plain_product(self, name: str) -> Product:
        """Return a usage product without groups and versions, so that much is used at one price."""
        return Product(name, Terms(name, self.pick(self.tenant.metrics).id, tags=self.some(TAGS)), LONG_AGO)

    def changed(self, terms: Terms) -> Terms:
        """Return other terms of a product."""
        match self.rng.randrange(6):
            case 0:
                return replace(terms, name=self.pick(("Same", "Other")))
            case 1:
                return replace(terms, conversion=self.pick((None, *FACTORS)))
            case 2:
                return replace(terms, rounding=self.pick((None, *ROUNDINGS)))
            case 3:
                return replace(terms, tags=self.some(TAGS))
            case 4:
                return replace(terms, metric_id=self.pick(self.tenant.metrics).id)
        if self.chance(0.5):
            return replace(terms, pricing_keys=terms.pricing_keys[::-1])
        others = tuple(each for each in KEYS if each not in terms.pricing_keys)
        return replace(terms, presentation_keys=self.pick(((), others)))

    def rates(self) -> list[Rate]:
        """Return rates of some products on each card, and some combinations, in any order; many overlap."""
        found = []
        commits = 1.0 if self.no_overages else self.pick(self.themed("commits", (0.6, 1.0), (0.0, 0.0, 0.3)))
        for card_id in self.tenant.cards:
            for product in self.tenant.products[1:]:
                if product.type == "COMPOSITE":
                    found += self.composite_rates(card_id, product)
                    continue
                if product.type == "SUBSCRIPTION":
                    found += self.subscription_rates(card_id, product)
                    continue
                for values in self.combinations(product):
                    starts = [LONG_AGO] if self.chance(0.9) else []
                    starts += [self.when() for _ in range(self.pick((0, 0, 1, 2)))]
                    found += [
                        Rate(
                            id="",
                            card_id=card_id,
                            product_id=product.id,
                            price=Price("FLAT", ((None, "0"),)) if self.no_overages else self.price(),
                            starting_at=start,
                            ending_before=self.after(start) if self.chance(0.25) else None,
                            entitled=self.chance(0.88),
                            values=values,
                            number=0,
                            commit=self.price() if self.chance(commits) else None,
                        )
                        for start in starts
                    ]
        usage = [each for each in found if each.product_id in {"A", "B", "C"}]
        if commits and self.chance(0.4):
            like = self.pick(usage) if usage else None
            found += [replace(like, commit=self.price(), starting_at=self.when(), ending_before=None)] if like else []
        if self.no_overages:
            found = [replace(each, entitled=True) for each in found]
        self.rng.shuffle(found)
        found = found or [Rate("", "one", "A", self.price(), LONG_AGO, None, True, (), 0)]
        keys = dict.fromkeys((each.card_id, each.product_id) for each in found)
        units = {key: self.pick((None, *self.tenant.units * 2)) for key in keys}
        return [
            replace(each, id=f"r{number}", number=number, unit=units[each.card_id, each.product_id])
            for number, each in enumerate(found)
        ]

    def composite_rates(self, card_id: str, product: Product) -> list[Rate]:
        """Return rates of a COMPOSITE product: shares."""
        return [
            Rate("", card_id, product.id, self.percentage(), start, end, self.chance(0.92), (), 0)
            for start in (LONG_AGO, *(self.when() for _ in range(self.pick((0, 0, 1, 2)))))
            for end in ((self.after(start) if self.chance(0.1) else None),)
        ]

    def percentage(self) -> Price:
        """Return a share of spend, or one for each tier of it."""
        if self.chance(0.5):
            return Price("PERCENTAGE", ((None, self.pick(SHARES)),))
        sizes = [self.pick(SIZES) for _ in range(self.pick((0, 1, 1, 2)))]
        return Price("TIERED_PERCENTAGE", tuple((size, self.pick(SHARES)) for size in (*sizes, None)))

    def subscription_rates(self, card_id: str, product: Product) -> list[Rate]:
        """Return rates of a SUBSCRIPTION product, for one or more frequencies."""
        frequencies = dict.fromkeys(self.pick(FREQUENCIES) for _ in range(self.pick((1, 2, 3))))
        found = []
        for frequency in frequencies:
            starts = [LONG_AGO, *(self.when() for _ in range(self.pick((0, 0, 1, 2))))]
            for start in starts if self.chance(0.95) else starts[1:]:
                end = self.after(start) if self.chance(0.1) else None
                made = Rate("", card_id, product.id, self.price(), start, end, self.chance(0.92), (), 0)
                found.append(replace(made, frequency=frequency))
        return found

    def combinations(self, product: Product) -> list[Values]:
        """Return pricing group values that have a rate."""
        found: list[Values] = [()]
        for name in product.first.pricing_keys:
            found = [(*each, (name, value)) for each in found for value in (("x", "y") if self.chance(0.6) else ("x",))]
        return found if self.chance(0.95) else []

    def price(self) -> Price:
        """Return a flat or a tiered price."""
        if self.theme == "balances" and self.chance(0.7):
            return Price("FLAT", ((None, self.pick(("1", "1", "2"))),))
        if self.theme == "commits" and self.chance(0.4):
            return Price("FLAT", ((None, self.pick(("0", "0", "1", "3", "3", "7"))),))
        if self.chance(0.45):
            return Price("FLAT", ((None, self.pick(PRICES)),))
        sizes = [self.pick(SIZES) for _ in range(self.pick(self.themed("commits", (1, 1, 2), (0, 1, 1, 2))))]
        return Price("TIERED", tuple((size, self.pick(PRICES)) for size in (*sizes, None)))

    # ── what was agreed ──

    def renewals(self) -> list[tuple[Contract, End]]:
        """Return contracts that renew others, and the ends of those."""
        found: list[tuple[Contract, End]] = []
        for first in list(self.tenant.contracts):
            old = first
            if not self.chance({"renewals": 0.8, "corrections": 0.15}.get(self.theme, 0.02)):
                continue
            for _ in range(self.pick((1, 1, 1, 1, 2))):
                said_at = max(self.pick(self.looks) - self.pick((1, 24, 240)) * HOUR, old.starting_at)
                if found and found[-1][0].id == old.id:
                    said_at = max(said_at, found[-1][1].said_at)
                start = self.after(said_at)
                new = replace(
                    self.contract(f"c{len(self.tenant.contracts) + len(found)}", max(start, old.starting_at + HOUR)),
                    card_id=old.card_id,
                    created_at=said_at,
                    renews=old.id,
                )
                found.append((new, End(old.id, said_at, new.starting_at, new.id, self.chance(0.7))))
                old = new
        return found

    def contract(self, name: str, begin: datetime | None = None) -> Contract:
        """Return a contract with overrides and scheduled charges."""
        start = begin or self.pick((self.base, self.base, self.base, self.base - 20 * DAY, self.base + 221 * HOUR))
        first = start.replace(day=1, hour=0)
        ends = (first.replace(month=1, day=31), first.replace(month=1, day=30), first.replace(month=1, day=29, hour=5))
        prioritization = self.pick(("LOWEST_MULTIPLIER", "EXPLICIT"))
        many = "commits" if self.theme == "commits" else "overrides"
        overrides = range(self.pick(self.themed(many, (0, 2, 3, 4, 5), (0, 0, 1, 2))))
        anchor = self.pick((first, start, *ends, self.when()))
        return Contract(
            id=name,
            customer_id="customer",
            card_id=self.pick(tuple({each.card_id: None for each in self.tenant.rates})),
            starting_at=start,
            ending_before=max(self.after(start), start + DAY) if self.chance(0.25) else None,
            frequency=self.pick(("MONTHLY", "MONTHLY", "MONTHLY", "WEEKLY", "QUARTERLY", "ANNUAL")),
            anchor=anchor,
            created_at=LONG_AGO + self.pick((0, 0, 1)) * HOUR,
            overrides=tuple(self.override(f"{name}.o{number}", prioritization) for number in overrides),
            prioritization=prioritization,
            charges=tuple(self.charge(f"{name}.s{number}") for number in range(self.pick((0, 0, 0, 1, 2)))),
            discounts=tuple(self.discount(f"{name}.d{number}") for number in range(self.pick((0, 0, 0, 0, 1, 2)))),
            on_statements=self.chance(0.5),
            recurring=self.recurring_terms(name, start),
            subscriptions=self.subscriptions(name, start, anchor),
            filters=tuple(self.filter() for _ in range(self.pick((0,) * 8 + (1, 2, 3)))),
        )

    def subscriptions(self, name: str, start: datetime, anchor: datetime) -> tuple[Subscription, ...]:
        """Return subscriptions of a contract that begins then, if they are sold."""
        rates = [each for each in self.tenant.rates if each.frequency is not None]
        many = range(self.pick(self.themed("subscriptions", (0, 1, 1, 2, 3), (0, 0, 1)))) if rates else ()
        return tuple(self.subscription(f"{name}.u{number}", start, anchor, self.pick(rates)) for number in many)

    def subscription(self, name: str, start: datetime, anchor: datetime, rate: Rate) -> Subscription:
        """Return a subscription for which there is most often a rate."""
        begin = self.pick((start, start, max(start, self.when())))
        advance = self.chance(0.6)
        prorated = self.chance(0.65)
        own = (begin, begin - 5 * DAY, begin - 30 * DAY)
        changes = (Change(begin, quantity=self.pick(SEATS)),)
        for _ in range(self.pick((0, 0, 1, 2, 3))):
            more = (*changes, self.change(begin))
            changes = changes if goes_below_zero(more) else more
        return Subscription(
            id=name,
            product_id=rate.product_id,
            frequency=rate.frequency if self.chance(0.95) else self.pick(FREQUENCIES),
            collection="ADVANCE" if advance else "ARREARS",
            starting_at=begin,
            anchor=self.pick(own) if advance and self.chance(0.5) else anchor,
            changes=changes,
            ending_before=self.after(begin) if self.chance(0.3) else None,
            prorated=prorated,
            at_once=advance and self.chance(0.5),
            rounding=self.pick(SHARE_ROUNDINGS) if prorated and self.chance(0.6) else None,
            scheduled=self.chance(0.2),
            name=self.pick((None, None, name, "Same")),
            known_at=self.pick(self.looks) if self.chance(0.3) else LONG_AGO,
        )

    def change(self, start: datetime) -> Change:
        """Return another quantity, or so many more or less."""
        at = self.after(start) if self.chance(0.8) else start
        if self.chance(0.6):
            return Change(at, quantity=self.pick(SEATS))
        return Change(at, delta=self.pick(("1", "3", "-1", "0.5", "-2")))

    def recurring_terms(self, name: str, start: datetime) -> tuple[Recurring, ...]:
        """Return recurring commits and credits of a contract that begins then; at most one of them daily."""
        many = range(self.pick(self.themed("recurring", (1, 1, 2, 2, 3), (0,) * 14 + (1,))))
        found = [self.recurring(f"{name}.r{number}", start) for number in many]
        daily = [each for each in found if each.frequency == "DAILY"][:1]
        return tuple(each for each in found if each.frequency != "DAILY" or each in daily)

    def recurring(self, name: str, start: datetime) -> Recurring:
        """Return a recurring commit or credit."""
        begin = self.pick((start, start, max(start, self.when())))
        frequency = self.pick(
            (None, None, None, None, "MONTHLY", "MONTHLY", "QUARTERLY", "ANNUAL", "WEEKLY", "DAILY", "DAILY")
        )
        end = self.after(begin) if self.chance(0.4) else None
        if frequency in {"WEEKLY", "DAILY"}:
            end = begin + self.pick((24, 60, 72) if frequency == "DAILY" else (24, 336, 400)) * HOUR
        kind = self.pick(("PREPAID", "CREDIT"))
        currency = self.pick((*self.currencies(), *self.currencies(), "USD"))
        asked = kind == "PREPAID" and self.chance(0.6)
        found = Recurring(
            id=name,
            type=kind,
            product_id="F",
            currency=currency,
            amount=(self.pick(("1", "1", "2", "0.5")), self.pick(AMOUNTS)),
            priority=self.pick(PRIORITIES),
            starting_at=begin,
            ending_before=end,
            duration=self.pick((1, 1, 1, 2, 3)),
            asked=(self.pick(("1", "1", "2", "0.5")), self.pick(AMOUNTS)) if asked else None,
            asked_currency=self.money(currency),
            frequency=frequency,
            proration=self.pick(("FIRST_AND_LAST", "FIRST_AND_LAST", "FIRST", "LAST", "NONE")),
            rounding=self.pick(SHARE_ROUNDINGS),
            asked_rounding=self.pick(SHARE_ROUNDINGS),
            name=self.pick((None, name, "Gift")),
            rate_type=self.pick(RATE_TYPES),
            rollover=self.pick(self.themed("renewals", FRACTIONS, (None, None, "0.5"))),
        )
        match self.rng.randrange(6):
            case 0:
                return replace(found, product_ids=(self.sold_product().id,), tags=self.some(TAGS))
            case 1:
                return replace(found, specifiers=self.specifiers())
        return found

    def filter(self) -> Filter:
        """Return a usage filter."""
        return Filter(
            self.pick(KEYS), self.pick((("x",), ("x", "y"), ("y",), ("",))), self.pick((LONG_AGO, self.when()))
        )

    def end(self, contract: Contract) -> End:
        """Return that a contract ends earlier, said between two looks."""
        said_at = max(self.pick(self.looks) - HOUR, contract.starting_at)
        return End(contract.id, said_at, self.after(said_at))

    def override(self, name: str, prioritization: str) -> Override:
        """Return an override of any kind."""
        start = self.pick((LONG_AGO, LONG_AGO, self.when()))
        end = self.after(max(start, self.base)) if self.chance(0.35) else None
        kinds = ("OVERWRITE", "OVERWRITE", "MULTIPLIER", "MULTIPLIER", "MULTIPLIER", "TIERED", None)
        kind = self.pick(self.themed("commits", (*kinds, "TIERED", "TIERED"), kinds))
        if kind == "TIERED" and prioritization != "EXPLICIT":
            kind = "MULTIPLIER"
        found = Override(name, kind, start, end, entitled=self.pick((None, None, None, True, False)))
        if kind is None:
            return self.aimed(replace(found, entitled=self.chance(0.5)))
        if self.chance(self.pick(self.themed("commits", (0.7,), (0.1,)))):
            target = self.pick(("LIST_RATE", "COMMIT_RATE"))
            found = replace(found, entitled=None, for_commits=True, target=target)
        if kind == "OVERWRITE":
            return self.overwriting(found)
        sizes = [self.pick(SIZES) for _ in range(self.pick((0, 1, 2)))] if kind == "TIERED" else []
        multipliers = tuple((size, self.pick(MULTIPLIERS)) for size in (*sizes, None))
        priority = self.pick(PRIORITIES) if prioritization == "EXPLICIT" else None
        return self.aimed(replace(found, multipliers=multipliers, priority=priority))

    def aimed(self, override: Override) -> Override:
        """Return the override for some product, tags or specifiers, or for everything."""
        match self.rng.randrange(5):
            case 0:
                return replace(override, product_id=self.sold_product().id)
            case 1:
                return replace(override, tags=self.some(TAGS) or TAGS[:1])
            case 2 | 3:
                return replace(
                    override, specifiers=tuple(self.of_balances(override, each) for each in self.specifiers())
                )
        return override

    def of_balances(self, override: Override, specifier: Specifier) -> Specifier:
        """Return the specifier, of some overrides for some balances only, or for prices of a frequency."""
        if specifier.product_id in {"S", "T"} and self.chance(0.5):
            return replace(specifier, frequency=self.pick(FREQUENCIES))
        if not override.for_commits or self.chance(0.3):
            return specifier
        return replace(specifier, balance_ids=tuple(self.rng.sample(("b0", "b1", "b2"), self.pick((1, 1, 2)))))

    def overwriting(self, override: Override) -> Override:
        """Return the override for a product and all of its pricing group values."""
        product = self.sold_product()
        override = replace(override, price=self.percentage() if product.type == "COMPOSITE" else self.price())
        if not product.first.pricing_keys and (not override.for_commits or self.chance(0.3)):
            return replace(override, product_id=product.id)
        values = tuple((name, self.pick(("x", "x", "y"))) for name in product.first.pricing_keys)
        return replace(override, specifiers=(self.of_balances(override, Specifier(product.id, pricing=values)),))

    def sold_product(self) -> Product:
        """Return one that has rates."""
        if self.theme == "subscriptions" and self.chance(0.4):
            return next(each for each in self.tenant.products if each.type == "SUBSCRIPTION")
        if self.theme == "composites" and self.chance(0.3):
            return next(each for each in self.tenant.products if each.type == "COMPOSITE")
        return self.pick(self.tenant.products[1:])

    def specifiers(self) -> tuple[Specifier, ...]:
        """Return one or two, each with at least one part."""
        return tuple(self.specifier() for _ in range(self.pick((1, 1, 2))))

    def specifier(self) -> Specifier:
        """Return one way to be meant."""
        product = self.sold_product()
        pricing = tuple((name, self.pick(("x", "y"))) for name in product.first.pricing_keys if self.chance(0.5))
        presentation = tuple(
            (name, self.pick(("x", "y"))) for name in product.first.presentation_keys if self.chance(0.6)
        )
        found = Specifier(product.id if self.chance(0.6) else None, self.some(TAGS), pricing, presentation)
        return Specifier(product.id) if found == Specifier() else found

    def charge(self, name: str) -> ScheduledCharge:
        """Return a scheduled charge."""
        return ScheduledCharge(
            name, "F", self.pick((None, "Fee")), self.schedule(name, self.pick(("USD", "USD", "EUR")))
        )

    def discount(self, name: str) -> ScheduledCharge:
        """Return a discount; its amounts are above zero."""
        like = self.charge(name)
        items = tuple(replace(each, unit_price=self.pick(("5", "10", "0.333"))) for each in like.schedule.items)
        return replace(like, name=self.pick((None, "Off")), schedule=replace(like.schedule, items=items))

    def schedule(self, name: str, currency: str) -> Schedule:
        """Return dates on which something is asked for."""
        firsts = [months_on(self.base, 1), months_on(self.base, 2)]
        dates = sorted(self.when() if self.chance(0.7) else self.pick(firsts) for _ in range(self.pick((1, 1, 2, 3))))
        items = tuple(
            Item(f"{name}.{number}", at, self.pick(("1", "1", "2", "0.5")), self.pick(("0", "10", "45", "1000.005")))
            for number, at in enumerate(dates)
        )
        return Schedule(currency, items, self.chance(0.15))

    # ── what was paid before ──

    def balance(self, name: str) -> Balance:
        """Return a commit or a credit of a contract or of the customer."""
        own = self.pick((None, *(each.id for each in self.tenant.contracts)))
        kind = self.pick(("PREPAID", "CREDIT"))
        currency = self.pick((*self.currencies(), *self.currencies(), *self.currencies(), "USD"))
        scheduled = kind == "PREPAID" and self.chance(0.6)
        if self.theme == "commits" and self.chance(0.7):
            own, currency = None, self.pick(self.currencies())
        if self.theme == "renewals" and self.chance(0.75):
            own = self.pick([each.id for each in self.tenant.contracts])
        rollover = self.pick(self.themed("renewals", FRACTIONS, (None, None, "0.5")))
        found = Balance(
            id=name,
            type=kind,
            customer_id="customer",
            rollover=rollover if own else None,
            product_id="F",
            currency=currency,
            contract_id=own,
            priority=self.pick(PRIORITIES),
            segments=self.long_segment(name) if self.theme == "renewals" and self.chance(0.7) else self.segments(name),
            created_at=self.pick(self.looks) + HOUR if self.chance(0.1) else LONG_AGO + self.pick((0, 0, 1)) * HOUR,
            name=self.pick((None, name, "Gift")),
            schedule=self.schedule(name, self.money(currency)) if scheduled else None,
            contract_ids=self.some(tuple(each.id for each in self.tenant.contracts)) if own is None else (),
            invoice_contract_id=self.pick(self.first_contracts()).id if own is None and scheduled else None,
            rate_type=self.pick(self.themed("commits", ("COMMIT_RATE", "COMMIT_RATE", "LIST_RATE"), RATE_TYPES)),
        )
        promised = self.chance(0.4 if self.theme == "promises" else 0.25 if self.theme in PROMISING else 0.1)
        if self.theme == "units" and self.chance(0.35):
            return self.purse(found)
        if promised and currency not in self.tenant.units:
            found = self.postpaid(found)
        match self.rng.randrange(7):
            case 0:
                return replace(found, product_ids=(self.sold_product().id,))
            case 1:
                return replace(found, tags=self.some(TAGS))
            case 2:
                return replace(found, product_ids=(self.sold_product().id,), tags=self.some(TAGS))
            case 3 | 4:
                return replace(found, specifiers=self.specifiers())
            case 5 if self.theme == "balances":
                return replace(found, specifiers=(self.way(),))
        return found

    def first_contracts(self) -> list[Contract]:
        """Return those that renew none, and so are there from the beginning."""
        return [each for each in self.tenant.contracts if each.renews is None]

    def purse(self, like: Balance) -> Balance:
        """Return a balance in money that names nothing, for a long time: it pays for conversions."""
        start = self.pick((LONG_AGO, self.base, self.when()))
        segment = Segment(f"{like.id}.0", self.pick(SMALL), start, self.base + self.pick((90, 400, 400)) * DAY)
        found = replace(
            like, currency=self.pick(tuple(self.tenant.cards.values())), segments=(segment,), contract_ids=()
        )
        return self.postpaid(found) if self.chance(0.3) else found

    def currencies(self) -> tuple[str, ...]:
        """Return the currencies of cards, and custom units."""
        return (*self.tenant.cards.values(), *self.tenant.units, *self.tenant.units)

    def money(self, currency: str) -> str:
        """Return the currency in which something is asked for that gives so."""
        return "USD" if currency in self.tenant.units else self.pick((currency, currency, "USD"))

    def postpaid(self, like: Balance) -> Balance:
        """Return a postpaid commit: its true-up may be asked for before, at or after the end of its segment."""
        segment = self.pick(like.segments)
        segment = replace(segment, ending_before=min(segment.ending_before, self.base + self.pick((31, 60, 400)) * DAY))
        if segment.starting_at >= segment.ending_before:
            segment = replace(segment, starting_at=segment.ending_before - DAY)
        at = self.pick((segment.ending_before, segment.ending_before, self.when()))
        item = Item(f"{like.id}.true-up", at, "1", segment.amount)
        billed_to = None if like.contract_id else self.pick(self.first_contracts()).id
        schedule = Schedule(like.currency, (item,), self.chance(0.2))
        return replace(like, type="POSTPAID", segments=(segment,), schedule=schedule, invoice_contract_id=billed_to)

    def way(self) -> Specifier:
        """Return a way to mean the first product, one of its groups, or products by their tags."""
        groups: Values = ((self.pick(KEYS), "x"),)
        ways = (Specifier("A"), Specifier("A", pricing=groups), Specifier("A", presentation=groups))
        return self.pick((*ways, *ways, Specifier(tags=TAGS[:1]), Specifier(tags=TAGS)))

    def twin(self, name: str) -> Balance:
        """Return a balance that differs from another in one thing only, or in nothing but its id."""
        like = self.pick(self.tenant.balances)
        renamed = tuple(replace(each, id=f"{name}.{number}") for number, each in enumerate(like.segments))
        found = replace(like, id=name, segments=renamed, schedule=None, invoice_contract_id=None)
        if self.chance(0.3):
            found = replace(found, rate_type=self.pick(RATE_TYPES))
        if like.type == "POSTPAID":
            return self.postpaid(found)
        match self.rng.randrange(10):
            case 0:
                return replace(found, priority=self.pick(PRIORITIES))
            case 9:
                groups: Values = ((self.pick(KEYS), "x"),)
                ways = (Specifier("A"), Specifier("A", pricing=groups), Specifier("A", presentation=groups))
                return replace(found, specifiers=(self.pick(ways),), product_ids=(), tags=())
            case 1 if like.type == "PREPAID" and like.contract_id:
                return replace(found, schedule=self.schedule(name, self.money(like.currency)))
            case 2:
                return replace(found, product_ids=("A",), tags=(), specifiers=())
            case 3:
                return replace(found, specifiers=(self.way(),), product_ids=(), tags=())
            case 4:
                last = renamed[-1]
                longer = replace(last, ending_before=last.ending_before + self.pick((1, 24, 744)) * HOUR)
                return replace(found, segments=(*renamed[:-1], longer))
            case 5:
                earlier = replace(renamed[0], starting_at=renamed[0].starting_at - self.pick((1, 24, 744)) * HOUR)
                return replace(found, segments=(earlier, *renamed[1:]))
            case 6 | 7:
                contracts = tuple(each.id for each in self.tenant.contracts)
                return replace(
                    found, contract_id=None, rollover=None, contract_ids=self.pick((contracts, contracts[:1], ()))
                )
        return found

    def long_segment(self, name: str) -> tuple[Segment, ...]:
        """Return one that lasts beyond a renewal, and holds what is used up before it or after."""
        amount = self.pick(("5", "10", "10", "30", "100"))
        return (Segment(f"{name}.0", amount, self.pick((LONG_AGO, self.base)), self.base + 400 * DAY),)

    def segments(self, name: str) -> tuple[Segment, ...]:
        """Return segments that follow one another, with or without gaps."""
        start = self.pick((LONG_AGO, self.base, self.base, self.base, self.when()))
        edges = sorted({start, *(self.after(max(start, self.base)) for _ in range(self.pick((1, 1, 1, 2, 3))))})
        spans = [each for each in pairwise(edges) if self.chance(0.85)] or [(edges[0], edges[-1])]
        if self.theme == "commits" and self.chance(0.6):
            spans = [(edges[0], edges[-1])]
        if self.chance(0.5):
            spans[-1] = (spans[-1][0], self.base + 400 * DAY)
        return tuple(
            Segment(f"{name}.{number}", self.pick(self.themed("commits", SMALL, AMOUNTS)), *span)
            for number, span in enumerate(spans)
        )

    def entry(self, name: str) -> Entry:
        """Return a manual entry of a ledger."""
        balance = self.pick(self.tenant.balances)
        segment = self.pick(balance.segments)
        return Entry(
            name,
            balance.id,
            segment.id,
            self.pick(("-1", "-5", "5", "1", "-1000", "0.5")),
            max(self.when(), balance.created_at),
        )

    # ── what was used ──

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
