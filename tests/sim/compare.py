"""What Winkel says, in the oracle's words; and how the two are compared: exactly."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sim.oracle_prices import Bill
from winkel.model.invoice import Invoice, InvoiceType, LineItem, LineType
from winkel.model.metric import Aggregation
from winkel.model.period import hour_start
from winkel.model.usage import HourUsage

Key = tuple[str, str, datetime]
"""(contract, type, start or date) of an invoice."""


def told(invoices: Iterable[Invoice]) -> dict[Key, dict[str, Any]]:
    """Return what invoices say, by what they are for."""
    found: dict[Key, dict[str, Any]] = {}
    for invoice in invoices:
        start = invoice.start if invoice.type is InvoiceType.USAGE else invoice.issued_at
        assert start is not None
        key = (invoice.contract_id, str(invoice.type), start)
        assert key not in found, f"two invoices for {key}"
        found[key] = {
            "total": Fraction(invoice.total),
            "end": invoice.end,
            "lines": _usage_lines(invoice.line_items),
            "covered": _covered(invoice.line_items),
            "paid": _paid(invoice.line_items),
            "asked": sum(
                (Fraction(line.total) for line in invoice.line_items if line.type is LineType.COMMIT_PURCHASE),
                Fraction(0),
            ),
        }
        assert found[key]["total"] == sum(Fraction(line.total) for line in invoice.line_items)
    return found


def foretold(bills: Iterable[Bill]) -> dict[Key, dict[str, Any]]:
    """Return what the oracle says, in the same form."""
    return {
        (bill.contract_id, bill.type, bill.start): {
            "total": bill.total,
            "end": bill.end,
            "lines": bill.lines,
            "covered": bill.covered,
            "paid": bill.paid,
            "asked": bill.asked,
        }
        for bill in bills
    }


def _usage_lines(lines: Iterable[LineItem]) -> dict[tuple[Any, ...], tuple[Fraction, Fraction]]:
    """Return quantity and amount of each usage line; the parts that balances pay and the rest are one."""
    found: dict[tuple[Any, ...], tuple[Fraction, Fraction]] = defaultdict(lambda: (Fraction(0), Fraction(0)))
    for line in lines:
        if line.type is LineType.USAGE:
            assert line.quantity is not None
            quantity, total = found[_key(line)]
            found[_key(line)] = quantity + Fraction(line.quantity), total + Fraction(line.total)
    return {key: numbers for key, numbers in found.items() if numbers[0]}


def _covered(lines: Iterable[LineItem]) -> dict[tuple[Any, ...], Fraction]:
    """Return what each segment pays of each usage line."""
    return {
        (_key(line), line.segment_id): Fraction(line.total)
        for line in lines
        if line.type is LineType.USAGE and line.segment_id is not None
    }


def _key(line: LineItem) -> tuple[Any, ...]:
    """Return what names a usage line, as `Charge.key` of the oracle does."""
    assert line.unit_price is not None
    return (
        line.product_id,
        tuple(sorted((line.pricing_group_values or {}).items())),
        tuple(sorted((line.presentation_group_values or {}).items())),
        line.starting_at,
        Fraction(line.unit_price),
        line.tier.level if line.tier else 0,
    )


def _paid(lines: Iterable[LineItem]) -> dict[str, Fraction]:
    """Return what each segment pays."""
    found: dict[str, Fraction] = defaultdict(Fraction)
    for line in lines:
        if line.type is LineType.APPLIED:
            assert line.segment_id is not None
            found[line.segment_id] -= Fraction(line.total)
    return dict(found)


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
    if isinstance(real, dict) and isinstance(expected, dict):
        found = []
        for key in [*real, *(key for key in expected if key not in real)]:
            found += differences(real.get(key, "nothing"), expected.get(key, "nothing"), f"{place}\n  [{_short(key)}]")
        return found
    return [] if real == expected else [f"{place}: Winkel says {_short(real)}, the oracle {_short(expected)}"]


def _short(value: Any) -> str:
    if isinstance(value, Fraction):
        return f"{value} ≈ {float(value):.12g}"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(map(_short, value)) + ")"
    return str(value)
