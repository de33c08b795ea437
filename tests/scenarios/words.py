"""The words of stories: clauses that say terms, prices, times and amounts."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from winkel.model.allocation import Allocation, SeatLink
from winkel.model.commit import BalanceType, RateSide, Specifier
from winkel.model.contract import Contract, UsageFilter
from winkel.model.credit_type import CURRENCIES, USD, CreditType, is_custom
from winkel.model.invoice import ImportedUsage
from winkel.model.money import multiply
from winkel.model.override import MultiplierTier, Override, OverrideSpecifier, OverrideType, Prioritization
from winkel.model.package import Duration, Offset, RelativeUnit
from winkel.model.period import Frequency, RecurrenceFrequency
from winkel.model.price import Custom, Flat, Percentage, Price, Subscribed, Tier, Tiered, TieredPercentage
from winkel.model.pro_service import ProService, ProServiceLine
from winkel.model.product import Operation, Product, QuantityConversion, QuantityRounding, RoundingMethod
from winkel.model.proration import AmountRounding, AmountRoundingMethod, Proration
from winkel.model.recurring import RecurringAmount, RecurringBalance
from winkel.model.subscription import (
    CollectionSchedule,
    InvoiceBehavior,
    InvoicePlacement,
    QuantityChange,
    SeatChange,
    Subscription,
    SubscriptionProration,
)

CURRENCY = {each.name.split()[0]: each for each in CURRENCIES}
EACH = {
    "period": None,
    "day": RecurrenceFrequency.DAILY,
    "week": RecurrenceFrequency.WEEKLY,
    "month": RecurrenceFrequency.MONTHLY,
    "quarter": RecurrenceFrequency.QUARTERLY,
    "year": RecurrenceFrequency.ANNUAL,
}
PRORATED = {
    ("never",): Proration.NONE,
    ("first",): Proration.FIRST,
    ("last",): Proration.LAST,
    ("first", "and", "last"): Proration.FIRST_AND_LAST,
}

S = TypeVar("S", bound=Specifier)


def terms(clauses: list[str]) -> dict[str, object]:
    """Return the terms of a product."""
    found: dict[str, object] = {}
    for clause in clauses:
        match clause.split():
            case ["metric", metric]:
                found["billable_metric_id"] = metric
            case ["priced", "by", *names]:
                found["pricing_group_key"] = tuple(names)
            case ["shown", "by", *names]:
                found["presentation_group_key"] = tuple(names)
            case ["divided", "by", factor]:
                found["quantity_conversion"] = QuantityConversion(decimal(factor), Operation.DIVIDE)
            case ["times", factor]:
                found["quantity_conversion"] = QuantityConversion(decimal(factor), Operation.MULTIPLY)
            case ["rounded", how, "to", places, "places"]:
                method = {"up": "ROUND_UP", "down": "ROUND_DOWN", "half-up": "ROUND_HALF_UP"}[how]
                found["quantity_rounding"] = QuantityRounding(int(places), RoundingMethod(method))
            case ["tagged", *tags]:
                found["tags"] = tuple(tags)
            case ["share", "of", "tag", *tags]:
                found["composite_tags"] = tuple(tags)
            case ["share", "of", *product]:
                found["composite_product_ids"] = (*found.get("composite_product_ids", ()), " ".join(product))
            case ["without", "free", "usage"]:
                found["exclude_free_usage"] = True
            case ["with", "composites"]:
                found["include_composite_spend"] = True
            case ["named", *name]:
                found["name"] = " ".join(name)
            case _:
                raise ValueError(f"a product doesn't know {clause!r}")
    return found


def price(parts: list[list[str]], unit: str) -> Price:
    """Return the price of `1.00`, of `5 at 0.00`, `5 at 1.00`, `rest at 1.50`, or of `3 each at 20.00`."""
    if parts[0][0] == "custom":
        return Custom(dict(values(parts[0][1:])))
    if parts[0][1:3] == ["each", "at"]:
        return Subscribed(decimal(parts[0][0]), Flat(amount(parts[0][3], unit)))
    if parts[0][-1].endswith("%"):
        return _percentage(parts, unit)
    if len(parts) == 1 and len(parts[0]) == 1:
        return Flat(amount(parts[0][0], unit))
    return Tiered(tuple(Tier(amount(each, unit), None if size == "rest" else decimal(size)) for size, _, each in parts))


def _percentage(parts: list[list[str]], unit: str) -> Price:
    """Return the price of `10%`, or of `100.00 at 10%`, `rest at 5%`: sizes are amounts."""
    if len(parts) == 1 and len(parts[0]) == 1:
        return Percentage(share(parts[0][0]))
    tiers = (Tier(share(part), None if size == "rest" else amount(size, unit)) for size, _, part in parts)
    return TieredPercentage(tuple(tiers))


def share(text: str) -> Decimal:
    """Return the fraction of `10%`."""
    return decimal(text.removesuffix("%")).scaleb(-2)


def imported_usage(text: str, products: Mapping[str, Product]) -> ImportedUsage:
    """Return the quantity of `Tokens 80 on 2025-12-10 model=a`."""
    product, quantity, _, day, *pairs = text.split()
    start, found = moment(day), values(pairs)
    priced = products[product].at(start).pricing_group_key or ()
    return ImportedUsage(
        product_id=product,
        starting_at=start,
        quantity=decimal(quantity),
        pricing_group_values={name: value for name, value in found.items() if name in priced},
        presentation_group_values={name: value for name, value in found.items() if name not in priced},
    )


def specifier(text: str, kind: type[S] = Specifier) -> S:
    """Return the specifier of `Tokens / tag compute / priced model=a / shown team=x`; of an override, `commit Name`."""
    fields: dict[str, object] = {}
    for part in text.split(" / "):
        match part.split():
            case ["tag", *tags]:
                fields["product_tags"] = tuple(tags)
            case [word] if word.upper() in Frequency.__members__:
                fields["billing_frequency"] = Frequency(word)
            case ["priced", *pairs]:
                fields["pricing_group_values"] = values(pairs)
            case ["shown", *pairs]:
                fields["presentation_group_values"] = values(pairs)
            case ["commit", *name]:
                fields["any_commit_or_credit_ids"] = (" ".join(name),)
            case name:
                fields["product_id"] = " ".join(name)
    return kind(**fields)


def recurring(name: str, clauses: list[str], units: Mapping[str, CreditType]) -> tuple[str, RecurringBalance]:
    """Return the contract's name and the term of `recurring credit Free: 100.00 each month from 2026-01-15`."""
    kind, _, name = name.partition(" ")
    unit, contract, given, asked = USD.id, "main", "", None
    link: dict[str, object] = {"is_prorated": False}
    fields: dict[str, object] = {"commit_duration": 1, "priority": Decimal(1)}
    for clause in clauses:
        match clause.split():
            case named if " ".join(named) in units:
                unit = units[" ".join(named)].id
            case ["of", contract]:
                pass
            case ["priority", number]:
                fields["priority"] = Decimal(number)
            case ["invoiced", asked]:
                pass
            case ["lasting", count, "periods"]:
                fields["commit_duration"] = int(count)
            case ["rolls", "over", part]:
                fields["rollover_fraction"] = share(part)
            case ["prorated", *which]:
                fields["proration"] = PRORATED[tuple(which)]
            case ["rounded", how, "to", places, "places"]:
                fields["access_rounding"] = rounding(how, places, unit)
            case ["invoice", "rounded", how, "to", places, "places"]:
                fields["invoice_rounding"] = rounding(how, places, currency(unit))
            case ["pooled", "for", *subscription]:
                link |= {"subscription_id": " ".join(subscription), "allocation": Allocation.POOLED}
            case ["for", "each", "seat", "of", *subscription]:
                link |= {"subscription_id": " ".join(subscription), "allocation": Allocation.INDIVIDUAL}
            case ["increases", "prorated"]:
                link["is_prorated"] = True
            case [given, "each", often, "from", *span]:
                fields["recurrence_frequency"] = EACH[often]
                fields["starting_at"], fields["ending_before"] = term(" ".join(span))
            case _:
                raise ValueError(f"a recurring balance doesn't know {clause!r}")
    paid_in = currency(unit)
    return contract, RecurringBalance(
        id=name,
        name=name,
        type=BalanceType.CREDIT if kind == "credit" else BalanceType.PREPAID,
        product_id="Fixed",
        access_amount=RecurringAmount(unit, amount(given, unit), Decimal(1)),
        invoice_amount=None if asked is None else RecurringAmount(paid_in, amount(asked, paid_in), Decimal(1)),
        subscription=SeatLink(**link) if "allocation" in link else None,
        **fields,
    )


