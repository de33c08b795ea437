"""The oracle's commits and credits: who may pay, who pays first, and for what (docs/pricing.md, section 6)."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from fractions import Fraction
from typing import Any

from msgspec import Struct, field

from sim.oracle_charge import Charge, Payer, Tier
from sim.oracle_family import family, shares
from sim.oracle_number import divided, exact
from sim.oracle_rate import terms_at
from sim.oracle_seats import drawn_on, seat_of
from sim.oracle_target import Use, any_of
from sim.world import QUANTITY, Balance, Contract, Product, Segment, Tenant

INFINITE = float("inf")
ORDER = (
    "what rolled over", "what pays", "priority", "free before paid", "fewest products", "fewest groups", "ends first",
    "begins first", "the customer's own", "fewest contracts", "the contract's own", "balance id", "segment id",
)  # fmt: skip
"""What decides which balance pays first, in the order of `precedence`."""


TYPES = ("usage", "subscription", "composite", "cpu_conversion")
"""What is paid first."""


def payers(tenant: Tenant, balances: Iterable[Balance], contract: Contract, at: datetime) -> list[Payer]:
    """Return the segments that may pay for usage of a contract in a period that begins at `at`, the first first."""
    found = [(balance, each) for balance in balances if reaches(tenant, balance, contract) for each in balance.segments]
    return sorted(found, key=lambda each: precedence(tenant, contract, *each, at))


def reaches(tenant: Tenant, balance: Balance, contract: Contract) -> bool:
    """Whether a balance is the contract's, its parent's and for it too, or the customer's and not for others only.

    An archived one pays for nothing (section 14).
    """
    if balance.archived_at is not None:
        return False
    if balance.contract_id is not None:
        return balance.contract_id == contract.id or shares(tenant, balance, contract)
    if balance.customer_id != contract.customer_id:
        return False
    return not balance.contract_ids or contract.id in balance.contract_ids


def precedence(tenant: Tenant, contract: Contract, balance: Balance, segment: Segment, at: datetime) -> tuple[Any, ...]:
    """Return what the order of payers goes by: the smallest pays first. `ORDER` has the names of its parts."""
    rolled = balance.rolled_from is not None
    return (
        not rolled,
        (balance.type == "POSTPAID") != rolled,
        exact(balance.priority),
        is_paid(balance) and not rolled,
        product_count(tenant, balance, at),
        len([each for each in balance.specifiers if each.pricing or each.presentation]),
        segment.ending_before,
        segment.starting_at,
        balance.customer_id != contract.customer_id,
        contract_count(balance),
        balance.contract_id is None,
        balance.id,
        segment.id,
    )


def contract_count(balance: Balance) -> float:
    """Return for how many contracts it may pay. Nobody knows how many children a parent will have."""
    if balance.contract_id is not None:
        return INFINITE if balance.child_access == "ALL" else 1 + len(balance.child_ids)
    return len(balance.contract_ids) or INFINITE


def is_paid(balance: Balance) -> bool:
    """Whether the customer is asked to pay for it, or was when it was a balance of an older contract."""
    items = balance.schedule.items if balance.schedule else ()
    return balance.paid_before or any(exact(each.quantity) * exact(each.unit_price) > 0 for each in items)


def product_count(tenant: Tenant, balance: Balance, at: datetime) -> float:
    """Return for how many products it may pay; all: infinitely many."""
    ways = [(each.product_id, set(each.tags)) for each in balance.specifiers]
    ways += [(each, set()) for each in balance.product_ids] + [(None, {each}) for each in balance.tags]
    if not ways or any(product_id is None and not tags for product_id, tags in ways):
        return INFINITE
    found = set()
    for product_id, tags in ways:
        if product_id is not None:
            found.add(product_id)
        else:
            found |= {each.id for each in on_cards(tenant, balance.customer_id) if tags <= set(terms_at(each, at).tags)}
    return len(found)


def on_cards(tenant: Tenant, customer_id: str) -> list[Product]:
    """Return the products that have a rate on a card of the contracts of the customer, and of its family."""
    theirs = family(tenant, customer_id)
    cards = {each.card_id for each in tenant.contracts if each.customer_id in theirs}
    priced = {each.product_id for each in tenant.rates if each.card_id in cards}
    return [each for each in tenant.products if each.id in priced]


def applies(balance: Balance, use: Use) -> bool:
    """Whether a balance may pay for a use: one of units whatever it is priced in (section 6, Units)."""
    if balance.currency not in {QUANTITY, use.currency}:
        return False
    if balance.seats is not None and balance.seats.follows.individual and seat_of(balance, use) is None:
        return False
    if use.conversion:
        return not (balance.specifiers or balance.product_ids or balance.tags)
    if balance.specifiers:
        return any_of(balance.specifiers, use)
    if balance.product_ids or balance.tags:
        return use.product_id in balance.product_ids or bool(set(balance.tags) & set(use.tags))
    return True


def pays_for(balance: Balance, kind: str) -> bool:
    """Whether a balance may pay for a type of charge: one of units for usage only (section 6, Units)."""
    return kind == "usage" or balance.currency != QUANTITY


def is_open(segment: Segment, at: datetime) -> bool:
    """Whether it is the time of a segment."""
    return segment.starting_at <= at < segment.ending_before


def turn(charge: Charge) -> tuple[Any, ...]:
    """Return which line is paid first: usage, earlier start, higher unit price, name; then what tells lines apart.

    Of subscriptions that are alike in all of that, the one is paid first that was agreed first.
    """
    use = charge.use
    shown = tuple((name, value is not None, value or "") for name, value in use.presentation)  # absent ones first
    by = TYPES.index(charge.type), charge.start, -charge.unit_price, charge.name
    return *by, use.product_id, use.pricing, shown, charge.tier[0] if charge.tier else 0, charge.place


class Payment(Struct, frozen=True):
    """What one segment pays of a charge: units at a unit price."""

    payer: Payer
    quantity: Fraction
    unit_price: Fraction
    amount: Fraction
    tier: Tier | None


class Paid(Struct):
    """What balances may pay of a charge and pay, as one comes after the other."""

    charge: Charge
    quantity: Fraction
    amount: Fraction
    """What is open, in units and at the usual price."""
    set_off: tuple[Fraction, Fraction]
    """What is not open from the start on: units and amount."""
    payments: list[Payment] = field(default_factory=list)

    @property
    def rest(self) -> tuple[Fraction, Fraction]:
        """What nobody pays: units and amount."""
        return self.quantity + self.set_off[0], self.amount + self.set_off[1]

    def pay(self, payer: Payer, has: Fraction) -> Fraction:
        """Pay as much as can be paid by a segment that has so much; return how much that is."""
        charge = self.charge
        usual = payer[0].id not in {balance_id for balance_id, *_ in charge.special}
        unit_price, tier = charge.unit_price, charge.tier
        for balance_id, *other in charge.special:
            if balance_id == payer[0].id:
                unit_price, tier = other
        if payer[0].currency == QUANTITY:
            return self.cover(payer, min(self.quantity, has), None if usual else unit_price, tier)
        if not (self.amount if usual else self.quantity):
            return Fraction(0)
        cost = self.amount if usual else self.quantity * unit_price
        amount = min(cost, has)
        quantity = self.quantity if amount == cost else min(self.quantity, divided(amount, unit_price))
        self.payments.append(Payment(payer, quantity, unit_price, amount, tier))
        if usual:
            self.amount -= amount
        else:  # the units that it bought are no longer open, at whatever price
            whole = quantity == self.quantity
            self.amount -= self.amount if whole else min(self.amount, quantity * charge.unit_price)
        self.quantity -= quantity
        return amount

    def cover(self, payer: Payer, quantity: Fraction, own_price: Fraction | None, tier: Tier | None) -> Fraction:
        """Pay for so many units, whatever they cost (section 6, Units); return how many these are.

        `own_price` is what they cost this balance; None: what they usually cost.
        """
        if not quantity:
            return Fraction(0)
        usual = self.amount if quantity == self.quantity else min(self.amount, quantity * self.charge.unit_price)
        amount = usual if own_price is None else quantity * own_price
        unit_price = self.charge.unit_price if own_price is None else own_price
        self.payments.append(Payment(payer, quantity, unit_price, amount, tier))
        self.quantity, self.amount = self.quantity - quantity, self.amount - usual
        return quantity


def as_counted(some: list[Paid]) -> list[Paid]:
    """Return charges in the order in which their units are covered (section 6, Units).

    Products, groups and times in the order in which lines are paid, by the price of the first unit; within one of them
    units as they were counted.
    """
    first: dict[Any, Charge] = {}
    for each in sorted(some, key=lambda each: each.charge.place):
        first.setdefault((each.charge.use, each.charge.start), each.charge)
    return sorted(some, key=lambda each: (turn(first[each.charge.use, each.charge.start]), each.charge.place))


def payable(charges: list[Charge]) -> list[Paid]:
    """Return what may be paid of each charge, the first to be paid first.

    What is taken back is set off against the last charges of the same product and group: amounts against amounts, and
    units at a price of zero against units at a price of zero.
    """
    back: dict[Any, Fraction] = defaultdict(Fraction)
    for charge in charges:
        if charge.quantity < 0:
            back[_whose(charge)] -= charge.total or charge.quantity
    found = []
    for _, charge in sorted(enumerate(charges), key=lambda each: (turn(each[1]), each[0]), reverse=True):
        taken = Fraction(0)
        if charge.quantity > 0:
            taken = min(charge.total or charge.quantity, back[_whose(charge)])
            back[_whose(charge)] -= taken
        found.append(_open(charge, taken))
    return found[::-1]


def _open(charge: Charge, taken: Fraction) -> Paid:
    """Return what may be paid of a charge of which so much is taken back; nothing of one that takes back itself."""
    if charge.quantity <= 0:
        return Paid(charge, Fraction(0), Fraction(0), (charge.quantity, charge.total))
    if charge.total == 0:
        return Paid(charge, charge.quantity - taken, Fraction(0), (taken, Fraction(0)))
    amount = charge.total - taken
    quantity = min(charge.quantity, divided(amount, charge.unit_price)) if taken else charge.quantity
    return Paid(charge, quantity, amount, (charge.quantity - quantity, taken))


def _whose(charge: Charge) -> Any:
    use = charge.use
    return use.product_id, use.pricing, use.presentation, use.currency, charge.unit_price == 0


def draw(charges: list[Charge], payers: list[Payer], left: dict[str, Fraction]) -> list[Paid]:
    """Return who pays how much of each charge, and take it from `left`. The first payer goes over all lines first."""
    found = payable(charges)
    for balance, segment in payers:
        for each in as_counted(found) if balance.currency == QUANTITY else found:
            at = each.charge.paid_at or each.charge.start
            purse = drawn_on(balance, segment.id, each.charge.use)
            may = is_open(segment, at) and applies(balance, each.charge.use) and pays_for(balance, each.charge.type)
            if left.get(purse, 0) > 0 and may:
                left[purse] -= each.pay((balance, segment), left[purse])
    return found
