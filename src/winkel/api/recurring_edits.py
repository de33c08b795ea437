"""Edits of recurring commits and credits: what their children to come give (metronome-api.md §4.7, Edit).

Children that have begun are balances of their own by then, and stay as they are.
"""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType, structs

from winkel.api import fields
from winkel.model.commit import RateSide
from winkel.model.credit_type import is_custom
from winkel.model.money import multiply
from winkel.model.recurring import RecurringAmount, RecurringBalance


class AmountUpdate(Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Another unit price, another quantity, or both."""

    unit_price: Decimal | None = None
    quantity: Decimal | None = None


class RecurringUpdate(Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What both can change; what is left out stays."""

    access_amount: AmountUpdate | None = None
    ending_before: fields.Instant | None | UnsetType = UNSET
    rate_type: RateSide | UnsetType = UNSET


class RecurringCommitUpdate(RecurringUpdate, kw_only=True):
    """A change of a recurring commit."""

    recurring_commit_id: UUID
    invoice_amount: AmountUpdate | None = None


class RecurringCreditUpdate(RecurringUpdate, kw_only=True):
    """A change of a recurring credit."""

    recurring_credit_id: UUID


def edited(term: RecurringBalance, asked: RecurringUpdate, last: datetime | None, place: str) -> RecurringBalance:
    """Return the term with the changes; `last` is the end of its contract. Raises `InvalidError`."""
    made = term
    if asked.access_amount is not None:
        where = f"{place}.access_amount"
        if made.subscription is not None and asked.access_amount.quantity is not None:
            fields.refuse("follows from the subscription: leave it out", f"{where}.quantity")
        made = structs.replace(made, access_amount=_amount(made.access_amount, asked.access_amount, where))
        if not made.access_amount.total:
            fields.refuse("must be above zero", where)
    if isinstance(asked, RecurringCommitUpdate) and asked.invoice_amount is not None:
        where = f"{place}.invoice_amount"
        if made.invoice_amount is None and is_custom(made.access_amount.credit_type_id):
            message = "this commit is in a custom pricing unit or in units, and says no currency: end it, add another"
            fields.refuse(message, where)
        before = made.invoice_amount or RecurringAmount(made.access_amount.credit_type_id, Decimal(0), Decimal(1))
        made = structs.replace(made, invoice_amount=_amount(before, asked.invoice_amount, where))
    if asked.rate_type is not UNSET:
        made = structs.replace(made, rate_type=asked.rate_type)
    if asked.ending_before is not UNSET:
        _, end = fields.term(made.starting_at, asked.ending_before, place)
        ends = [each for each in (end, last) if each is not None]
        made = structs.replace(made, ending_before=min(ends, default=None))
    return made


def _amount(before: RecurringAmount, asked: AmountUpdate, place: str) -> RecurringAmount:
    price = before.unit_price if asked.unit_price is None else fields.number(asked.unit_price, f"{place}.unit_price")
    count = before.quantity if asked.quantity is None else fields.number(asked.quantity, f"{place}.quantity")
    fields.number(multiply(price, count), place)
    return RecurringAmount(before.credit_type_id, price, count)