def currency(unit: str) -> str:
    """Return the currency in which a balance is invoiced: its own, or dollars for one in a custom unit."""
    return USD.id if is_custom(unit) else unit


def rounding(how: str, places: str, unit: str) -> AmountRounding:
    """Return the rounding of `down to 2 places`: of dollars, though they are kept in cents."""
    method = {"up": "CEILING", "down": "FLOOR", "half-up": "HALF_UP"}[how]
    return AmountRounding(int(places) - (2 if unit == USD.id else 0), AmountRoundingMethod(method))


def override(its_id: str, clauses: list[str], unit: str) -> Override:
    """Return the override of `overwrite 0.50`, `times 0.8` or `times 0.9 for 100`, with whom it is for, and when."""
    fields: dict[str, object] = {"starting_at": datetime(2020, 1, 1, tzinfo=UTC)}
    fields["created_at"] = fields["starting_at"]
    specifiers, tiers, parts = [], [], []
    for clause in clauses:
        match clause.split():
            case ["overwrite", *how]:
                fields["type"] = OverrideType.OVERWRITE
                parts.append(how)
            case ["times", factor]:
                fields["type"], fields["multiplier"] = OverrideType.MULTIPLIER, decimal(factor)
            case ["tier", size, "times", factor]:
                fields["type"] = OverrideType.TIERED
                tiers.append(MultiplierTier(decimal(factor), None if size == "rest" else decimal(size)))
            case ["product", *name]:
                fields["product_id"] = " ".join(name)
            case ["tagged", *tags]:
                fields["applicable_product_tags"] = tuple(tags)
            case ["specifier", *what]:
                specifiers.append(specifier(" ".join(what), OverrideSpecifier))
            case ["priority", number]:
                fields["priority"] = decimal(number)
            case ["for", "commits"]:
                fields["is_commit_specific"] = True
            case ["on", "commit", "rates"]:
                fields["target"] = RateSide.COMMIT_RATE
            case ["entitled"]:
                fields["entitled"] = True
            case ["not", "entitled"]:
                fields["entitled"] = False
            case ["from", day]:
                fields["starting_at"] = moment(day)
            case ["until", day]:
                fields["ending_before"] = moment(day)
            case _:
                raise ValueError(f"an override doesn't know {clause!r}")
    priced = price(parts, unit) if parts else None
    made = Override(id=its_id, specifiers=tuple(specifiers), tiers=tuple(tiers), price=priced, **fields)
    made.check(Prioritization.LOWEST_MULTIPLIER if made.priority is None else Prioritization.EXPLICIT)
    return made


