"""Rates composite products: what other products cost → a share of it (metronome-api.md §4.5, COMPOSITE)."""

from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct

from winkel.model.money import ZERO, add, subtract, total
from winkel.model.period import Period
from winkel.model.product import ProductState
from winkel.rate.offer import Offer
from winkel.rate.rate import Charge, Prices, charges
from winkel.rate.use import Use


class Spend(Struct, frozen=True, gc=False):
    """What some use cost in some time."""

    use: Use
    period: Period
    amount: Decimal
    paid_free: Decimal
    """What balances of it paid for which nothing was asked."""
    composite: bool
    """Whether it is the charge of another composite product."""


def composite(offer: Offer, spends: Sequence[Spend], prices: Prices) -> list[Charge]:
    """Return the charges of one composite product in one billing period, by time, then tier.

    Every spend must lie on one side of each instant at which a price, a term or a balance of this product begins: its
    products are cut there. Tiers count the spend from the start of the billing period.
    """
    found: list[Charge] = []
    position = ZERO
    product = offer.product
    for term in offer.terms:
        for part, current in term.rates.get((), ()):
            use = Use(product.id, term.state.tags, {}, {}, current.credit_type_id)
            for piece, agreed in prices(current, use, part):
                before, position = position, add(position, _spent(term.state, use, piece, spends))
                found += charges(
                    product.type, term.state.name, use, agreed, current.price, piece, before=before, after=position
                )
    return found


def counts(state: ProductState, own: Use, use: Use, *, composite: bool) -> bool:
    """Whether a composite product, of which `own` is the use, asks for a share of what another use costs.

    It does so in its own pricing unit only (docs/pricing.md §16). `composite`: the other one is a composite's charge.
    """
    if use.credit_type_id != own.credit_type_id or (composite and not state.include_composite_spend):
        return False
    if use.product_id in (state.composite_product_ids or ()):
        return True
    return any(tag in use.tags for tag in state.composite_tags or ())


def _spent(state: ProductState, own: Use, piece: Period, spends: Sequence[Spend]) -> Decimal:
    """Return the spend of which a share is asked for, in one piece of time."""
    found = []
    for each in spends:
        if not counts(state, own, each.use, composite=each.composite):
            continue
        if not (piece.start <= each.period.start and each.period.end <= piece.end):
            assert not piece.meet(each.period.start, each.period.end), "a spend lies within one piece"
            continue
        found.append(subtract(each.amount, each.paid_free) if state.exclude_free_usage else each.amount)
    return total(found)
