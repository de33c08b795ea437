"""Hierarchies of random contracts: children of other customers, what is shared with them, and their renewals.

All of it is drawn last, and around what was drawn before: so the other seeds stay what they are.
"""

from datetime import datetime
from typing import TypeVar

from msgspec.structs import replace

from sim.contracts_balances import Promised
from sim.contracts_chance import HOUR, LONG_AGO
from sim.oracle_family import family
from sim.world import Balance, Case, Contract, Correction, Counted, Customer, End, Parent, Recurring

OFTEN = {"renewals": 0.5, "corrections": 0.3, "balances": 0.15, "promises": 0.25, "units": 0.15}
ACCESS = (None, "ALL", "ALL", "ALL", "CONTRACT_IDS", "CONTRACT_IDS", "NONE")
RELATIVES = ("Hulu", "ESPN")
_T = TypeVar("_T", Balance, Recurring)


class Related(Promised):
    """Makes what parents and children agree on."""

    def with_family(self, case: Case) -> Case:
        """Return the case, sometimes with relatives of the customer."""
        if not self.chance(OFTEN.get(self.theme, 0.06)):
            return case
        made = self.tenant
        names = RELATIVES[: self.pick((1, 2))]
        made.customers += [Customer(each, each, ((f"{each}-alias", LONG_AGO),)) for each in names]
        more = tuple(self.pick(names) for _ in range(self.pick((0, 1, 1, 2))))
        for number, each in enumerate((names[0], *more, *names[1:])):
            made.contracts += self.joined(f"k{number}", each)
        self.share()
        made.balances.append(self.pool("f0"))
        for number in range(1, self.pick((1, 2, 2, 3))):
            made.balances.append(self.of_relatives(f"f{number}", names))
        theirs = [
            replace(each, customer=self.pick((*names, f"{names[0]}-alias")), transaction_id=f"{each.transaction_id}.k")
            for each in case.counted
            if self.chance(0.7)
        ]
        if self.theme == "renewals":  # after renewals, too
            theirs += [self.later(each) for each in theirs if self.chance(0.5)]
        return replace(
            case, counted=(*case.counted, *theirs), corrections=(*case.corrections, *self.more_corrections())
        )

    def later(self, like: Counted) -> Counted:
        """Return one more that comes soon before invoices are looked at for the last time."""
        at = self.looks[-1] - self.pick((1, 24, 72)) * HOUR
        return replace(like, at=at, known_at=at, transaction_id=f"{like.transaction_id}.later")

    def more_corrections(self) -> list[Correction]:
        """Return what else is voided and made anew: often the same invoices, for consolidated ones repeat them."""
        if not self.chance(0.4):
            return []
        at = self.pick(self.looks[-2:])
        kinds = ("VOID",) * self.pick((2, 3, 5)) + ("REGENERATE",) * self.pick((1, 2, 3, 5))
        numbers = {"VOID": (0, 0, 0, 1, 5), "REGENERATE": (-1, -1, 0, 0, 1)}
        return [Correction(at, kind, self.pick(numbers[kind])) for kind in kinds]

    def joined(self, name: str, whose: str) -> list[Contract]:
        """Return a contract of a relative, most often a child, and perhaps the one that renews it."""
        parents = [each for each in self.first_contracts() if each.parent is None and each.customer_id != whose]
        renewed = [each for each in parents if self.renewal_of(each)]
        parent = self.pick(renewed if renewed and self.chance(0.6) else (parents[0], *parents, parents[-1]))
        renewal = self.renewal_of(parent)
        child = self.child(name, whose, parent)
        if child.parent is None:
            return [child]
        if renewal is None:
            if self.chance(0.15):
                self.tenant.ends.append(self.end(child))
                return [child]
            if self.theme != "renewals" or not self.chance(0.3):
                return [child]
            said_at = max(self.pick(self.looks) - HOUR, child.starting_at)
            return [child, self.renewed(child, parent, End(parent.id, said_at, self.after(said_at)))]
        limit = renewal.ending_before
        if child.starting_at >= limit:
            child = replace(self.child(name, whose, parent, parent.starting_at), parent=child.parent)
        if child.ending_before is None or child.ending_before > limit:
            if child.starting_at <= renewal.said_at and self.chance(0.4):
                child = replace(child, ending_before=None)
                self.tenant.ends.append(End(child.id, renewal.said_at, limit))
            else:
                child = replace(child, ending_before=limit)
        if self.chance(0.25):
            return [child]
        [newer] = [each for each in self.tenant.contracts if each.id == renewal.renewed_by]
        return [child, self.renewed(child, newer, renewal)]

    def child(self, name: str, whose: str, parent: Contract, begin: datetime | None = None) -> Contract:
        """Return a contract of a relative: often with the periods of its parent, sometimes without a parent."""
        found = replace(self.contract(name, begin), customer_id=whose)
        if whose in family(self.tenant, parent.customer_id) and self.chance(0.3):
            return found
        if self.chance(0.65):
            found = self.in_step(found, parent)
        return replace(found, parent=self.place(parent))

    def in_step(self, child: Contract, parent: Contract) -> Contract:
        """Return it with the billing periods of its parent."""
        subscribed = tuple(
            replace(each, anchor=parent.anchor) if each.anchor == child.anchor else each for each in child.subscriptions
        )
        return replace(child, frequency=parent.frequency, anchor=parent.anchor, subscriptions=subscribed)

    def place(self, parent: Contract) -> Parent:
        """Return a place under a parent."""
        pays = self.chance(0.65)
        return Parent(parent.customer_id, parent.id, pays, pays and self.chance(0.8))

    def renewed(self, child: Contract, parent: Contract, told: End) -> Contract:
        """Return the contract that renews a child, with a parent; that is said with what is told of that one."""
        while again := self.renewal_of(parent):  # whoever is renewed again has no child that lasts
            told, parent = again, next(each for each in self.tenant.contracts if each.id == again.renewed_by)
        start = max(told.ending_before, child.starting_at + HOUR)
        start = self.after(start) if self.chance(0.2) else start
        new = replace(
            self.contract(f"{child.id}.new", start),
            customer_id=child.customer_id,
            card_id=child.card_id,
            created_at=told.said_at,
            renews=child.id,
        )
        self.tenant.ends.append(End(child.id, told.said_at, new.starting_at, new.id, self.chance(0.7)))
        if self.chance(0.65):
            new = self.in_step(new, parent)
        return replace(new, parent=self.place(parent))

    def renewal_of(self, contract: Contract) -> End | None:
        """Return what is said of the end of a contract when it is renewed."""
        return next((each for each in self.tenant.ends if each.contract_id == contract.id and each.renewed_by), None)

    def share(self) -> None:
        """Let children have balances and recurring terms of their parents, and parents consolidate."""
        made = self.tenant
        parents = {each.parent.contract_id for each in made.contracts if each.parent is not None}
        made.balances = [
            self.opened(each, each.contract_id) if each.contract_id in parents else each for each in made.balances
        ]
        for number, each in enumerate(made.contracts):
            if each.id in parents:
                more = (self.recurring(f"{each.id}.rk", each.starting_at),) if self.chance(0.2) else ()
                terms = tuple(self.opened(one, each.id) for one in (*each.recurring, *more))
                made.contracts[number] = replace(each, recurring=terms, consolidates=self.chance(0.7))

    def opened(self, one: _T, contract_id: str) -> _T:
        """Return a balance or a recurring term with the children for which it is too."""
        access = self.pick(ACCESS)
        older = next(each.renews for each in self.tenant.contracts if each.id == contract_id)
        mine = {contract_id, older}
        children = tuple(
            each.id for each in self.tenant.contracts if each.parent is not None and each.parent.contract_id in mine
        )
        named = (self.some(children) or children[:1]) if access == "CONTRACT_IDS" else ()
        return replace(one, child_access=access, child_ids=named)

    def pool(self, name: str) -> Balance:
        """Return a balance of a parent that is most often for its children too, for a long time."""
        named = {each.parent.contract_id for each in self.tenant.contracts if each.parent is not None}
        parents = [each for each in self.tenant.contracts if each.id in named]
        renewed = [each for each in parents if self.renewal_of(each)]
        parent = self.pick(renewed if renewed and self.chance(0.7) else parents)
        found = self.owned(self.balance(name), parent.customer_id, parent.id)
        if self.chance(0.7):
            found = replace(found, segments=self.long_segment(name))
        if self.chance(0.6) or parent in renewed:
            found = replace(found, product_ids=(), tags=(), specifiers=(), currency=self.tenant.cards[parent.card_id])
        if found.type == "POSTPAID":
            found = self.postpaid(found)
        if parent in renewed:
            found = replace(found, rollover=self.pick(("1", "1", "0.9", "0.5")))
        found = self.opened(self.owned(found, parent.customer_id, parent.id), parent.id)
        if parent in renewed and self.chance(0.4):  # those who renew the children are not named, and draw all the same
            first = [each.id for each in self.first_contracts() if each.parent and each.parent.contract_id == parent.id]
            return replace(found, child_access="CONTRACT_IDS" if first else "ALL", child_ids=tuple(first))
        return found

    def of_relatives(self, name: str, names: tuple[str, ...]) -> Balance:
        """Return a balance of a relative, often like one of its parent; or one more for all children."""
        like = self.pick(self.tenant.balances) if self.tenant.balances and self.chance(0.6) else None
        found = self.balance(name) if like is None else self.alike(name, like)
        whose = self.pick(names)
        own = [each.id for each in self.tenant.contracts if each.customer_id == whose]
        return self.owned(found, whose, self.pick((None, *own)))

    def alike(self, name: str, like: Balance) -> Balance:
        """Return a balance that differs from another only in whose it is, and in what is asked for it."""
        segments = tuple(replace(each, id=f"{name}.{number}") for number, each in enumerate(like.segments))
        found = replace(like, id=name, segments=segments, schedule=None, child_access=None, child_ids=())
        return self.postpaid(found) if like.type == "POSTPAID" else found

    def owned(self, one: Balance, whose: str, contract_id: str | None) -> Balance:
        """Return it as a balance of a customer, or of one of its contracts."""
        own = tuple(each.id for each in self.tenant.contracts if each.customer_id == whose)
        first = next(each.id for each in self.first_contracts() if each.customer_id == whose)
        return replace(
            one,
            customer_id=whose,
            contract_id=contract_id,
            contract_ids=() if contract_id else tuple(each for each in one.contract_ids if each in own),
            invoice_contract_id=None if contract_id or one.schedule is None else first,
            rollover=one.rollover if contract_id else None,
        )