def subscription(name: str, clauses: list[str], contract: Contract) -> Subscription:
    """Return the subscription of `5 monthly in advance`, `product Seat`, `from 2026-01-10`, `+3 on 2026-01-20` …

    Or, with seats, of `seats monthly in advance`, `by user`, `with ann bob`, `ann goes on 2026-01-20` …
    """
    quantity, frequency, _, collected = clauses[0].split()
    fields: dict[str, object] = {"starting_at": contract.starting_at, "name": name}
    fields["anchor"] = contract.usage_statement_schedule.billing_anchor_date
    proration, changes, with_, seats = {}, [], [], []
    for clause in clauses[1:]:
        match clause.split():
            case ["product", *product]:
                fields["product_id"] = " ".join(product)
            case ["from", day]:
                fields["starting_at"] = moment(day)
            case ["until", day]:
                fields["ending_before"] = moment(day)
            case ["anchor", day]:
                fields["anchor"] = moment(day)
            case ["of", _]:
                pass
            case ["called", *called]:
                fields["name"] = " ".join(called)
            case ["prorated"]:
                proration["is_prorated"] = True
            case ["prices", "rounded", how, "to", places, "places"]:
                method = {"half-up": "HALF_UP", "down": "FLOOR", "up": "CEILING"}[how]
                proration["rounding"] = AmountRounding(int(places), AmountRoundingMethod(method))
            case ["increases", "at", "once"]:
                proration["invoice_behavior"] = InvoiceBehavior.BILL_IMMEDIATELY
            case ["on", "scheduled", "invoices"]:
                fields["invoice_placement"] = InvoicePlacement.ON_SCHEDULED_INVOICE
            case ["by", key]:
                fields["seat_group_key"] = key
            case ["with", *who]:
                with_.append(who)
            case [*who, "come" | "comes", "on", day]:
                seats.append(SeatChange(starting_at=moment(day), **_who(who, "added")))
            case [*who, "go" | "goes", "on", day]:
                seats.append(SeatChange(starting_at=moment(day), **_who(who, "removed")))
            case [change, "on", day]:
                kind = "quantity_delta" if change[0] in "+−" else "quantity"
                changes.append(QuantityChange(starting_at=moment(day), **{kind: decimal(change)}))
            case _:
                raise ValueError(f"a subscription doesn't know {clause!r}")
    if quantity != "seats":
        changes.insert(0, QuantityChange(starting_at=fields["starting_at"], quantity=decimal(quantity)))
    first = [SeatChange(starting_at=fields["starting_at"], **_who(who, "added")) for who in with_]
    made = Subscription(
        id=name,
        billing_frequency=Frequency(frequency),
        collection_schedule=CollectionSchedule(collected),
        created_at=contract.created_at,
        changes=tuple(changes),
        seat_changes=(*first, *seats),
        proration=SubscriptionProration(**proration),
        **fields,
    )
    made.check()
    return made


