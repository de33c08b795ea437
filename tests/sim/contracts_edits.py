"""Edits of random contracts, most often between voiding invoices and making them anew. All of it is drawn last."""

from datetime import datetime

from msgspec.structs import replace

from sim.contracts_chance import DAY, HOUR, LONG_AGO
from sim.contracts_seats import Seated
from sim.oracle_period import periods
from sim.world import Balance, Case, Contract, Correction, Edit, Item, Override, Recurring, ScheduledCharge, Segment

OFTEN = {"corrections": 0.8, "renewals": 0.3, "promises": 0.8, "balances": 0.15, "recurring": 0.25}
PRICES = ("override", "override", "override", "removed", "removed", "filter")
ENDED = (*PRICES, "credit", "archive")
"""Of a contract that has been told to end."""
KINDS = (
    *PRICES, "credit", "credit", "charge", "discount", "date", "date", "access", "access", "archive", "archive",
    "recurring",
)  # fmt: skip


PRICES_ASKED = ("20", "7.5", "10")
USED = ("date", "access", "access", "access", "override", "archive", "recurring", "recurring")
"""What final invoices have used, most often."""


class Edited(Seated):
    """Makes edits of what is agreed."""

    def with_edits(self, case: Case) -> Case:
        """Return the case, sometimes with terms that change after invoices were voided, or at any time."""
        joining = any(each.parent and each.parent.joins for each in self.tenant.contracts)
        if not self.chance(max(OFTEN.get(self.theme, 0.06), 0.7 if joining else 0)):
            return case
        at = self.pick(self.looks[-2:])
        case = replace(case, corrections=self.apart(case.corrections, at))
        edits = [self.edit(f"n{number}", at + HOUR) for number in range(self.pick((1, 2, 2, 3)))]
        if self.chance(0.4):
            times = [self.pick(self.looks) + self.pick((0, 1, 20)) * HOUR for _ in range(3)]
            edits += [self.edit(f"m{number}", each, USED) for number, each in enumerate(times)]
        return replace(case, edits=tuple(sorted(edits, key=lambda each: each.said_at)))

    def apart(self, corrections: tuple[Correction, ...], at: datetime) -> tuple[Correction, ...]:
        """Return the corrections with hours between what is voided at an instant and made anew; sometimes with more."""
        then = [each for each in corrections if each.at == at]
        if self.chance(0.5) or all(each.kind == "VOID" for each in then):
            many = self.pick((1, 3, 14, 14))
            then = [Correction(at, kind, 0) for kind in ("VOID",) * many + ("REGENERATE",) * many]
        first = [each.kind for each in then].index("REGENERATE")
        later = [replace(each, at=at + 2 * HOUR) for each in then[first:]]
        others = [each for each in corrections if each.at != at]
        return tuple(sorted([*others, *then[:first], *later], key=lambda each: each.at))

    def edit(self, name: str, said_at: datetime, kinds: tuple[str, ...] = KINDS) -> Edit:
        """Return an edit of some contract; of one that has been told to end, mostly of its prices."""
        ends = [each for each in self.tenant.ends if each.said_at <= said_at]
        known = {None, *(each.renewed_by for each in ends)}
        agreed = [each for each in self.tenant.contracts if each.renews is None or each.id in known]
        joining = [each for each in agreed if each.parent and each.parent.joins]
        contract = self.pick(joining if joining and self.chance(0.5) else agreed)
        asked = Edit(contract.id, said_at)
        ended = any(each.contract_id == contract.id for each in ends)
        match self.pick(ENDED if ended else kinds):
            case "filter":
                return replace(asked, filters=(self.filter(),))
            case "removed" if contract.overrides:
                return replace(asked, removed=(self.pick(contract.overrides).id,))
            case "credit":
                return replace(asked, balances=(self.forgotten(name, contract, said_at, own=not ended),))
            case "charge":
                return replace(asked, charges=(self.on_its_day(self.charge(name), contract, said_at),))
            case "discount":
                return replace(asked, discounts=(self.on_its_day(self.discount(name), contract, said_at),))
            case "date":
                return self.of_date(asked, contract)
            case "access":
                return self.of_access(asked, contract)
            case "archive":
                return replace(asked, archived=self.going(contract, asked))
            case "recurring" if contract.recurring:
                return replace(asked, recurring=(self.recurring_on(self.pick(contract.recurring), said_at),))
        return replace(asked, overrides=(self.mended(name, contract),))

    def mended(self, name: str, contract: Contract) -> Override:
        """Return an override, most often one that has held all the time, or that is for everything."""
        if self.chance(0.4):
            first = "0.1" if contract.prioritization == "EXPLICIT" else None
            factors = ((None, self.pick(("0.5", "0.25", "2"))),)
            return Override(name, "MULTIPLIER", LONG_AGO, multipliers=factors, priority=first)
        found = self.override(name, contract.prioritization)
        return replace(found, starting_at=LONG_AGO, ending_before=None) if self.chance(0.6) else found

    def forgotten(self, name: str, contract: Contract, said_at: datetime, *, own: bool) -> Balance:
        """Return a commit or a credit that is given now, most often as if it had been there from the beginning."""
        given = self.owned(self.balance(name), contract.customer_id, contract.id if own else None)
        given = replace(given, created_at=said_at)
        if self.chance(0.3):
            return given
        segment = Segment(f"{name}.0", self.pick(("5", "10", "30", "1000")), LONG_AGO, self.base + 400 * DAY)
        given = replace(
            given,
            type="CREDIT",
            currency=self.tenant.cards[contract.card_id],
            segments=(segment,),
            schedule=None,
            invoice_contract_id=None,
            contract_ids=(),
            product_ids=(),
            tags=(),
            specifiers=(),
        )
        return self.promised(given, contract) if self.chance(0.4) else given

    def promised(self, like: Balance, contract: Contract) -> Balance:
        """Return a promise of a contract, or one that is trued up with it."""
        found = self.postpaid(replace(like, rollover=None))
        return replace(found, invoice_contract_id=None if like.contract_id else contract.id)

    def on_its_day(self, charge: ScheduledCharge, contract: Contract, at: datetime) -> ScheduledCharge:
        """Return it, often for the last day of a period that is over, in the currency in which that is asked for."""
        over = [end for _, end in periods(contract, at) if end <= at]
        if not over or self.chance(0.4):
            return charge
        items = (replace(charge.schedule.items[0], at=self.pick(over)),)
        schedule = replace(charge.schedule, currency=self.tenant.cards[contract.card_id], items=items)
        return replace(charge, schedule=replace(schedule, do_not_invoice=False))

    def of_date(self, asked: Edit, contract: Contract) -> Edit:
        """Return the edit with other amounts of what a contract asks for on some dates."""
        charges = [each.schedule for each in (*contract.charges, *self.own(contract, asked)) if each.schedule]
        items = [self.another(item) for schedule in charges for item in schedule.items if self.chance(0.6)]
        off = [item for each in contract.discounts for item in each.schedule.items if self.chance(0.6)]
        return replace(asked, items=(*items, *(replace(each, unit_price=self.pick(PRICES_ASKED)) for each in off)))

    def another(self, item: Item) -> Item:
        """Return a date with another amount, on the same day or on another one."""
        if self.chance(0.3):
            item = replace(item, at=item.at + self.pick((-24, 1, 24, 744)) * HOUR)
            return item if self.chance(0.5) else replace(item, unit_price=self.pick(PRICES_ASKED))
        return replace(item, unit_price=self.pick(PRICES_ASKED))

    def of_access(self, asked: Edit, contract: Contract) -> Edit:
        """Return the edit with another last segment of a balance: other times, or another amount."""
        some = self.own(contract, asked)
        if not some:
            return asked
        segments = self.pick(some).segments
        last = segments[-1]
        match self.rng.randrange(5 if len(segments) == 1 else 4):
            case 0:
                last = replace(last, ending_before=last.ending_before + self.pick((24, 744)) * HOUR)
            case 1 | 2 | 3:
                last = replace(last, amount=self.pick(("1000", "30", "5", "1", "0.01")))
            case 4:
                last = replace(last, starting_at=last.starting_at + self.pick((-24, -744, 1)) * HOUR)
        return replace(asked, segments=(last,))

    def going(self, contract: Contract, asked: Edit) -> tuple[str, ...]:
        """Return what is archived: of a contract and its customer some commits, credits, charges and discounts."""
        mine = [
            each
            for each in self.tenant.balances
            if each.contract_id in {None, contract.id} and each.customer_id == contract.customer_id
        ]
        known = [each for each in mine if each.created_at <= asked.said_at]
        return tuple(each.id for each in (*known, *contract.charges, *contract.discounts) if self.chance(0.4))

    def recurring_on(self, term: Recurring, said_at: datetime) -> Recurring:
        """Return a recurring commit or credit with other children to come, or fewer, or more."""
        if self.chance(0.6):
            quantity = term.amount[0] if term.follows else self.pick(("1", "2", "0.5"))
            term = replace(term, amount=(quantity, self.pick(("10", "3", "0.1", "30"))))
        if term.asked is not None and self.chance(0.6):
            term = replace(term, asked=(self.pick(("1", "2")), self.pick(("10", "7.5", "0"))))
        if term.frequency not in {"DAILY", "WEEKLY"} and term.follows is None and self.chance(0.4):
            later = max(term.starting_at + HOUR, self.pick((said_at - 20 * DAY, self.after(said_at))))
            term = replace(term, ending_before=self.pick((None, later)))
        return replace(term, rate_type=self.pick(("LIST_RATE", "LIST_RATE", "COMMIT_RATE")))

    def own(self, contract: Contract, asked: Edit) -> list[Balance]:
        """Return the commits and credits of a contract, and of its customer, that are known; but no promises."""
        return [
            each
            for each in self.tenant.balances
            if each.contract_id in {None, contract.id}
            and each.customer_id == contract.customer_id
            and each.created_at <= asked.said_at
            and each.type != "POSTPAID"
        ]
