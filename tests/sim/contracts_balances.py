"""Commits and credits of random contracts, and manual entries in their ledgers."""

from itertools import pairwise

from msgspec.structs import replace

from sim.contracts_chance import AMOUNTS, DAY, FRACTIONS, HOUR, KEYS, LONG_AGO, PRIORITIES, RATE_TYPES, TAGS
from sim.contracts_terms import Agreed
from sim.world import Balance, Contract, Entry, Item, Schedule, Segment, Specifier, Values

SMALL = ("1", "2", "3", "5", "5", "10", "30", "0.01", "0.333333333333333333333333")
PROMISING = ("composites", "units", "renewals", "corrections")


class Promised(Agreed):
    """Makes what is promised and given."""

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
