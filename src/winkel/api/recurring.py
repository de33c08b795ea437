"""Recurring commits and credits of request bodies → terms of a contract, and back (metronome-api.md §4.7, §10.1)."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias
from uuid import UUID

from msgspec import Struct, structs

from winkel.api import fields, terms
from winkel.api.hierarchy import BalanceHierarchyIn, BalanceHierarchyView, access_view, child_access
from winkel.api.schedules import access_unit
from winkel.api.seat_links import SubscriptionConfigIn, SubscriptionConfigView, link, link_view
from winkel.api.terms import PayingIn
from winkel.api.wire import Id, Ref
from winkel.model.commit import AccessType, BalanceType, Specifier, access_type
from winkel.model.contract import Contract
from winkel.model.money import multiply, plain
from winkel.model.period import RecurrenceFrequency
from winkel.model.product import Product
from winkel.model.proration import AmountRounding, AmountRoundingMethod, Proration
from winkel.model.recurring import RecurringAmount, RecurringBalance
from winkel.model.word import Word

NOT_YET = frozenset[str]()
"""Fields of recurring commits and credits that the Metronome API has and that Winkel does not know yet."""
DURATION_MAX = 500
"""The most periods of a child's access: more than a year of days, and of years so few that every date exists."""
PLACES_MAX = 5
"""The most decimal places of a rounding, and the most before the point (metronome-openapi.json)."""

Term: TypeAlias = tuple[datetime, datetime | None]
"""[starting_at, ending_before) of the contract."""


class Unit(Word):
    """What a duration is counted in."""

    PERIODS = "PERIODS"


class AccessAmountIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """What a child gives; with a subscription_config, what each seat gives, and no quantity."""

    unit_price: Decimal
    quantity: Decimal | None = None
    credit_type_id: UUID | None = None
    access_type: AccessType = AccessType.SPEND


class InvoiceAmountIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """What a child asks for."""

    unit_price: Decimal
    quantity: Decimal
    credit_type_id: UUID


class DurationIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """For how long a child may be used."""

    value: Decimal
    unit: Unit = Unit.PERIODS


class RoundingIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """How a prorated amount is rounded."""

    decimal_places: Decimal
    rounding_method: AmountRoundingMethod


class CreditRoundingIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """How prorated amounts of a recurring credit are rounded."""

    access: RoundingIn | None = None


class CommitRoundingIn(CreditRoundingIn, kw_only=True):
    """How prorated amounts of a recurring commit are rounded."""

    invoice: RoundingIn | None = None


class RecurringCreditIn(PayingIn, kw_only=True):
    """A recurring credit of a contract."""

    access_amount: AccessAmountIn
    commit_duration: DurationIn
    priority: Decimal
    starting_at: fields.Instant
    ending_before: fields.Instant | None = None
    recurrence_frequency: RecurrenceFrequency | None = None
    proration: Proration = Proration.FIRST_AND_LAST
    proration_rounding: CreditRoundingIn | None = None
    rollover_fraction: Decimal | None = None
    subscription_config: SubscriptionConfigIn | None = None
    hierarchy_configuration: BalanceHierarchyIn | None = None


class RecurringCommitIn(RecurringCreditIn, kw_only=True):
    """A recurring commit of a contract."""

    proration_rounding: CommitRoundingIn | None = None
    invoice_amount: InvoiceAmountIn | None = None


class AccessAmountView(Struct, omit_defaults=True, kw_only=True):
    """What each whole period gives; without a quantity, what each seat gives."""

    credit_type_id: str
    unit_price: Decimal
    quantity: Decimal | None = None
    access_type: AccessType


class InvoiceAmountView(Struct):
    """What each whole period asks for."""

    credit_type_id: str
    unit_price: Decimal
    quantity: Decimal


class DurationView(Struct):
    """For how long a child may be used."""

    value: int
    unit: Unit


class RoundingView(Struct, omit_defaults=True):
    """How prorated amounts are rounded."""

    access: AmountRounding | None = None
    invoice: AmountRounding | None = None


