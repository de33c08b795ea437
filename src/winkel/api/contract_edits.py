"""Edits of contracts: what is asked for → the contract and its balances from now on (metronome-api.md §4.7, Edit).

One edit is applied in the order of the fields of `EditContract`: first what goes, then what changes, then what is new,
then name and payment terms, and the end date last, so that an earlier end cuts what the same edit has added.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from msgspec import UNSET, Struct, structs

from winkel.api import (
    balance_edits,
    contract_ends,
    discounts,
    fields,
    overrides,
    pro_services,
    recurring,
    recurring_edits,
    scheduled_charges,
    seat_links,
    subscription_edits,
    subscriptions,
    terms,
)
from winkel.api.balance_edits import Removed, Settled
from winkel.api.contract_requests import CHARGES_MAX, OVERRIDES_MAX, RECURRING_MAX, SERVICES_MAX, SUBSCRIPTIONS_MAX
from winkel.api.edit_requests import EditContract, UpdateCharge, UpdateCommit, UpdateCredit, check_asks
from winkel.api.recurring_edits import RecurringUpdate
from winkel.api.terms import Origin
from winkel.bill import seats
from winkel.bill.invoiced import Invoiced
from winkel.model.commit import Balance, BalanceType
from winkel.model.contract import Contract, Discount, ScheduledCharge
from winkel.model.product import Product
from winkel.model.rate_card import Rate
from winkel.model.recurring import RecurringBalance

COMMITS = (BalanceType.PREPAID, BalanceType.POSTPAID)
CREDITS = (BalanceType.CREDIT,)


class Ground(Struct, frozen=True):
    """What an edit is decided on, beside the contract and its balances."""

    known: Mapping[str, Product]
    """The products that the edit and the balances of the contract name, as far as they exist."""
    settled: Settled
    rates: Sequence[Rate]
    """Of the contract's card, if subscriptions are added."""
    at: datetime
    by: str


class Terms(Struct):
    """A contract and its own balances by id, archived ones too, while they are edited."""

    contract: Contract
    balances: dict[str, Balance]

    def balance(self, balance_id: str, kinds: tuple[BalanceType, ...], place: str) -> Balance:
        """Return a balance of the contract. Raises `InvalidError` when there is none of these kinds."""
        found = self.balances.get(balance_id)
        if found is None or found.type not in kinds:
            word = "credit" if kinds == CREDITS else "commit"
            fields.refuse(f"this contract has no {word} {balance_id}", place)
        if found.rolled_over_from is not None:
            fields.refuse("what rolled over from another contract cannot be edited", place)
        return found


def edited(contract: Contract, held: Mapping[str, Balance], asked: EditContract, ground: Ground) -> Terms:
    """Return the contract and its balances after the edit. Raises `InvalidError` with the place of what cannot be.

    `held` are the balances of the contract by id, and those of its children that have begun or are named.
    """
    made = Terms(contract, dict(held))
    _remove(made, asked, ground)
    _update(made, asked, ground)
    _update_recurring(made, asked, ground)
    _update_subscriptions(made, asked, ground)
    _change_discounts(made, asked, ground)
    _add_balances(made, asked, ground)
    _add_terms(made, asked, ground)
    _describe(made, asked)
    if asked.update_contract_end_date is not UNSET:
        end, settled = asked.end(contract.ending_before), ground.settled
        invoiced = Invoiced(ground.at, settled.invoiced_items, settled.freed_items)
        made.contract, cut = contract_ends.ended(made.contract, made.balances.values(), end, invoiced)
        made.balances |= {each.id: each for each in cut}
    longer = "update_subscriptions" if asked.update_subscriptions else "update_contract_end_date"
    contract_ends.check_outgrown(made.contract, ground.settled.charged_parts, ground.at, f"$.{longer}")
    return made


def _remove(made: Terms, asked: EditContract, ground: Ground) -> None:
    """Take away what is removed and archived."""
    left = {each.id: each for each in made.contract.overrides}
    for index, each in enumerate(asked.remove_overrides):
        if left.pop(str(each.id), None) is None:
            fields.refuse(f"this contract has no override {each.id}", f"$.remove_overrides[{index}].id")
    made.contract = structs.replace(made.contract, overrides=tuple(left.values()))
    for name, kinds, some in (
        ("archive_commits", COMMITS, asked.archive_commits),
        ("archive_credits", CREDITS, asked.archive_credits),
    ):
        for index, each in enumerate(some):
            place = f"$.{name}[{index}].id"
            balance = made.balance(str(each.id), kinds, place)
            made.balances[balance.id] = balance_edits.archived(balance, ground.settled, ground.at, place)
    _replace_charges(
        made, [_archived(made, each, index, ground) for index, each in enumerate(asked.archive_scheduled_charges)]
    )


