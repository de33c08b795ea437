"""Proof that the oracle notices: each of these wrong rules makes some random contract differ."""

from bisect import bisect_left
from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from itertools import count, islice
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from sim.contracts import make, theme_of
from sim.pricing import compare
from winkel.bill.balance import all_remaining
from winkel.bill.draft import usage_draft
from winkel.bill.draw import payable
from winkel.bill.imported import _metric_id
from winkel.bill.issue import moved
from winkel.bill.pro_service import room
from winkel.bill.scheduled import _asked_for_services, asked_again
from winkel.bill.seats import _adjustments
from winkel.bill.subscription import OfRate
from winkel.model.account import Account
from winkel.model.commit import Balance
from winkel.model.contract import Contract
from winkel.rate.composite import counts


def without_new_overrides(contract: Contract) -> Contract:
    """Return a contract without the overrides that edits have added."""
    return replace(contract, overrides=tuple(each for each in contract.overrides if not each.id.startswith("n")))


def without_new_balances(account: Account) -> Account:
    """Return an account without the commits and credits that edits have added."""
    return replace(account, balances=tuple(each for each in account.balances if not each.id.startswith("n")))


CASES = 250
"""Random cases of a theme among which one must show that a rule is wrong."""
WRONG: dict[str, tuple[str, str, Any]] = {
    # name: theme, the places of the rule, what is there instead
    "a window has what was used in the hour before it": ("anything", "winkel.bill.breakdown.bisect_right", bisect_left),
    "a preview shows every open period": ("anything", "winkel.bill.preview._covers", lambda *_: True),
    "usage filters are ignored": ("changes", "winkel.model.contract.Contract.filters", lambda _: []),
    "a partial period gives all": ("recurring", "winkel.bill.recurring.prorated", lambda amount, *_: amount),
    "the last period is always prorated": (
        "recurring",
        "winkel.model.proration.Proration.of_last",
        property(lambda _: True),
    ),
    "a part of a period costs all of it": (
        "subscriptions",
        "winkel.bill.subscription.prorated",
        lambda price, *_: price,
    ),
    "discounts are asked for": ("anything", "winkel.bill.scheduled.negated", lambda amount: amount),
    "what falls on the last instant only stands below usage": (
        "anything",
        "winkel.bill.scheduled._is_last_day",
        lambda statement, date: statement.period.end == date,
    ),
    "composite products count all pricing units": (
        "units",
        "winkel.bill.statement.counts",
        lambda state, _, use, *, composite: counts(state, use, use, composite=composite),
    ),
    "units cover first what costs most": (
        "commits",
        "winkel.bill.draw._as_counted",
        lambda _, parts: list(parts),
    ),
    "units cover composite products and subscriptions": (
        "composites",
        "winkel.bill.purse.Purse.pays_for",
        lambda *_: True,
    ),
    "units cover only what costs something": (
        "commits",
        "winkel.bill.draw.payable",
        lambda charges, **_: payable(charges),
    ),
    "each SUBSCRIPTION rate is charged for its own time": (
        "subscriptions",
        "winkel.bill.subscription.joined",
        lambda pieces, _: list(pieces),
    ),
    "a SUBSCRIPTION overwrite leaves the quantity": (
        "subscriptions",
        "winkel.bill.subscription._units",
        lambda of, listed, _: listed.quantity if isinstance(of, OfRate) else Decimal(1),
    ),
    "overwrites are in the unit of the rate": (
        "units",
        "winkel.bill.statement.priced_in",
        lambda _, rate, __, period: [(period, rate.credit_type_id)],
    ),
    "every unit is worth one": ("units", "winkel.bill.conversion._worth", lambda *_: Decimal(1)),
    "all that is left rolls over": ("renewals", "winkel.bill.rollover._most", lambda _, source: source.amount),
    "what rolled over waits for its turn": (
        "renewals",
        "winkel.bill.purse._rank",
        lambda balance: balance.type == "POSTPAID",
    ),
    "what a void invoice took is gone": ("corrections", "winkel.bill.correct.negated", lambda _: Decimal(0)),
    "overrides that were added since are not for what is made anew": (
        "corrections",
        "winkel.bill.correct.usage_draft",
        lambda account, statement, *rest: usage_draft(
            account, replace(statement, contract=without_new_overrides(statement.contract)), *rest
        ),
    ),
    "what was given since does not pay for what is made anew": (
        "corrections",
        "winkel.bill.correct.usage_draft",
        lambda account, *rest: usage_draft(without_new_balances(account), *rest),
    ),
    "dates that were changed ask for what they did": (
        "corrections",
        "winkel.api.balance_edits._item",
        lambda item, *_: item,
    ),
    "what is archived expires at its end": (
        "corrections",
        "winkel.bill.balance._end",
        lambda _, segment: segment.ending_before,
    ),
    "what invoices draw on is archived": (
        "corrections",
        "winkel.api.balance_edits.archived",
        lambda balance, _, at, __: replace(balance, archived_at=at),
    ),
    "what recurs never changes": (
        "recurring",
        "winkel.api.recurring_edits.edited",
        lambda term, *_: term,
    ),
    "what was moved is made anew with its old date": (
        "corrections",
        "winkel.bill.correct.asked_again",
        lambda account, contract, *rest: asked_again(account, replace(contract, issue_dates={}), *rest),
    ),
    "an invoice may be issued after the end of its contract": (
        "anything",
        "sim.real.moved",
        lambda found, date: moved(replace(found, contract=replace(found.contract, ending_before=None)), date),
    ),
    "a new invoice draws on what others have taken": (
        "corrections",
        "winkel.bill.correct.all_remaining",
        lambda account: all_remaining(replace(account, entries=())),
    ),
    "nothing comes back of what rolled over": (
        "renewals",
        "winkel.bill.correct.taken_back",
        lambda account, _: account,
    ),
    "all is charged afterwards": (
        "subscriptions",
        "winkel.bill.subscription._date",
        lambda _, term, __: term.billed.end,
    ),
    "what balances pay for is free, whatever they cost": ("composites", "winkel.bill.draft.is_free", lambda _: True),
    "all children draw on what a parent has": (
        "renewals",
        "winkel.bill.purse.shared",
        lambda _, balance, contract: balance.contract_id == contract.parent_id,
    ),
    "who renews a child must be named": (
        "renewals",
        "winkel.model.account.Account.line",
        lambda _, contract: [contract.id],
    ),
    "a child waits until its parent draws on what rolled over": (
        "renewals",
        "winkel.model.contract.Contract.draws_on",
        property(lambda contract: (contract.id,)),
    ),
    "children pay for themselves": ("renewals", "winkel.bill.draft.payer", lambda _, contract: contract.ref),
    "all statements that end together are consolidated": (
        "renewals",
        "winkel.bill.consolidated._joins",
        lambda *_: True,
    ),
    "seats that come within a period give nothing": (
        "recurring",
        "winkel.bill.seats._adjustments",
        lambda *_: iter(()),
    ),
    "seats draw on one another's parts": (
        "recurring",
        "winkel.bill.purse.Purse.drawn_by",
        lambda purse, _: purse.segment.id,
    ),
    "unassigned seats are free": (
        "recurring",
        "winkel.model.subscription.Seats.total",
        property(lambda seats: len(seats.assigned)),
    ),
    "what a child began with stays, whatever is told later": (
        "recurring",
        "winkel.bill.seats._adjustments",
        lambda balance, *of: (each for each in _adjustments(balance, *of) if each.timestamp > _start(balance)),
    ),
    "seats change where they are charged": (
        "recurring",
        "winkel.api.subscription_edits.charged_last",
        lambda *_: None,
    ),
    "seats go of which invoices have taken": ("recurring", "winkel.bill.seats.overdrawn", lambda *_: False),
    "what is void counts towards the most of a service": (
        "corrections",
        "winkel.bill.pro_service.room",
        lambda contract, service, _: room(contract, service, ()),
    ),
    "services stand on the invoice of their date": (
        "corrections",
        "winkel.bill.scheduled._asked_for_services",
        lambda *of: (replace(each, alone="") for each in _asked_for_services(*of)),
    ),
    "imported quantities are converted and rounded": (
        "balances",
        "winkel.bill.imported._unconverted",
        lambda product: replace(
            product,
            initial=replace(product.initial, billable_metric_id=_metric_id(product.id)),
            updates=tuple(replace(each, billable_metric_id=UNSET) for each in product.updates),
        ),
    ),
    "statements are made of all periods": (
        "balances",
        "winkel.model.contract.StatementSchedule.makes",
        lambda *_: True,
    ),
    "what was imported is made anew of usage": (
        "corrections",
        "winkel.bill.correct.imported",
        lambda account, statement, _: usage_draft(account, statement, defaultdict(list), all_remaining(account)),
    ),
    "composite products ask for all tags": (
        "composites",
        "winkel.rate.composite.counts winkel.bill.statement.counts",
        lambda state, own, use, **_: set(state.composite_tags or ()) <= set(use.tags),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_rule_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some case of the theme differs; or else the oracle, or the generator, knows nothing of the rule."""
    theme, place, wrong = WRONG[name]
    for each in place.split():
        monkeypatch.setattr(each, wrong)
    seeds = islice((seed for seed in count() if theme_of(seed) == theme), CASES)
    assert any(compare(make(seed))[0] for seed in seeds)


def _start(child: Balance) -> datetime:
    return child.segments[0].starting_at
