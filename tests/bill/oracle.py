"""Slow, obvious billing in fractions, day by day, to compare with. It shares no code with Winkel beyond the nouns.

Where Winkel cuts a period at every change, the oracle looks at each day, writes down what holds on it, and calls
neighbouring days on which the same holds one line.
"""

import math
from collections import defaultdict
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import groupby

from winkel.model.account import Account
from winkel.model.commit import Balance, Segment
from winkel.model.contract import Contract
from winkel.model.price import Flat, Price
from winkel.model.product import Operation, Product, RoundingMethod
from winkel.model.rate_card import Rate
from winkel.model.usage import HourUsage

DAY = timedelta(days=1)


def bill(
    account: Account, rows: list[HourUsage], months: list[tuple[datetime, datetime]]
) -> tuple[dict[tuple[str, datetime], Fraction], dict[str, Fraction]]:
    """Return what each (contract, end of month) has to pay, and what each segment paid in all."""
    left = {segment.id: Fraction(segment.amount) for balance in account.balances for segment in balance.segments}
    for entry in account.entries:
        left[entry.segment_id] += Fraction(entry.amount)
    full = dict(left)
    due = {}
    for start, end in months:
        for contract in sorted(account.contracts, key=lambda each: each.id):
            charges = []
            for product_id in ("A", "B"):
                charges += product_charges(account, contract, account.products[product_id], rows, start, end)
            due[contract.id, end] = sum(charge["total"] for charge in charges) - pay(
                account, contract, charges, left, start
            )
    return due, {segment_id: full[segment_id] - rest for segment_id, rest in left.items()}


def product_charges(
    account: Account, contract: Contract, product: Product, rows: list[HourUsage], start: datetime, end: datetime
) -> list[dict]:
    """Return the charges of one product in one month, for every group."""
    state = product.initial
    names = [*(state.pricing_group_key or ()), *(state.presentation_group_key or ())]
    groups = defaultdict(lambda: defaultdict(Fraction))
    for row in rows:
        values = dict(zip(("model", "team"), row.group_values, strict=True))
        at = datetime(1970, 1, 1, tzinfo=start.tzinfo) + timedelta(hours=row.hour)
        day = at.replace(hour=0)
        if max(start, contract.starting_at) <= at < end:
            groups[tuple(values[name] for name in names)][day] += Fraction(row.value)
    charges = []
    for group, by_day in groups.items():
        values = dict(zip(names, group, strict=True))
        pricing = {name: values[name] for name in state.pricing_group_key or ()}
        shown = {name: values[name] for name in state.presentation_group_key or ()}
        mine = [each for each in account.rates[contract.rate_card_id] if each.product_id == product.id]
        mine = [each for each in mine if each.pricing_group_values == pricing]
        metered = Fraction(0)
        days = [start + DAY * number for number in range((end - start).days)]
        days = [day for day in days if day >= contract.starting_at]

        def holds(day: datetime, mine=mine, pricing=pricing, shown=shown) -> tuple:
            rate = rate_on(mine, day)
            if rate is None:
                return (None,)
            open_today = [
                segment.id
                for balance, segment in segments(account, contract)
                if applicable(account, balance, product, pricing, shown)
                and segment.starting_at <= day < segment.ending_before
            ]
            return rate.price, tuple(open_today)

        for (price, *_), run in groupby(days, key=holds):
            line_days = list(run)
            if price is None:
                continue
            before = sold(product, metered)
            metered += sum(by_day.get(day, 0) for day in line_days)
            after = sold(product, metered)
            for tier, unit_price, quantity in steps(price, before, after):
                charges.append(
                    {
                        "total": quantity * unit_price,
                        "quantity": quantity,
                        "place": (
                            line_days[0],
                            -unit_price,
                            state.name,
                            sorted(pricing.items()),
                            sorted((name, value or "") for name, value in shown.items()),
                            tier,
                        ),
                        "days": (line_days[0], line_days[-1] + DAY),
                        "product": product,
                        "pricing": pricing,
                        "shown": shown,
                    }
                )
    return charges


def rate_on(rates: list[Rate], day: datetime) -> Rate | None:
    """Return the entitled rate of a day."""
    best = None
    for rate in sorted(rates, key=lambda rate: rate.number):
        covers = rate.starting_at <= day and (rate.ending_before is None or rate.ending_before > day)
        if covers and (best is None or rate.starting_at >= best.starting_at):
            best = rate
    return best if best is not None and best.entitled else None


def sold(product: Product, metered: Fraction) -> Fraction:
    """Return metered units as sold units."""
    state, quantity = product.initial, metered
    if state.quantity_conversion:
        factor = Fraction(state.quantity_conversion.conversion_factor)
        quantity = quantity * factor if state.quantity_conversion.operation is Operation.MULTIPLY else quantity / factor
    if state.quantity_rounding:
        scale = 10**state.quantity_rounding.decimal_places
        size = abs(quantity) * scale
        size = {
            RoundingMethod.ROUND_UP: math.ceil(size),
            RoundingMethod.ROUND_DOWN: math.floor(size),
            RoundingMethod.ROUND_HALF_UP: math.floor(size + Fraction(1, 2)),
        }[state.quantity_rounding.rounding_method]
        quantity = Fraction(size, scale) * (1 if quantity >= 0 else -1)
    return quantity