class RecurringView(Struct, omit_defaults=True, kw_only=True):
    """A recurring commit or credit on the wire."""

    id: str
    contract: Id
    product: Ref
    access_amount: AccessAmountView
    anchor_date: datetime
    commit_duration: DurationView
    priority: Decimal
    proration: Proration
    rate_type: str
    starting_at: datetime
    ending_before: datetime | None = None
    invoice_amount: InvoiceAmountView | None = None
    recurrence_frequency: RecurrenceFrequency | None = None
    proration_rounding: RoundingView | None = None
    rollover_fraction: Decimal | None = None
    name: str | None = None
    description: str | None = None
    applicable_product_ids: tuple[str, ...] | None = None
    applicable_product_tags: tuple[str, ...] | None = None
    specifiers: tuple[Specifier, ...] | None = None
    netsuite_sales_order_id: str | None = None
    subscription_config: SubscriptionConfigView | None = None
    hierarchy_configuration: BalanceHierarchyView | None = None


def balances(
    commits: Sequence[RecurringCommitIn],
    credits: Sequence[RecurringCreditIn],  # noqa: A002
    term: Term,
    known: Mapping[str, Product],
    agreed: Sequence[RecurringBalance] | None = None,
) -> tuple[RecurringBalance, ...]:
    """Return the recurring commits and credits of a contract with this term; `known` are the products they name.

    `agreed` are those that the contract has, when these are added to it. Raises `InvalidError` where they contradict
    themselves or the contract.
    """
    prefix = "" if agreed is None else "add_"
    asked: list[tuple[RecurringCreditIn, str]] = [
        (each, f"$.{prefix}recurring_commits[{index}]") for index, each in enumerate(commits)
    ]
    asked += [(each, f"$.{prefix}recurring_credits[{index}]") for index, each in enumerate(credits)]
    daily = [place for each, place in asked if each.recurrence_frequency is RecurrenceFrequency.DAILY]
    most = 0 if any(each.recurrence_frequency is RecurrenceFrequency.DAILY for each in agreed or ()) else 1
    if len(daily) > most:
        fields.refuse("a contract may have one that is DAILY", f"{daily[most]}.recurrence_frequency")
    return tuple(_balance(each, term, known, place) for each, place in asked)


def _balance(asked: RecurringCreditIn, term: Term, known: Mapping[str, Product], place: str) -> RecurringBalance:
    terms.check_products(asked, known, place)
    start, end = _term(asked, term, place)
    rounding = None if asked.proration_rounding is None else asked.proration_rounding.access
    made = RecurringBalance(
        id=str(uuid.uuid4()),
        type=BalanceType.CREDIT,
        product_id=str(asked.product_id),
        access_amount=_access(asked.access_amount, asked.subscription_config is not None, f"{place}.access_amount"),
        commit_duration=fields.whole(asked.commit_duration.value, 1, DURATION_MAX, f"{place}.commit_duration.value"),
        priority=fields.finite(asked.priority, f"{place}.priority"),
        starting_at=start,
        ending_before=end,
        recurrence_frequency=asked.recurrence_frequency,
        proration=asked.proration,
        access_rounding=_rounding(rounding, f"{place}.proration_rounding.access"),
        rate_type=asked.rate_type,
        rollover_fraction=terms.fraction(asked.rollover_fraction, f"{place}.rollover_fraction"),
        name=asked.name,
        description=asked.description,
        applicable_product_ids=tuple(str(each) for each in asked.applicable_product_ids),
        applicable_product_tags=tuple(asked.applicable_product_tags),
        specifiers=tuple(terms.canonical(each) for each in asked.specifiers),
        netsuite_sales_order_id=asked.netsuite_sales_order_id,
        subscription=link(asked.subscription_config, asked.recurrence_frequency, asked.rollover_fraction, place),
        child_access=child_access(asked.hierarchy_configuration),
    )
    return _commit(made, asked, place) if isinstance(asked, RecurringCommitIn) else made


def _commit(made: RecurringBalance, asked: RecurringCommitIn, place: str) -> RecurringBalance:
    """Return the recurring commit: with what only commits have."""
    rounding = None if asked.proration_rounding is None else asked.proration_rounding.invoice
    return structs.replace(
        made,
        type=BalanceType.PREPAID,
        invoice_amount=_invoiced(asked.invoice_amount, f"{place}.invoice_amount"),
        invoice_rounding=_rounding(rounding, f"{place}.proration_rounding.invoice"),
    )


