"""What a random contract is about: metrics, products and rates."""

from msgspec.structs import replace

from sim.contracts_chance import FREQUENCIES, KEYS, LONG_AGO, SIZES, TAGS, Chance
from sim.world import Condition, Metric, Price, Product, Rate, Terms, Values

AGGREGATIONS = ("SUM", "SUM", "SUM", "COUNT", "MAX", "LATEST", "LATEST", "UNIQUE")
PRICES = ("1", "1", "2", "3", "0", "0.5", "0.3", "7", "0.000123456789012345678901234567")
FACTORS = (("DIVIDE", "3"), ("DIVIDE", "1000"), ("DIVIDE", "4"), ("MULTIPLY", "2"), ("MULTIPLY", "0.5"))
ROUNDINGS = (("ROUND_UP", 0), ("ROUND_DOWN", 0), ("ROUND_HALF_UP", 0), ("ROUND_UP", 1), ("ROUND_HALF_UP", 2))
SHARES = ("0.1", "0.1", "0.05", "0.5", "1", "0")


class Sold(Chance):
    """Makes what is sold."""

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
