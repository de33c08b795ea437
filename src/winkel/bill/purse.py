"""What a balance may pay for, and which balance pays first."""

import math
from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct

from winkel.bill.balance import part_id
from winkel.model.account import Account
from winkel.model.commit import AccessType, Balance, BalanceType, Segment
from winkel.model.contract import Contract
from winkel.model.hierarchy import AccessTo, ChildAccess
from winkel.model.money import ZERO
from winkel.model.period import Period
from winkel.model.product import ProductType
from winkel.rate.use import Use, matches

RATED = {ProductType.USAGE, ProductType.SUBSCRIPTION, ProductType.COMPOSITE}
"""Products for which balances pay."""


class Purse(Struct, frozen=True, gc=False):
    """One segment of a balance: the thing that usage is paid from."""

    balance: Balance
    segment: Segment

    def is_open(self, period: Period) -> bool:
        """Whether it may be used at all times of the period."""
        return self.segment.starting_at <= period.start and period.end <= self.segment.ending_before

    @property
    def by_quantity(self) -> bool:
        """Whether it holds units of what is used, not an amount."""
        return self.balance.access_type is AccessType.QUANTITY

    def pays_for(self, kind: ProductType) -> bool:
        """Whether it may pay for a type of product: units are those of usage."""
        return kind is ProductType.USAGE or not self.by_quantity

    def drawn_by(self, use: Use) -> str:
        """Return the id of what this use draws on: the segment, or the part of the seat whose use it is."""
        seat = seat_of(self.balance, use)
        return self.segment.id if seat is None else part_id(self.segment.id, seat)


def purses(account: Account, contract: Contract, period: Period, counted_at: datetime) -> list[Purse]:
    """Return the segments that may pay for usage of the contract in the period, in draw-down order.

    `counted_at` is when tags count as products: when the billing period begins, or the date of a scheduled invoice.

    The order is that of metronome-api.md §4.7: what rolled over, of it first what only counts (postpaid); what pays,
    before what only counts; lower priority number; free before paid, unless it rolled over; fewest applicable products;
    fewest group value specifiers; ends first; begins first; the customer's own before those of a parent contract;
    fewest applicable contracts; the contract's own before the customer's. Ids decide what is still equal, so that the
    order never depends on chance.
    """
    found = [
        (_precedence(account, contract, balance, segment, counted_at), Purse(balance, segment))
        for balance in account.balances
        if reaches(account, balance, contract)
        for segment in balance.segments
        if period.meet(segment.starting_at, segment.ending_before)
    ]
    found.sort(key=lambda each: each[0])
    return [purse for _, purse in found]


def applying(among: Iterable[Purse], use: Use) -> list[Purse]:
    """Return those that may pay for the use at some time."""
    return [purse for purse in among if applies(purse.balance, use)]


def edges(among: Iterable[Purse]) -> list[datetime]:
    """Return the instants at which segments begin or end."""
    return [instant for purse in among for instant in (purse.segment.starting_at, purse.segment.ending_before)]


def applies(balance: Balance, use: Use) -> bool:
    """Whether a balance may pay for a use: its own currency, and its products, tags or specifiers (§4.7).

    Units are covered whatever the currency in which they are priced.
    """
    if balance.access_type is AccessType.SPEND and balance.credit_type_id != use.credit_type_id:
        return False
    if balance.seat_group_key is not None and seat_of(balance, use) is None:
        return False
    if balance.specifiers:
        return any(matches(each, use) for each in balance.specifiers)
    if balance.applicable_product_ids or balance.applicable_product_tags:
        named = use.product_id in balance.applicable_product_ids
        return named or any(tag in balance.applicable_product_tags for tag in use.tags)
    return True


def seat_of(balance: Balance, use: Use) -> str | None:
    """Return whose use it is, for a balance of which each seat has a part; None: nobody's, or it has no parts."""
    key = balance.seat_group_key
    return None if key is None else use.pricing.get(key, use.presentation.get(key))