def _term(asked: RecurringCreditIn, of_contract: Term, place: str) -> Term:
    """Return when the first child begins, and when no more do: the contract's end, if that comes first."""
    start, end = fields.term(asked.starting_at, asked.ending_before, place)
    first, last = of_contract
    if start < first or (last is not None and start >= last):
        fields.refuse("must lie within the term of the contract", f"{place}.starting_at")
    return start, min((each for each in (end, last) if each is not None), default=None)


def _access(asked: AccessAmountIn, follows: bool, place: str) -> RecurringAmount:
    """Return what a child gives; where it follows a subscription, what one seat gives."""
    unit = access_unit(asked.access_type, asked.credit_type_id, place)
    if follows and asked.quantity is not None:
        fields.refuse("follows from the subscription: leave it out", f"{place}.quantity")
    if not follows and asked.quantity is None:
        fields.refuse("is needed", f"{place}.quantity")
    amount = _amount(asked.unit_price, asked.quantity or Decimal(follows), unit, place)
    if not amount.total:
        fields.refuse("must be above zero", place)
    return amount


def _invoiced(asked: InvoiceAmountIn | None, place: str) -> RecurringAmount | None:
    if asked is None:
        return None
    currency = fields.currency(asked.credit_type_id, f"{place}.credit_type_id")
    return _amount(asked.unit_price, asked.quantity, currency, place)


def _amount(unit_price: Decimal, quantity: Decimal, credit_type_id: str, place: str) -> RecurringAmount:
    price, count = fields.number(unit_price, f"{place}.unit_price"), fields.number(quantity, f"{place}.quantity")
    fields.number(multiply(price, count), place)
    return RecurringAmount(credit_type_id, price, count)


def _rounding(asked: RoundingIn | None, place: str) -> AmountRounding | None:
    if asked is None:
        return None
    places = fields.whole(asked.decimal_places, -PLACES_MAX, PLACES_MAX, f"{place}.decimal_places")
    return AmountRounding(places, asked.rounding_method)


def recurring_view(contract: Contract, made: RecurringBalance, known: Mapping[str, Product]) -> RecurringView:
    """Return a recurring commit or credit for the wire; `known` has its product."""
    product = known[made.product_id]
    access, invoiced = made.access_amount, made.invoice_amount
    anchor, _ = contract.recurrence(made)
    rounding = RoundingView(made.access_rounding, made.invoice_rounding)
    price, quantity = _factors(access)
    return RecurringView(
        id=made.id,
        contract=Id(contract.id),
        product=Ref(product.id, product.initial.name),
        access_amount=AccessAmountView(
            credit_type_id=access.credit_type_id,
            unit_price=price,
            quantity=quantity if made.subscription is None else None,
            access_type=access_type(access.credit_type_id),
        ),
        anchor_date=anchor,
        commit_duration=DurationView(made.commit_duration, Unit.PERIODS),
        priority=plain(made.priority),
        proration=made.proration,
        rate_type=made.rate_type,
        starting_at=made.starting_at,
        ending_before=made.ending_before,
        invoice_amount=None if invoiced is None else InvoiceAmountView(invoiced.credit_type_id, *_factors(invoiced)),
        recurrence_frequency=made.recurrence_frequency,
        proration_rounding=None if rounding == RoundingView() else rounding,
        rollover_fraction=None if made.rollover_fraction is None else plain(made.rollover_fraction),
        name=made.name,
        description=made.description,
        applicable_product_ids=made.applicable_product_ids or None,
        applicable_product_tags=made.applicable_product_tags or None,
        specifiers=made.specifiers or None,
        netsuite_sales_order_id=made.netsuite_sales_order_id,
        subscription_config=None if made.subscription is None else link_view(made.subscription),
        hierarchy_configuration=access_view(made.child_access),
    )


def _factors(amount: RecurringAmount) -> tuple[Decimal, Decimal]:
    """Return unit price and quantity for the wire."""
    return plain(amount.unit_price), plain(amount.quantity)