def _who(words: list[str], kind: str) -> dict[str, object]:
    """Return the seats of `ann bob`, or of `2 unassigned`."""
    if words[-1] == "unassigned":
        return {f"{kind}_unassigned": int(words[0])}
    return {kind: tuple(words)}


def usage_filter(clauses: list[str], start: datetime) -> UsageFilter:
    """Return the filter of `workspace dev test`, perhaps `from 2026-01-15`."""
    key, *group_values = clauses[0].split()
    since = moment(clauses[1].removeprefix("from ")) if len(clauses) > 1 else start
    return UsageFilter(key, tuple(group_values), since)


def moments(how: str, when: str) -> Iterator[datetime]:
    """Yield the instant of `on DAY`, or those of `daily DAY to DAY` and `hourly DAY to DAY`."""
    if how == "on":
        yield moment(when)
        return
    step = timedelta(days=1) if how == "daily" else timedelta(hours=1)
    at, end = term(when)
    while end is not None and at < end:
        yield at
        at += step


def values(pairs: list[str]) -> dict[str, str]:
    """Return the values of `model=a team=x`."""
    return dict(pair.split("=") for pair in pairs)


def moment(text: str) -> datetime:
    """Return the instant of `2026-01-15` or `2026-01-15T08`, UTC.

    `2026-01-31+1-month` is the offset of a package after its contract's start, `2026-01-31+1-month+2-weeks` the end of
    what begins there.
    """
    day, *parts = text.split("+")
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    match [part.split("-") for part in parts]:
        case [[value, unit]]:
            return Offset(int(value), _unit(unit)).after(start)
        case [[value, unit], [length, other]]:
            return Duration(int(length), _unit(other)).end(start, Offset(int(value), _unit(unit)))
    return start


def _unit(word: str) -> RelativeUnit:
    """Return the unit of `month` or `months`."""
    return RelativeUnit(f"{word.upper().removesuffix('S')}S")


def term(text: str) -> tuple[datetime, datetime | None]:
    """Return start and end of `2026-01-01 to 2027-01-01`; without `to` it has no end."""
    start, _, end = text.removeprefix("from ").partition(" to ")
    return moment(start), moment(end) if end else None


def decimal(text: str) -> Decimal:
    """Return the number of `1,234.5` or `−3`."""
    return Decimal(text.replace(",", "").replace("−", "-"))


def service(name: str, clauses: list[str], unit: str) -> ProService:
    """Return a professional service: `40 at 200.00, at most 9,000.00`."""
    quantity = price = most = ""
    for clause in clauses:
        match clause.split():
            case ["at", "most", most]:
                pass
            case ["of", _]:
                pass
            case [quantity, "at", price]:
                pass
            case _:
                raise ValueError(f"a service doesn't know {clause!r}")
    return ProService(
        id=name,
        product_id=name,
        unit_price=amount(price, unit),
        quantity=decimal(quantity),
        max_amount=amount(most, unit),
    )


def service_line(its_id: str, clause: str, service: ProService, unit: str) -> ProServiceLine:
    """Return what is asked for a service: `10 of Training`, `10 at 180.00 of Training` or `500.00 for Training`."""
    quantity, unit_price = Decimal(1), service.unit_price
    match clause.split():
        case [asked, "for", *_]:
            unit_price = amount(asked, unit)
        case [count, "at", price, "of", *_]:
            quantity, unit_price = decimal(count), amount(price, unit)
        case [count, "of", *_]:
            quantity = decimal(count)
        case _:
            raise ValueError(f"services don't know {clause!r}")
    its = {"professional_service_id": service.id, "quantity": quantity, "unit_price": unit_price}
    return ProServiceLine(id=its_id, amount=multiply(unit_price, quantity), **its)


def amount(text: str, unit: str) -> Decimal:
    """Return an amount as Winkel keeps it: dollars in cents."""
    return decimal(text).scaleb(2) if unit == USD.id else decimal(text)
