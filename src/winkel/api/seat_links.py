"""How recurring commits and credits follow subscriptions: parts of bodies → links, and back (metronome-api.md §4.7)."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from msgspec import Struct, structs

from winkel.api import fields
from winkel.model.allocation import Allocation, SeatLink
from winkel.model.commit import BalanceType
from winkel.model.period import RecurrenceFrequency
from winkel.model.recurring import RecurringBalance
from winkel.model.subscription import Subscription


class SeatIncreaseIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """What a seat gives that comes within a period."""

    is_prorated: bool


class SubscriptionConfigIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """The subscription whose seats a recurring commit or credit follows."""

    subscription_id: fields.Text
    """Its id, or the temporary_id that the same request gives it."""
    apply_seat_increase_config: SeatIncreaseIn
    allocation: Allocation = Allocation.POOLED


class SeatIncreaseView(Struct):
    """What a seat gives that comes within a period."""

    is_prorated: bool


class SubscriptionConfigView(Struct):
    """The subscription whose seats a commit or credit follows."""

    subscription_id: str
    allocation: Allocation
    apply_seat_increase_config: SeatIncreaseView


def link(
    asked: SubscriptionConfigIn | None, frequency: RecurrenceFrequency | None, rollover: Decimal | None, place: str
) -> SeatLink | None:
    """Return how it follows a subscription, under the name that the request gives that. Raises `InvalidError`."""
    if asked is None:
        return None
    if frequency is RecurrenceFrequency.DAILY:
        fields.refuse("what follows a subscription cannot be DAILY", f"{place}.recurrence_frequency")
    if rollover is not None:
        message = "what follows the seats of a subscription does not roll over: leave it out"
        fields.refuse(message, f"{place}.rollover_fraction")
    is_prorated = asked.apply_seat_increase_config.is_prorated
    return SeatLink(subscription_id=asked.subscription_id, allocation=asked.allocation, is_prorated=is_prorated)


def linked(
    made: Sequence[RecurringBalance], subscriptions: Sequence[Subscription], named: Mapping[str, Subscription],
    prefixes: tuple[str, str],
) -> tuple[RecurringBalance, ...]:  # fmt: skip
    """Return recurring commits and credits with the ids of the subscriptions that they follow.

    `subscriptions` are those of the contract, `named` those that the same request adds, by their temporary ids;
    `prefixes` are the places of commits and of credits. Raises `InvalidError` for one that there is not, or that has no
    seats to which an INDIVIDUAL allocation could give.
    """
    known = {**{each.id: each for each in subscriptions}, **named}
    counts, found = dict.fromkeys(prefixes, 0), []
    for each in made:
        prefix = prefixes[each.type is BalanceType.CREDIT]
        place = f"{prefix}[{counts[prefix]}].subscription_config"
        counts[prefix] += 1
        found.append(each if each.subscription is None else _linked(each, each.subscription, known, place))
    return tuple(found)


def _linked(made: RecurringBalance, link: SeatLink, known: Mapping[str, Subscription], place: str) -> RecurringBalance:
    subscription = known.get(link.subscription_id)
    if subscription is None:
        message = f"this contract has no subscription {link.subscription_id}: give its id, or its temporary_id"
        fields.refuse(message, f"{place}.subscription_id")
    if link.allocation is Allocation.INDIVIDUAL and subscription.seat_group_key is None:
        fields.refuse("INDIVIDUAL is for subscriptions in the mode SEAT_BASED", f"{place}.allocation")
    return structs.replace(made, subscription=structs.replace(link, subscription_id=subscription.id))


def link_view(link: SeatLink) -> SubscriptionConfigView:
    """Return how a commit or credit follows a subscription, for the wire."""
    return SubscriptionConfigView(link.subscription_id, link.allocation, SeatIncreaseView(link.is_prorated))
