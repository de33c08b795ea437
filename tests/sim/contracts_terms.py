"""The terms of random contracts: overrides, charges, recurring balances, subscriptions, renewals."""

from datetime import datetime
from fractions import Fraction

from msgspec.structs import replace

from sim.contracts_chance import (
    AMOUNTS,
    DAY,
    FRACTIONS,
    FREQUENCIES,
    HOUR,
    KEYS,
    LONG_AGO,
    PRIORITIES,
    RATE_TYPES,
    SIZES,
    TAGS,
)
from sim.contracts_sold import Sold
from sim.world import (
    Change,
    Contract,
    End,
    Filter,
    Item,
    Override,
    Product,
    Rate,
    Recurring,
    Schedule,
    ScheduledCharge,
    Specifier,
    Subscription,
)

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
SEATS = ("1", "1", "2", "5", "10", "0", "2.5")


class Agreed(Sold):
    """Makes what is agreed."""

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
