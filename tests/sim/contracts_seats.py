"""Seats of random contracts, and what they give. All of it is drawn last, as hierarchies are."""

from datetime import datetime

from msgspec.structs import replace

from sim.contracts_chance import DAY, HOUR, KEYS, LONG_AGO, TAGS
from sim.contracts_families import Related
from sim.oracle_seats import is_possible
from sim.world import (
    Case,
    Change,
    Contract,
    Counted,
    Follows,
    Product,
    Rate,
    Recurring,
    SeatChange,
    Subscription,
    Terms,
)

SEATED = {"recurring": 0.6, "subscriptions": 0.3, "balances": 0.12, "corrections": 0.2}
NAMES = ("x", "x", "y", "w")
"""Ids that have seats: most of them use something."""


class Seated(Related):
    """Makes subscriptions with seats, and recurring commits and credits that follow subscriptions."""

    def with_seats(self, case: Case) -> Case:
        """Return the case, sometimes with a contract that has seats."""
        made = self.tenant
        if not self.chance(SEATED.get(self.theme, 0.05)):
            return case
        number = int(self.rng.random() * len(made.contracts))
        contract = made.contracts[number]
        key = self.pick(KEYS)
        rates = [each for each in made.rates if each.frequency and each.card_id == contract.card_id]
        if not rates or self.chance(0.3):
            rates = [self.seat_rate(contract.card_id)]
        one = self.seated(f"{contract.id}.z", contract, self.pick(rates), key)
        terms = tuple(
            self.following(f"{contract.id}.rz{which}", contract, one) for which in range(self.pick((1, 1, 2)))
        )
        made.contracts[number] = replace(
            contract, subscriptions=(*contract.subscriptions, one), recurring=(*contract.recurring, *terms)
        )
        made.products = [self.shown(each, key) for each in made.products]
        used = [
            self.of_seat(each, contract.customer_id, key) for each in case.counted for _ in (1, 2) if self.chance(0.7)
        ]
        again = () if case.corrections else tuple(self.more_corrections())
        if self.chance(0.6):
            if self.chance(0.6):  # much is final when it is told
                self.looks = [*self.looks, self.looks[-1] + self.pick((1, 5, 20)) * DAY]
            made.contracts[number] = self.told_late(made.contracts[number])
            if again and len(self.looks) > 1 and self.chance(0.8):  # what is void is told otherwise, and made anew
                ats = dict(zip(("VOID", "REGENERATE"), self.looks[-2:], strict=True))
                again = tuple(replace(each, at=ats[each.kind]) for each in again)
        return replace(
            case, counted=(*case.counted, *used), corrections=(*case.corrections, *again), looks=tuple(self.looks)
        )

    def of_seat(self, like: Counted, customer_id: str, key: str) -> Counted:
        """Return one more event, of somebody who may have a seat."""
        values = tuple((name, self.pick(NAMES) if name == key else value) for name, value in like.values)
        return replace(like, customer=customer_id, values=values, transaction_id=f"{like.transaction_id}.{values}")

    def seat_rate(self, card_id: str) -> Rate:
        """Sell seats, and return their rate."""
        made = self.tenant
        if all(each.id != "Z" for each in made.products):
            made.products.append(Product("Z", Terms("Seat", tags=self.some(TAGS)), LONG_AGO, (), "SUBSCRIPTION"))
        number = len(made.rates)
        rate = Rate(f"r{number}", card_id, "Z", self.price(), LONG_AGO, None, True, (), number)
        made.rates.append(replace(rate, frequency=self.pick(("MONTHLY", "MONTHLY", "WEEKLY"))))
        return made.rates[-1]

    def shown(self, product: Product, key: str) -> Product:
        """Return a usage product most often shown by a property, so that there is usage of whoever has a seat."""
        if product.first.metric_id is None or self.chance(0.2):
            return product
        first, *later = (
            terms if key in (*terms.pricing_keys, *terms.presentation_keys)
            else replace(terms, presentation_keys=(*terms.presentation_keys, key))
            for terms in (product.first, *(terms for _, terms in product.later))
        )  # fmt: skip
        return replace(product, first=first, later=tuple(zip((at for at, _ in product.later), later, strict=True)))

    def seated(self, name: str, contract: Contract, rate: Rate, key: str) -> Subscription:
        """Return a subscription with seats, or with a quantity that is whole or not."""
        found = self.subscription(name, contract.starting_at, contract.anchor, rate)
        found = replace(found, known_at=LONG_AGO)
        if self.chance(0.13):
            return self.becoming(found, key)
        if self.chance(0.25):
            return replace(found, changes=(*found.changes[:1], *(each for each in self.rises(found.starting_at))))
        changes = [SeatChange(found.starting_at, tuple(dict.fromkeys(self.ids())), self.pick((0, 0, 1, 2)))]
        one = replace(found, changes=(), seat_key=key, seat_changes=tuple(changes))
        for _ in range(self.pick((1, 2, 3, 4))):
            one = self.with_change(one)
        return self.with_return(one) if self.chance(0.4) else one

    def becoming(self, one: Subscription, key: str) -> Subscription:
        """Return a subscription of a quantity that has seats later on, which ids take from then on."""
        changes = [Change(one.starting_at, quantity=self.pick(("1", "2", "3")))]
        changes += [
            Change(self.soon(one.starting_at), delta=self.pick(("1", "2", "-1"))) for _ in range(self.pick((0, 1, 2)))
        ]
        said_at = self.pick(self.looks) - HOUR
        found = replace(one, changes=tuple(changes), seat_key=key, seats_from=said_at)
        if not is_possible(found):
            found = replace(found, changes=tuple(changes[:1]))
        for _ in range(self.pick((1, 2, 3))):
            more = self.with_change(found)
            later = tuple(
                replace(each, starting_at=max(each.starting_at, one.starting_at, said_at + HOUR))
                for each in more.seat_changes
            )
            found = replace(more, seat_changes=later) if is_possible(replace(more, seat_changes=later)) else found
        return found

    def rises(self, start: datetime) -> list[Change]:
        """Return increases of a quantity."""
        return [Change(self.soon(start), delta=self.pick(("1", "2", "0.5"))) for _ in range(self.pick((1, 2)))]

    def soon(self, start: datetime) -> datetime:
        """Return an instant at which seats change: often within the first period, sometimes at its start."""
        if self.chance(0.1):
            return start
        return self.after(start) if self.chance(0.5) else start + self.rng.randrange(24 * 40) * HOUR

    def told_late(self, contract: Contract) -> Contract:
        """Return it with changes of its last subscription that are asked for later, most of them for what is over."""
        *others, one = contract.subscriptions
        if self.chance(0.45):  # it is charged so late that only what is taken already can be in the way
            one = replace(one, frequency="ANNUAL", collection="ARREARS", at_once=False, anchor=contract.anchor)
        many = self.pick((1, 2, 3, 4))
        for said_at in sorted(
            self.pick((*self.looks, *self.looks[-1:] * 2)) - self.pick((0, 1, 1, 1, 24, 100)) * HOUR
            for _ in range(many)
        ):
            if one.seats_from is None or one.seats_from <= said_at:
                one = self.with_late(one, said_at)
        return replace(contract, subscriptions=(*others, one))

    def with_late(self, one: Subscription, said_at: datetime) -> Subscription:
        """Return it with one change more that is asked for at an instant; not all of them can be."""
        start = self.pick((one.starting_at, self.soon(one.starting_at), said_at - 30 * HOUR, said_at + 24 * HOUR))
        start = self.soon(one.starting_at) if self.chance(0.5) else start
        if one.seat_key is None:
            change = Change(start, delta=self.pick(("1", "1", "2", "0.5", "-1", "-1")), said_at=said_at)
            return one if change in one.changes else replace(one, changes=(*one.changes, change))
        for _ in range(4):
            new = self.seat_change(start)
            if self.chance(0.3):
                new = SeatChange(one.starting_at, removed=("x",))
            more = replace(one, seat_changes=(*one.seat_changes, replace(new, said_at=said_at)))
            is_new = new != SeatChange(start) and more.seat_changes[-1] not in one.seat_changes
            if is_new and (is_possible(more) or self.chance(0.05)):
                return more
        return one

    def with_change(self, one: Subscription) -> Subscription:
        """Return it with one change more, if that can be at its time and leaves those possible that come after."""
        new = self.seat_change(self.soon(one.starting_at))
        more = replace(one, seat_changes=(*one.seat_changes, new))
        return more if is_possible(more) else one

    def seat_change(self, start: datetime) -> SeatChange:
        """Return a change of seats, perhaps none."""
        return SeatChange(
            start,
            tuple(dict.fromkeys(self.ids())) if self.chance(0.7) else (),
            self.pick((0, 0, 0, 1)),
            tuple(dict.fromkeys(self.ids())) if self.chance(0.6) else (),
            self.pick((0, 0, 0, 1)),
        )

    def with_return(self, one: Subscription) -> Subscription:
        """Return it with an id that goes, and soon comes again, if that can be."""
        name, at = self.pick(NAMES), self.soon(one.starting_at)
        back = SeatChange(at + self.pick((1, 24, 120)) * HOUR, (name,))
        more = replace(one, seat_changes=(*one.seat_changes, SeatChange(at, removed=(name,)), back))
        return more if is_possible(more) else one

    def ids(self) -> list[str]:
        """Return ids, perhaps none."""
        return [self.pick(NAMES) for _ in range(self.pick((0, 1, 1, 2, 3)))]

    def following(self, name: str, contract: Contract, one: Subscription) -> Recurring:
        """Return a recurring commit or credit that follows a subscription."""
        begin = self.pick((contract.starting_at, one.starting_at))
        found = replace(
            self.recurring(name, contract.starting_at),
            starting_at=begin,
            frequency=self.pick((None, None, "MONTHLY", "WEEKLY")),
            rollover=None,
            follows=Follows(
                one.id, one.seat_key is not None and one.seats_from is None and self.chance(0.7), self.chance(0.5)
            ),
        )
        end = None if self.chance(0.6) else begin + self.pick((1, 10, 31, 45)) * DAY
        found = replace(found, ending_before=end)
        if any(each.parent and each.parent.contract_id == contract.id for each in self.tenant.contracts):
            found = self.opened(found, contract.id)
        often = 0.9 if found.follows and found.follows.individual else 0.6
        if self.chance(often):
            found = replace(found, product_ids=(), tags=(), specifiers=(), priority=self.pick(("0.1", "1")))
        return replace(found, currency=self.tenant.cards[contract.card_id]) if self.chance(often) else found
