"""What Winkel says, in the oracle's words; and how the two are compared: exactly."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from msgspec import Struct
from msgspec.structs import fields

from sim.oracle_bill import Bill, Line
from sim.oracle_ledger import Told
from sim.oracle_rate import Step, Steps
from winkel.model.credit_type import BY_ID
from winkel.model.invoice import Invoice, InvoiceType, LineItem, LineType
from winkel.model.ledger import LedgerEntry
from winkel.model.metric import Aggregation
from winkel.model.period import hour_start
from winkel.model.price import Custom, Flat, Percentage, Price, Subscribed, Tiered
from winkel.model.usage import HourUsage


def bill_of(invoice: Invoice, starts: Mapping[str, datetime] | None = None) -> Bill:
    """Return an invoice in the oracle's words. `starts` are those of statements that a consolidated one may copy."""
    usage = invoice.type is not InvoiceType.SCHEDULED
    start = invoice.start if usage else invoice.issued_at
    assert start is not None
    lines = tuple(_line(each, invoice) for each in invoice.line_items)
    found = Bill(
        invoice.contract_id,
        str(invoice.type),
        start,
        invoice.end,
        currency(invoice.credit_type_id),
        lines,
        customer_id=invoice.customer_id,
        payer=invoice.payer.contract_id if invoice.payer else invoice.contract_id,
        constituents=frozenset(
            (each.contract_id, (starts or {})[each.invoice_id]) for each in invoice.constituent_invoices
        ),
    )
    assert found.total == Fraction(invoice.total), "lines sum to the total"
    return found


def currency(credit_type_id: str) -> str:
    """Return the code of a currency, or the name of a custom unit."""
    return BY_ID[credit_type_id].name.split()[0] if credit_type_id in BY_ID else credit_type_id


def _line(line: LineItem, invoice: Invoice) -> Line:
    tier = line.tier
    return Line(
        type=str(line.type),
        name=line.name,
        product_id=line.product_id or "",
        total=Fraction(line.total),
        quantity=None if line.quantity is None else Fraction(line.quantity),
        unit_price=None if line.unit_price is None else Fraction(line.unit_price),
        list_price=None if line.list_price is None else _steps(line.list_price),
        starting_at=line.starting_at,
        ending_before=line.ending_before,
        pricing=tuple(sorted((line.pricing_group_values or {}).items())),
        presentation=tuple(sorted((line.presentation_group_values or {}).items())),
        tags=line.product_tags,
        tier=tier and (tier.level, Fraction(tier.starting_at), None if tier.size is None else Fraction(tier.size)),
        balance_id=line.balance_id,
        segment_id=line.segment_id,
        item_id=_item_id(line, invoice.contract_id),
        prorated=line.is_prorated,
        unit=None if line.credit_type_id == invoice.credit_type_id else currency(line.credit_type_id),
        list_unit=line.list_credit_type_id and currency(line.list_credit_type_id),
        promised=line.type is LineType.APPLIED and line.balance_type == "POSTPAID",
        origin=line.origin and line.origin.contract_id,
    )


def _item_id(line: LineItem, contract_id: str) -> str | None:
    """Return what was asked for, of a subscription by its id and a time: the real one follows from both.

    A SUBSCRIPTION rate stands for one subscription of each contract and product.
    """
    if line.type is not LineType.SUBSCRIPTION or line.origin is not None:
        return line.schedule_item_id
    its_id = line.subscription_id or f"{contract_id} {line.product_id} by its rate"
    return f"{its_id} {line.starting_at:%Y-%m-%dT%H}"


def _steps(price: Price) -> Steps:
    """Return a price as tiers with bounds; a SUBSCRIPTION price says how many units it is for."""
    if isinstance(price, Subscribed):
        return f"{Fraction(price.quantity)} each", _steps(price.each)[1]
    if isinstance(price, Custom):
        return f"CUSTOM {price.custom_rate['formula']}", (Step(Fraction(0), None, Fraction(0)),)
    if isinstance(price, Flat | Percentage):
        return type(price).__name__.upper(), (Step(Fraction(0), None, Fraction(price.price)),)
    found = []
    low = Fraction(0)
    for tier in price.tiers:
        high = None if tier.size is None else low + Fraction(tier.size)
        found.append(Step(low, high, Fraction(tier.price)))
        low = high or low
    return "TIERED" if isinstance(price, Tiered) else "TIERED_PERCENTAGE", tuple(found)