def _archived(made: Terms, asked: Removed, index: int, ground: Ground) -> ScheduledCharge:
    place = f"$.archive_scheduled_charges[{index}].id"
    charge = _charge(made, str(asked.id), place)
    if any(item.id in ground.settled.invoiced_items for item in charge.schedule.schedule_items):
        fields.refuse("this charge has finalized invoices: void them first", place)
    return structs.replace(charge, archived_at=ground.at)


def _update(made: Terms, asked: EditContract, ground: Ground) -> None:
    """Change what is updated, one after the other."""
    for index, commit in enumerate(asked.update_commits):
        place = f"$.update_commits[{index}]"
        balance = made.balance(str(commit.commit_id), COMMITS, f"{place}.commit_id")
        check_asks(commit, place, "commit_id")
        made.balances[balance.id] = _updated(balance, commit, ground, place)
    for index, credit in enumerate(asked.update_credits):
        place = f"$.update_credits[{index}]"
        balance = made.balance(str(credit.credit_id), CREDITS, f"{place}.credit_id")
        check_asks(credit, place, "credit_id")
        made.balances[balance.id] = _updated(balance, credit, ground, place)
    for index, charge in enumerate(asked.update_scheduled_charges):
        _replace_charges(made, [_recharged(made, charge, ground, f"$.update_scheduled_charges[{index}]")])


def _update_recurring(made: Terms, asked: EditContract, ground: Ground) -> None:
    """Change what recurs, for the children that are still to come."""
    some: list[tuple[RecurringUpdate, str, str, str]] = [
        (each, str(each.recurring_commit_id), f"$.update_recurring_commits[{index}]", "recurring_commit_id")
        for index, each in enumerate(asked.update_recurring_commits)
    ]
    some += [
        (each, str(each.recurring_credit_id), f"$.update_recurring_credits[{index}]", "recurring_credit_id")
        for index, each in enumerate(asked.update_recurring_credits)
    ]
    for update, its_id, place, name in some:
        check_asks(update, place, name)
        left = {each.id: each for each in made.contract.recurring_balances}
        if its_id not in left or (left[its_id].type in CREDITS) != (name == "recurring_credit_id"):
            word = "credit" if name == "recurring_credit_id" else "commit"
            fields.refuse(f"this contract has no recurring {word} {its_id}", f"{place}.{name}")
        left[its_id] = recurring_edits.edited(left[its_id], update, made.contract.ending_before, place)
        _check_no_child_after(left[its_id], made.balances.values(), ground.at, f"{place}.ending_before")
        made.contract = structs.replace(made.contract, recurring_balances=tuple(left.values()))


def _check_no_child_after(term: RecurringBalance, held: Iterable[Balance], at: datetime, place: str) -> None:
    """Raise `InvalidError` when a child to come was edited, and so is kept, that the term would not give any more."""
    for each in held:
        its = each.recurring_id == term.id and each.archived_at is None and each.segments
        if its and term.ending_before is not None and each.segments[0].starting_at >= max(term.ending_before, at):
            fields.refuse(f"its child {each.id} begins after that, was edited and stays: archive it first", place)


def _update_subscriptions(made: Terms, asked: EditContract, ground: Ground) -> None:
    """Change subscriptions, as far as no final invoice has charged them, or has drawn on what their seats give."""

    def overdrawn(contract: Contract) -> bool:
        return seats.overdrawn(contract, made.balances.values(), ground.settled.entries, ground.at)

    before = overdrawn(made.contract)
    for index, update in enumerate(asked.update_subscriptions):
        place, its_id = f"$.update_subscriptions[{index}]", str(update.subscription_id)
        check_asks(update, place, "subscription_id")
        left = {each.id: each for each in made.contract.subscriptions}
        if its_id not in left:
            fields.refuse(f"this contract has no subscription {its_id}", f"{place}.subscription_id")
        charged = ground.settled.invoiced_items
        left[its_id] = subscription_edits.edited(made.contract, left[its_id], update, charged, ground.at, place)
        made.contract = structs.replace(made.contract, subscriptions=tuple(left.values()))
        if overdrawn(made.contract) and not before:
            fields.refuse("finalized invoices have drawn on what these seats give: void them first", place)


