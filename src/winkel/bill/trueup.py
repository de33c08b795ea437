"""True-ups: what a postpaid commit asks for when less was used than was promised (metronome-api.md §4.7, §4.9)."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from winkel.bill import consolidated
from winkel.bill.identity import derived, invoice_id
from winkel.bill.line import balance_name
from winkel.bill.purse import reaches
from winkel.model.account import Account
from winkel.model.commit import Balance, BalanceType, ScheduleItem, Segment
from winkel.model.contract import Contract
from winkel.model.invoice import Invoice, InvoiceStatus, InvoiceType, LineItem, LineType
from winkel.model.ledger import EntryKind, LedgerEntry
from winkel.model.money import ZERO, negated
from winkel.model.period import HOUR
from winkel.model.product import ProductType


class TrueUp(Struct, frozen=True):
    """An invoice for what is left of a postpaid commit, and the entry that takes it off."""

    invoice: Invoice
    entries: tuple[LedgerEntry, ...]
    usage_until: datetime | None
    """The end of the last billing period whose usage counts towards the commit; None: there is no such period."""


def true_ups(account: Account, left: Mapping[str, Decimal]) -> Iterator[TrueUp]:
    """Yield the true-ups that are not final yet, also those of nothing; `left` is what drafts leave of each segment."""
    contracts = {each.id: each for each in account.contracts if each.archived_at is None}
    for balance in account.balances:
        payer = contracts.get(balance.invoice_contract_id or balance.contract_id or "")
        schedule = balance.invoice_schedule
        if balance.type is not BalanceType.POSTPAID or balance.archived_at is not None or payer is None:
            continue
        if schedule is None or schedule.do_not_invoice:
            continue
        # One item and one segment when it is made (api/terms.py); an earlier end may have taken them away.
        for item, segment in zip(schedule.schedule_items, balance.segments, strict=False):
            if account.is_open(item.id):
                until = _usage_until(account, balance, segment)
                yield _true_up(account, payer, balance, item, max(ZERO, left[segment.id]), until)


def _true_up(
    account: Account, payer: Contract, balance: Balance, item: ScheduleItem, amount: Decimal, until: datetime | None
) -> TrueUp:
    """Return the draft of one true-up."""
    its_id = invoice_id(payer.id, InvoiceType.SCHEDULED, item.timestamp, balance.credit_type_id, item.id)
    date = payer.issue_dates.get(its_id, item.timestamp)
    line = LineItem(
        type=LineType.COMMIT_PURCHASE,
        name=f"{balance_name(balance, account.products, item.timestamp)} true-up",
        total=amount,
        credit_type_id=balance.credit_type_id,
        product_id=balance.product_id,
        product_type=ProductType.FIXED,
        quantity=Decimal(1),
        unit_price=amount,
        balance_id=balance.id,
        balance_type=balance.type,
        schedule_item_id=item.id,
    )
    invoice = Invoice(
        id=its_id,
        customer_id=balance.customer_id,
        contract_id=payer.id,
        type=InvoiceType.SCHEDULED,
        status=InvoiceStatus.DRAFT,
        credit_type_id=balance.credit_type_id,
        line_items=(line,),
        total=amount,
        issued_at=date,
        net_payment_terms_days=payer.net_payment_terms_days,
        payer=consolidated.payer(account, payer),
    )
    entry = LedgerEntry(
        id=derived(its_id, balance.id),
        balance_id=balance.id,
        segment_id=balance.segments[0].id,
        kind=EntryKind.TRUEUP,
        amount=negated(amount),
        timestamp=date,
        invoice_id=its_id,
        contract_id=payer.id,
    )
    return TrueUp(invoice, (entry,) if amount else (), until)


def _usage_until(account: Account, balance: Balance, segment: Segment) -> datetime | None:
    """Return the end of the last billing period that overlaps the segment, of the contracts whose usage counts."""
    ends = []
    for contract in account.contracts:
        if contract.archived_at is not None or not reaches(account, balance, contract):
            continue
        last = min(segment.ending_before, contract.ending_before or segment.ending_before) - HOUR
        if last >= segment.starting_at and (period := contract.period_at(last)) is not None:
            ends.append(period.end)
    return max(ends, default=None)