def told(entries: Iterable[LedgerEntry]) -> list[Told]:
    """Return a ledger in the oracle's words."""
    return sorted((each.timestamp, str(each.kind), each.segment_id, Fraction(each.amount)) for each in entries)


def bill_differences(real: Iterable[Bill], expected: Iterable[Bill]) -> list[str]:
    """Return where two lists of invoices differ, as text. Neither their order nor that of their lines matters here."""
    counted = [Counter(contents(bill) for bill in bills) for bills in (real, expected)]
    if counted[0] == counted[1]:
        return []
    ours, theirs = (_by_key(list((one - other).elements())) for one, other in (counted, counted[::-1]))
    return differences(ours, theirs)


def contents(bill: Bill) -> tuple[Hashable, ...]:
    """Return all that an invoice says. One without lines asks for nothing, in whatever currency."""
    key = bill.contract_id, bill.type, bill.start, bill.end, bill.currency if bill.lines else ""
    return (*key, bill.customer_id, bill.payer, bill.constituents), bill.said


def _by_key(some: list[Any]) -> dict[Hashable, dict[Line, int]]:
    """Return contract, type, time and currency → lines; where several invoices have the same, they have numbers."""
    found: dict[Hashable, dict[Line, int]] = {}
    for key, lines in some:
        number = sum(1 for each in found if each[0] == key)
        found[key, number] = dict(lines)
    return found


def merged(aggregation: Aggregation, rows: Sequence[HourUsage]) -> dict[datetime, Fraction]:
    """Return the usage of each hour over all series."""
    hours: dict[int, list[HourUsage]] = defaultdict(list)
    for row in rows:
        hours[row.hour].append(row)
    return {hour_start(hour): Fraction(_value(aggregation, some)) for hour, some in hours.items()}


def _value(aggregation: Aggregation, rows: list[HourUsage]) -> Decimal | Fraction | int:
    if aggregation is Aggregation.UNIQUE:
        return len(frozenset[str]().union(*(row.distinct for row in rows)))
    if aggregation is Aggregation.MAX:
        return max(row.value for row in rows if row.value is not None)
    if aggregation is Aggregation.LATEST:
        latest = max(rows, key=lambda row: (row.at, row.text, row.value))
        assert latest.value is not None
        return latest.value
    return sum(Fraction(row.value) for row in rows if row.value is not None)


def differences(real: Any, expected: Any, place: str = "") -> list[str]:
    """Return where two answers differ, as text."""
    if isinstance(real, Mapping) and isinstance(expected, Mapping):
        found = []
        for key in [*real, *(key for key in expected if key not in real)]:
            found += differences(real.get(key, "nothing"), expected.get(key, "nothing"), f"{place}\n  [{short(key)}]")
        return found
    return [] if real == expected else [f"{place}: Winkel says {short(real)}, the oracle {short(expected)}"]


def short(value: Any) -> str:
    """Return a value for people."""
    if isinstance(value, Fraction):
        return str(value) if value.denominator == 1 else f"{value} ≈ {float(value):.12g}"
    if isinstance(value, datetime):
        return value.isoformat(" ", "minutes").removesuffix("+00:00").removesuffix(" 00:00")
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(map(short, value)) + ")"
    if isinstance(value, Struct):
        given = ((each.name, getattr(value, each.name)) for each in fields(value))
        some = [f"{name}={short(one)}" for name, one in given if one is not None and one != ()]
        return f"{type(value).__name__}({', '.join(some)})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{short(key)}: {short(one)}" for key, one in value.items()) + "}"
    return str(value)