def _updated(balance: Balance, asked: UpdateCommit | UpdateCredit, ground: Ground, place: str) -> Balance:
    changed = balance_edits.edited(balance, asked, ground.known, ground.settled, place)
    if asked.rollover_fraction is not UNSET:
        fraction = terms.fraction(asked.rollover_fraction, f"{place}.rollover_fraction")
        if fraction is not None and changed.allocation is not None:
            fields.refuse("what follows the seats of a subscription does not roll over", f"{place}.rollover_fraction")
        if ground.settled.rolled_over(balance):
            fields.refuse("has rolled over with its fraction already", f"{place}.rollover_fraction")
        changed = structs.replace(changed, rollover_fraction=fraction)
    if asked.netsuite_sales_order_id is not UNSET:
        changed = structs.replace(changed, netsuite_sales_order_id=asked.netsuite_sales_order_id)
    return changed


def _recharged(made: Terms, asked: UpdateCharge, ground: Ground, place: str) -> ScheduledCharge:
    charge = _charge(made, str(asked.scheduled_charge_id), f"{place}.scheduled_charge_id")
    check_asks(asked, place, "scheduled_charge_id")
    if asked.invoice_schedule is not None:
        where = f"{place}.invoice_schedule"
        schedule = balance_edits.edited_schedule(charge.schedule, asked.invoice_schedule, ground.settled, where)
        charge = structs.replace(charge, schedule=schedule)
    if asked.netsuite_sales_order_id is not UNSET:
        charge = structs.replace(charge, netsuite_sales_order_id=asked.netsuite_sales_order_id)
    return charge


def _charge(made: Terms, its_id: str, place: str) -> ScheduledCharge:
    """Return a charge of the contract. Raises `InvalidError` for an unknown or archived one."""
    found = {each.id: each for each in made.contract.scheduled_charges}.get(its_id)
    if found is None:
        fields.refuse(f"this contract has no scheduled charge {its_id}", place)
    if found.archived_at is not None:
        fields.refuse("this charge is archived", place)
    return found


def _replace_charges(made: Terms, changed: list[ScheduledCharge]) -> None:
    by_id = {each.id: each for each in changed}
    charges = tuple(by_id.get(each.id, each) for each in made.contract.scheduled_charges)
    made.contract = structs.replace(made.contract, scheduled_charges=charges)


def _change_discounts(made: Terms, asked: EditContract, ground: Ground) -> None:
    """Archive and update discounts."""
    left = {each.id: each for each in made.contract.discounts}
    for index, removed in enumerate(asked.archive_discounts):
        place = f"$.archive_discounts[{index}].id"
        each = _discount(left, str(removed.id), place)
        if any(item.id in ground.settled.invoiced_items for item in each.schedule.schedule_items):
            fields.refuse("this discount is on finalized invoices: void them first", place)
        left[each.id] = structs.replace(each, archived_at=ground.at)
    for index, update in enumerate(asked.update_discounts):
        place = f"$.update_discounts[{index}]"
        each = _discount(left, str(update.id), f"{place}.id")
        check_asks(update, place, "id")
        left[each.id] = discounts.edited(each, update, ground.settled, place)
    made.contract = structs.replace(made.contract, discounts=tuple(left.values()))


def _discount(left: Mapping[str, Discount], its_id: str, place: str) -> Discount:
    """Return a discount of the contract. Raises `InvalidError` for an unknown or archived one."""
    if its_id not in left:
        fields.refuse(f"this contract has no discount {its_id}", place)
    if left[its_id].archived_at is not None:
        fields.refuse("this discount is archived", place)
    return left[its_id]


def _add_balances(made: Terms, asked: EditContract, ground: Ground) -> None:
    origin = Origin(
        customer_id=made.contract.customer_id,
        contract_id=made.contract.id,
        created_at=ground.at,
        created_by=ground.by,
    )
    new = [
        *(
            terms.commit(each, origin, ground.known, f"$.add_commits[{at}]")
            for at, each in enumerate(asked.add_commits)
        ),
        *(
            terms.credit(each, origin, ground.known, f"$.add_credits[{at}]")
            for at, each in enumerate(asked.add_credits)
        ),
    ]
    made.balances |= {each.id: each for each in new}


