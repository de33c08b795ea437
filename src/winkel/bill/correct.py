"""Corrections: what voiding an invoice gives back to balances, and the invoice that takes the place of a void one.

A final invoice is never changed. It is voided, which undoes what it took, and made anew with the terms and the usage of
the present (metronome-api.md §4.9; docs/pricing.md, section 10).
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from msgspec import structs

from winkel.bill.balance import all_remaining
from winkel.bill.consolidated import concatenated
from winkel.bill.draft import Draft, scheduled_draft, usage_draft
from winkel.bill.identity import derived, regenerated_id
from winkel.bill.imported import imported
from winkel.bill.purse import reaches
from winkel.bill.rollover import taken_back, without_awaited
from winkel.bill.scheduled import asked_again
from winkel.bill.statement import Need, Statement, needs_of, statements
from winkel.bill.trueup import TrueUp, true_ups
from winkel.model.account import Account
from winkel.model.commit import BalanceType
from winkel.model.contract import Contract
from winkel.model.errors import ConflictError, InvalidError
from winkel.model.invoice import Invoice, InvoiceStatus, InvoiceType, LineItem, LineType
from winkel.model.ledger import EntryKind, LedgerEntry
from winkel.model.money import ZERO, negated
from winkel.model.usage import HourUsage


def credited(invoice: Invoice, entries: Sequence[LedgerEntry]) -> list[LedgerEntry]:
    """Return what voiding an invoice posts: for each of its deductions an entry that gives the amount back.

    `entries` are all that were posted for it. What comes back is dated as its deduction, so the ledger reads as if the
    invoice had taken nothing; if the segment has ended meanwhile, the amount expires with the rest of it. Raises
    `InvalidError` unless the invoice is final.
    """
    if invoice.status is not InvoiceStatus.FINALIZED:
        raise InvalidError("only a finalized invoice can be voided, and this one is void already")
    assert all(each.amount < ZERO for each in entries), "a final invoice only takes"
    postpaid = {line.balance_id for line in invoice.line_items if line.balance_type == BalanceType.POSTPAID}
    return [_undone(each, postpaid) for each in entries]


def _undone(taken: LedgerEntry, postpaid: Collection[str | None]) -> LedgerEntry:
    """Return the entry that gives back what another took.

    The API knows no postpaid CREDITED (metronome-api.md §4.8): there it is the same kind, with the opposite sign.
    """
    kind = taken.kind if taken.balance_id in postpaid else EntryKind.CREDITED
    its_id = derived(taken.id, EntryKind.CREDITED)
    parts = {seat: negated(amount) for seat, amount in taken.per_seat.items()}
    return structs.replace(taken, id=its_id, kind=kind, amount=negated(taken.amount), per_seat=parts)


def needs_again(account: Account, void: Invoice, at: datetime) -> list[Need]:
    """Return the usage that `regenerated` needs. Raises what that raises."""
    contract = _contract(account, void)
    metered = void.type is InvoiceType.USAGE and not void.imported_usage
    return needs_of(account, [_statement(contract, void, at)] if metered else [])


def regenerated(
    account: Account,
    void: Invoice,
    usage: Mapping[str, Sequence[HourUsage]],
    at: datetime,
    waiting: Sequence[Invoice] = (),
) -> Draft:
    """Return the invoice that takes the place of a void one, and the deductions that it posts.

    It is rated as a draft of its period would be: today's terms, all of `usage` or the quantities that were imported,
    and what balances hold now. One of schedule items asks for them as they are today. What rolled over to a later
    contract, and is not used there, pays as if it had not. Raises `InvalidError` when it is not void or nothing is left
    to ask for, and `ConflictError` when it was regenerated before. `waiting` are the void usage statements of the
    family that were not made anew: a true-up comes after those whose usage counts towards it.
    """
    contract = _contract(account, void)
    account = without_awaited(account)
    for drawn in contract.draws_on:
        account = taken_back(account, drawn)
    if void.imported_usage:
        made = imported(_freed(account, void), _statement(contract, void, at), void.imported_usage)
    elif void.type is InvoiceType.USAGE:
        made = usage_draft(_freed(account, void), _statement(contract, void, at), usage, all_remaining(account))
    elif any(map(_trues_up, void.line_items)):
        made = _true_up(account, void, at, waiting)
    else:
        asked = asked_again(_freed(account, void), contract, void, at)
        asked = structs.replace(asked, invoice_id=regenerated_id(void.id))
        made = scheduled_draft(account, asked, all_remaining(account), at)
    invoice = structs.replace(made.invoice, id=regenerated_id(void.id), regenerated_from_invoice_id=void.id)
    return structs.replace(made, invoice=invoice)


def reconsolidated(account: Account, void: Invoice, constituents: Sequence[Invoice]) -> Invoice:
    """Return the consolidated invoice that takes the place of a void one, of these constituents.

    They are what is final now of the constituents of the first one of its chain, or of what was regenerated for those:
    what was void for a while comes back (docs/pricing.md, section 20). Raises `InvalidError` when it is not void or
    none of them is final, and `ConflictError` when it was regenerated before.
    """
    contract = _contract(account, void)
    if not constituents:
        raise InvalidError("none of its constituent invoices is final: regenerate those first")
    made = concatenated(contract, regenerated_id(void.id), constituents)
    return structs.replace(made, start=void.start, end=void.end, regenerated_from_invoice_id=void.id)


def _freed(account: Account, void: Invoice) -> Account:
    """Return the account as if nothing waited for this void invoice; what is on a final one stays there."""
    return structs.replace(account, awaited_items=account.awaited_items - _items(void))


def _items(void: Invoice) -> frozenset[str]:
    """Return what a void invoice asked for, by the ids of schedule items and of what subscriptions charge."""
    return frozenset(line.schedule_item_id for line in void.line_items if line.schedule_item_id)


def _contract(account: Account, void: Invoice) -> Contract:
    """Return the contract of an invoice that can be regenerated."""
    if void.status is not InvoiceStatus.VOID:
        raise InvalidError("only a void invoice can be regenerated, and this one is finalized: void it first")
    its_id = regenerated_id(void.id)
    if its_id in account.invoiced:
        raise ConflictError(f"this invoice was regenerated before, as {its_id}: void and regenerate that one")
    for contract in account.contracts:
        if contract.id == void.contract_id and contract.archived_at is None:
            return contract
    raise InvalidError("the contract of this invoice is archived: it asks for nothing any more")


def _statement(contract: Contract, void: Invoice, at: datetime) -> Statement:
    """Return the billing period of a void usage statement, as the contract has it today."""
    start = void.period.start
    period = contract.period_at(start)
    if period is None:
        message = "the contract of this invoice ends before its period now: nothing is left to ask for on a statement"
        raise InvalidError(f"{message}; what is still agreed for dates and subscriptions is on other invoices")
    assert period.start == start, "neither the start nor the anchor of a contract moves"
    if period.end > at:
        raise InvalidError(f"the period of this invoice lasts until {period.end.isoformat()} now: regenerate it then")
    return Statement(contract, period, regenerated_id(void.id), _items(void))


def _trues_up(line: LineItem) -> bool:
    """Whether a line asks for what is missing of a promise; one that a promise counts does not."""
    return line.type is LineType.COMMIT_PURCHASE and line.balance_type == BalanceType.POSTPAID


def _true_up(account: Account, void: Invoice, at: datetime, waiting: Sequence[Invoice]) -> Draft:
    """Return a void true-up anew: for what is left of its commit, once all usage that counts towards it is final."""
    items = {line.schedule_item_id for line in void.line_items}
    for made in true_ups(_freed(account, void), all_remaining(account)):
        (line,) = made.invoice.line_items
        if line.schedule_item_id in items:
            if _usage_is_open(account, made, str(line.balance_id), at, waiting):
                raise InvalidError("usage that counts towards this true-up is not final yet: regenerate it after that")
            its_id = regenerated_id(void.id)
            entries = [structs.replace(each, id=derived(its_id, each.id), invoice_id=its_id) for each in made.entries]
            return Draft(made.invoice, tuple(entries), made.usage_until)
    raise InvalidError("nothing of what this invoice asked for is agreed any more")


def _usage_is_open(account: Account, made: TrueUp, balance_id: str, at: datetime, waiting: Sequence[Invoice]) -> bool:
    """Whether a billing period that counts towards the commit of a true-up is not over, or not final, or void."""
    until = made.usage_until
    if until is None or until > at:
        return until is not None
    balance = next(each for each in account.balances if each.id == balance_id)
    counting = {each.id for each in account.contracts if reaches(account, balance, each)}
    open_ones = [(each.contract.id, each.period) for each in statements(account, at)]
    open_ones += [(each.contract_id, each.period) for each in waiting]
    return any(contract_id in counting and period.start < until for contract_id, period in open_ones)
