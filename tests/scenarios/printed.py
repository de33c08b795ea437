"""Invoices as people read them: how the answers of stories are printed."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from winkel.model.commit import AccessType
from winkel.model.credit_type import CURRENCIES, QUANTITY, USD, is_custom
from winkel.model.invoice import Invoice, LineItem, LineType
from winkel.model.ledger import LedgerEntry

CODE = {each.id: each.name.split()[0] for each in CURRENCIES}


def invoice(draft: Invoice, names: Mapping[str, str]) -> list[str]:
    """Return an invoice as lines of text; `names` are those of segments whose ids say nothing."""
    lines = [heading(draft)]
    for item in draft.line_items:
        count = ""
        if item.quantity is not None and item.unit_price is not None:
            count = f"{number(item.quantity)} × {money(item.unit_price, item.credit_type_id)}"
            if item.product_type == "COMPOSITE":
                count = f"{money(item.quantity, item.credit_type_id)} × {number(item.unit_price.scaleb(2))}%"
        elif item.quantity is not None:
            count = number(item.quantity)
        payer = names.get(item.segment_id, item.segment_id) if item.type is not LineType.APPLIED else None
        note = f"  ← {payer}" if payer else ""
        lines.append(
            f"  {label(item, draft):<52} {count:>28} {money(item.total, item.credit_type_id):>14}{note}".rstrip()
        )
    return [*lines, f"  {'total':<52} {'':>28} {money(draft.total, draft.credit_type_id):>14}"]


def heading(of: Invoice) -> str:
    """Return what an invoice is about: its type, contract, period or date, and currency."""
    assert of.issued_at is not None
    when = f"{day(of.start)} → {day(of.end)}" if of.start and of.end else day(of.issued_at)
    paid = f"  paid by {of.payer.contract_id}" if of.payer and of.payer.contract_id != of.contract_id else ""
    return f"{of.type} {of.contract_id}  {when}  {CODE[of.credit_type_id]}{paid}"


def void(of: Invoice, back: Iterable[LedgerEntry], names: dict[str, str]) -> list[str]:
    """Return that an invoice is void, and what came back to which segment, by name where it has one."""
    units = {line.segment_id: _unit(line) for line in of.line_items}
    amounts = ((each.segment_id, money(each.amount, units.get(each.segment_id, of.credit_type_id))) for each in back)
    came = [f"  back to {names.get(segment, segment):<73} {amount:>14}" for segment, amount in amounts]
    return [f"{heading(of)}  is void", *came]


def _unit(line: LineItem) -> str:
    """Return in what a balance is that a line names."""
    return QUANTITY if line.access_type is AccessType.QUANTITY else line.credit_type_id


def label(item: LineItem, draft: Invoice) -> str:
    """Return what a line is about: name, groups, tier, and its time unless that is the whole period."""
    words = [f"{item.origin.contract_id}: {item.name}" if item.origin else item.name]
    groups = (item.pricing_group_values or {}) | (item.presentation_group_values or {})
    words += [f"{name}={'(none)' if value is None else value}" for name, value in groups.items()]
    if item.tier:
        words.append(f"tier {item.tier.level}")
    if item.is_prorated:
        words.append("(part)")
    if item.starting_at and item.ending_before and (item.starting_at, item.ending_before) != (draft.start, draft.end):
        words.append(f"[{day(item.starting_at)[5:]} → {day(item.ending_before)[5:]}]")
    return " ".join(words)


def day(instant: datetime) -> str:
    """Return a date, with the hour unless it is midnight."""
    return instant.strftime("%Y-%m-%d" if not instant.hour else "%Y-%m-%dT%H")


def money(amount: Decimal, unit: str) -> str:
    """Return an amount as people write it: with every digit it has, at least two after the point; or with its unit."""
    if unit == QUANTITY:
        return f"{number(amount)} units"
    if is_custom(unit):
        return f"{number(amount)} {unit}"
    whole, _, fraction = number(amount.scaleb(-2) if unit == USD.id else amount).partition(".")
    return f"{whole}.{fraction:<02}"


def number(exact: Decimal) -> str:
    """Return a number with every digit it has, and no more."""
    text = f"{exact:,f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in {"-0", ""} else text.replace("-", "−")