def steps(price: Price, before: Fraction, after: Fraction) -> list[tuple[int, Fraction, Fraction]]:
    """Return (tier, unit price, quantity) between two positions, walking from one tier's bound to the next."""
    if isinstance(price, Flat):
        return [(0, Fraction(price.price), after - before)] if before != after else []
    found, (low, high) = [], sorted((before, after))
    floor = None
    for level, tier in enumerate(price.tiers, 1):
        ceiling = None if tier.size is None else (floor or 0) + Fraction(tier.size)
        part_low = low if floor is None else max(low, floor)
        part_high = high if ceiling is None else min(high, ceiling)
        if part_high > part_low:
            quantity = part_high - part_low
            found.append((level, Fraction(tier.price), quantity if after > before else -quantity))
        floor = ceiling
    return found


def pay(account: Account, contract: Contract, charges: list[dict], left: dict[str, Fraction], at: datetime) -> Fraction:
    """Take from `left` what balances pay of the charges; return how much."""
    charges = sorted(charges, key=lambda charge: charge["place"])
    for charge in charges:
        charge["open"] = max(charge["total"], Fraction(0))
    for charge in charges:
        back = max(-charge["total"], Fraction(0))
        for other in reversed(charges):
            if all(other[name] == charge[name] for name in ("product", "pricing", "shown")):
                amount = min(back, other["open"])
                other["open"] -= amount
                back -= amount
    paid = Fraction(0)
    for _, balance, segment in sorted(
        ((rank(account, balance, segment), balance, segment) for balance, segment in segments(account, contract)),
        key=lambda each: each[0],
    ):
        for charge in charges:
            start, end = charge["days"]
            if not (segment.starting_at <= start and end <= segment.ending_before):
                continue
            if applicable(account, balance, charge["product"], charge["pricing"], charge["shown"]):
                amount = min(charge["open"], max(left[segment.id], Fraction(0)))
                charge["open"] -= amount
                left[segment.id] -= amount
                paid += amount
    return paid


def segments(account: Account, contract: Contract) -> list[tuple[Balance, Segment]]:
    """Return what may pay for a contract."""
    return [
        (balance, segment)
        for balance in account.balances
        for segment in balance.segments
        if balance.contract_id == contract.id
        or (balance.contract_id is None and contract.id in (balance.applicable_contract_ids or [contract.id]))
    ]


def applicable(account: Account, balance: Balance, product: Product, pricing: dict, shown: dict) -> bool:
    """Whether a balance may pay for a product and group."""
    if balance.credit_type_id != account.rates[account.contracts[0].rate_card_id][0].credit_type_id:
        return False
    for each in balance.specifiers:
        wrong = each.product_id not in (None, product.id)
        wrong = wrong or any(tag not in product.initial.tags for tag in each.product_tags)
        wrong = wrong or any(pricing.get(name) != value for name, value in each.pricing_group_values.items())
        wrong = wrong or any(shown.get(name) != value for name, value in each.presentation_group_values.items())
        if not wrong:
            return True
    if balance.specifiers:
        return False
    if not balance.applicable_product_ids and not balance.applicable_product_tags:
        return True
    tagged = set(balance.applicable_product_tags) & set(product.initial.tags)
    return product.id in balance.applicable_product_ids or bool(tagged)


def rank(account: Account, balance: Balance, segment: Segment) -> tuple:
    """Return the rank of a segment; the smallest pays first."""
    items = balance.invoice_schedule.schedule_items if balance.invoice_schedule else ()
    tagged = {"A", "B"} & {each.id for each in account.products.values() if "ai" in each.initial.tags}
    if balance.specifiers:
        named = set()
        for each in balance.specifiers:
            if each.product_id:
                named.add(each.product_id)
            elif each.product_tags:
                named |= tagged
            else:
                named |= set(range(100))
        count = len(named)
    else:
        named = set(balance.applicable_product_ids) | (tagged if balance.applicable_product_tags else set())
        everything = not balance.applicable_product_ids and not balance.applicable_product_tags
        count = 100 if everything else len(named)
    grouped = [each for each in balance.specifiers if each.pricing_group_values or each.presentation_group_values]
    return (
        balance.priority,
        int(sum(item.amount for item in items) > 0),
        min(count, 100),
        len(grouped),
        segment.ending_before,
        segment.starting_at,
        1 if balance.contract_id else len(balance.applicable_contract_ids) or 100,
        0 if balance.contract_id else 1,
        balance.id,
        segment.id,
    )