def _add_terms(made: Terms, asked: EditContract, ground: Ground) -> None:
    """Add overrides, charges and what recurs; that must lie within the term which the edit leaves."""
    contract = made.contract
    new_overrides = [
        overrides.override(
            each, contract.multiplier_override_prioritization, ground.at, ground.known, f"$.add_overrides[{index}]"
        )
        for index, each in enumerate(asked.add_overrides)
    ]
    new_charges = [
        scheduled_charges.scheduled_charge(each, ground.known, f"$.add_scheduled_charges[{index}]")
        for index, each in enumerate(asked.add_scheduled_charges)
    ]
    new_discounts = [
        discounts.discount(each, ground.known, f"$.add_discounts[{index}]")
        for index, each in enumerate(asked.add_discounts)
    ]
    term = contract.starting_at, asked.end(contract.ending_before)
    new_recurring = recurring.balances(
        asked.add_recurring_commits, asked.add_recurring_credits, term, ground.known, contract.recurring_balances
    )
    added = asked.add_subscriptions
    new_subscriptions = [
        structs.replace(
            subscriptions.subscription(each, contract, ground.known, ground.rates, f"$.add_subscriptions[{index}]"),
            created_at=ground.at,
        )
        for index, each in enumerate(added)
    ]
    new_recurring = seat_links.linked(
        new_recurring, contract.subscriptions, subscriptions.named(added, new_subscriptions, "$.add_subscriptions"),
        ("$.add_recurring_commits", "$.add_recurring_credits"),
    )  # fmt: skip
    new_services = [
        pro_services.pro_service(each, ground.known, f"$.add_professional_services[{index}]")
        for index, each in enumerate(asked.add_professional_services)
    ]
    made.contract = structs.replace(
        contract,
        subscriptions=(*contract.subscriptions, *new_subscriptions),
        overrides=(*contract.overrides, *new_overrides),
        scheduled_charges=(*contract.scheduled_charges, *new_charges),
        discounts=(*contract.discounts, *new_discounts),
        recurring_balances=(*contract.recurring_balances, *new_recurring),
        professional_services=(*contract.professional_services, *new_services),
    )
    _check_size(made.contract)


def _check_size(contract: Contract) -> None:
    """Raise `InvalidError` when a contract has more than one that is created may have."""
    if len(contract.overrides) > OVERRIDES_MAX:
        fields.refuse(f"a contract has at most {OVERRIDES_MAX} overrides", "$.add_overrides")
    if len(contract.scheduled_charges) > CHARGES_MAX:
        fields.refuse(f"a contract has at most {CHARGES_MAX} scheduled charges", "$.add_scheduled_charges")
    if len(contract.discounts) > CHARGES_MAX:
        fields.refuse(f"a contract has at most {CHARGES_MAX} discounts", "$.add_discounts")
    if len(contract.subscriptions) > SUBSCRIPTIONS_MAX:
        fields.refuse(f"a contract has at most {SUBSCRIPTIONS_MAX} subscriptions", "$.add_subscriptions")
    if len(contract.professional_services) > SERVICES_MAX:
        fields.refuse(f"a contract has at most {SERVICES_MAX} professional services", "$.add_professional_services")
    credits_count = sum(each.type is BalanceType.CREDIT for each in contract.recurring_balances)
    if credits_count > RECURRING_MAX:
        fields.refuse(f"a contract has at most {RECURRING_MAX} recurring credits", "$.add_recurring_credits")
    if len(contract.recurring_balances) - credits_count > RECURRING_MAX:
        fields.refuse(f"a contract has at most {RECURRING_MAX} recurring commits", "$.add_recurring_commits")


def _describe(made: Terms, asked: EditContract) -> None:
    """Change the name and the payment terms."""
    if asked.update_contract_name is not UNSET:
        made.contract = structs.replace(made.contract, name=asked.update_contract_name)
    if asked.update_net_payment_terms_days is not UNSET:
        days = fields.number_or_none(asked.update_net_payment_terms_days, "$.update_net_payment_terms_days")
        made.contract = structs.replace(made.contract, net_payment_terms_days=days)
