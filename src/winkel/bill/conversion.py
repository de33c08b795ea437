"""Custom pricing units: what is left to be paid in them, turned into money (metronome-api.md §4.9; docs/pricing.md)."""

from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from datetime import datetime
from decimal import Decimal

from msgspec import Struct, structs

from winkel.bill.draw import Paid, draw
from winkel.bill.line import usage_lines
from winkel.bill.purse import purses
from winkel.bill.statement import currency_of
from winkel.model.account import Account
from winkel.model.contract import Contract
from winkel.model.credit_type import is_custom
from winkel.model.errors import InvalidError
from winkel.model.invoice import LineItem, LineType, asked_for
from winkel.model.money import multiply
from winkel.model.period import Period
from winkel.model.price import Flat
from winkel.model.product import ProductType
from winkel.rate.rate import Charge
from winkel.rate.use import Use


class Lines(Struct, frozen=True):
    """The lines of an invoice's charges, those that turn custom pricing units into money at the end."""

    lines: tuple[LineItem, ...]
    paid: list[Paid]
    """All charges, conversions too, with what balances pay of them."""


def charged_lines(
    account: Account,
    contract: Contract,
    paid: Sequence[Paid],
    hour: Period,
    during: Period | None,
    remaining: MutableMapping[str, Decimal] | None,
    counted_at: datetime,
) -> Lines:
    """Return the lines of charges, and of what is left of them in custom pricing units, in money.

    Balances in the currency that name no products pay for conversions, after all else: those that are usable in the
    `hour`. `remaining` is what segments hold when the charges are paid, before and after; None: nothing is drawn down.
    `during` is the time for which conversions are shown, `counted_at` as in `purses`.
    """
    lines = tuple(usage_lines(paid, account.products))
    charges = list(_conversions(account, contract, lines, hour))
    if not charges:
        return Lines(lines, list(paid))
    paying = [] if remaining is None else purses(account, contract, hour, counted_at)
    paying = [each for each in paying if not each.by_quantity]  # a conversion has no units of anything
    converted = draw(charges, paying, remaining or {})
    shown = (_shown(each, during) for each in usage_lines(converted, account.products))
    return Lines((*lines, *shown), [*paid, *converted])


def _conversions(account: Account, contract: Contract, lines: Iterable[LineItem], hour: Period) -> Iterator[Charge]:
    """Yield a charge for each custom unit of which something is left, in the order in which they come first."""
    lines = list(lines)
    for unit_id in dict.fromkeys(line.credit_type_id for line in lines if is_custom(line.credit_type_id)):
        left, price = asked_for(lines, unit_id), _worth(account, contract, unit_id)
        if left:
            yield Charge(
                kind=ProductType.USAGE,
                use=Use(unit_id, (), {}, {}, currency_of(account, contract)),  # no terms of a product can mean a unit
                name=f"{account.units[unit_id].name} conversion",
                period=hour,
                quantity=left,
                unit_price=price,
                total=multiply(left, price),
                list_price=Flat(price),
            )


def _worth(account: Account, contract: Contract, unit_id: str) -> Decimal:
    """Return the worth of a custom unit in the currency of the contract's rate card."""
    card = account.cards[contract.rate_card_id or ""]
    for each in card.credit_type_conversions:
        if each.custom_credit_type_id == unit_id:
            return each.fiat_per_custom_credit
    raise InvalidError(f"the rate card {card.name!r} has no conversion for the pricing unit {unit_id}")


def _shown(line: LineItem, during: Period | None) -> LineItem:
    """Return a line of a conversion as it is shown: of no product, and for the whole time of what it converts."""
    start, end = (during.start, during.end) if during else (None, None)
    if line.type is LineType.APPLIED:
        return structs.replace(line, starting_at=start, ending_before=end)
    return structs.replace(
        line,
        type=LineType.CONVERSION,
        product_id=None,
        product_type=None,
        list_price=None,
        starting_at=start,
        ending_before=end,
    )