def reaches(account: Account, balance: Balance, contract: Contract) -> bool:
    """Whether a balance may pay for usage of the contract.

    It may when it belongs to the contract; to the contract's parent, which lets this child have it; or to the customer
    and not to other contracts only.
    """
    if balance.archived_at is not None:
        return False
    if balance.contract_id is not None:
        return balance.contract_id == contract.id or shared(account, balance, contract)
    if balance.customer_id != contract.customer_id:
        return False
    return not balance.applicable_contract_ids or contract.id in balance.applicable_contract_ids


def shared(account: Account, balance: Balance, contract: Contract) -> bool:
    """Whether a parent contract lets this child have its balance (metronome-api.md §4.7, Hierarchy).

    What it lets a child have, a contract has that renews the child: what rolled over still names the older ones.
    """
    if balance.child_access is None or balance.contract_id is None or balance.contract_id != contract.parent_id:
        return False
    return any(map(balance.child_access.admits, account.line(contract)))


def _precedence(
    account: Account, contract: Contract, balance: Balance, segment: Segment, at: datetime
) -> tuple[object, ...]:
    """Return the sort key of a segment; the smallest pays first."""
    return (
        _rank(balance),
        balance.priority,
        balance.rolled_over_from is None and is_paid(balance),
        _product_count(account, balance, at),
        sum(1 for each in balance.specifiers if each.pricing_group_values or each.presentation_group_values),
        segment.ending_before,
        segment.starting_at,
        balance.customer_id != contract.customer_id,
        _contract_count(balance),
        balance.contract_id is None,
        balance.id,
        segment.id,
    )


def _rank(balance: Balance) -> int:
    """Return what comes before priority: rollovers, postpaid ones first, then what pays, then what only counts."""
    postpaid = balance.type is BalanceType.POSTPAID
    if balance.rolled_over_from is not None:
        return 0 if postpaid else 1
    return 3 if postpaid else 2


def is_paid(balance: Balance) -> bool:
    """Whether the customer pays for the balance, be it on an invoice of ours or elsewhere (`do_not_invoice`)."""
    schedule = balance.invoice_schedule
    return schedule is not None and any(item.amount > ZERO for item in schedule.schedule_items)


def is_free(balance: Balance) -> bool:
    """Whether what the balance pays costs the customer nothing; what a postpaid commit counts is still to be paid."""
    return balance.type is not BalanceType.POSTPAID and not is_paid(balance)


def _product_count(account: Account, balance: Balance, at: datetime) -> float:
    """Return the number of products to which a balance applies; infinity when it names none."""
    wanted: Iterable[tuple[str | None, tuple[str, ...]]]
    if balance.specifiers:
        wanted = [(each.product_id, each.product_tags) for each in balance.specifiers]
        if any(not product_id and not tags for product_id, tags in wanted):
            return math.inf
    elif balance.applicable_product_ids or balance.applicable_product_tags:
        wanted = [(each, ()) for each in balance.applicable_product_ids]
        wanted += [(None, (tag,)) for tag in balance.applicable_product_tags]
    else:
        return math.inf
    products: set[str] = set()
    for product_id, tags in wanted:
        products |= {product_id} if product_id else _tagged(account, tags, at)
    return len(products)


def _tagged(account: Account, tags: tuple[str, ...], at: datetime) -> set[str]:
    """Return the ids of the products with rates that carry all of the tags at the instant."""
    return {
        product.id
        for product in account.products.values()
        if product.type in RATED and set(tags) <= set(product.at(at).tags)
    }


def _contract_count(balance: Balance) -> float:
    """Return the number of contracts for which a balance may pay; infinity when it may pay for all."""
    if balance.contract_id is not None:
        access = balance.child_access or ChildAccess(AccessTo.NONE)
        return math.inf if access.type is AccessTo.ALL else 1 + len(access.contract_ids)
    return len(balance.applicable_contract_ids) or math.inf
