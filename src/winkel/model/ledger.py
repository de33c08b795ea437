"""Ledger entry: one change of a commit's or credit's balance. Never edited, never removed."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from winkel.model.commit import BalanceType


class EntryKind(StrEnum):
    """What happened to the balance (metronome-api.md §4.8); the API prefixes it with the balance's type."""

    SEGMENT_START = "SEGMENT_START"
    INITIAL_BALANCE = "INITIAL_BALANCE"
    """The start of a postpaid commit's segment."""
    AUTOMATED_INVOICE_DEDUCTION = "AUTOMATED_INVOICE_DEDUCTION"
    CREDITED = "CREDITED"
    """What a deduction took comes back: its invoice was voided."""
    TRUEUP = "TRUEUP"
    """What a postpaid commit's true-up invoice asks for."""
    ROLLOVER = "ROLLOVER"
    """What goes to the contract that renews the balance's own, or comes back from there."""
    EXPIRATION = "EXPIRATION"
    SEAT_BASED_ADJUSTMENT = "SEAT_BASED_ADJUSTMENT"
    """What seats give that the segment did not begin with."""
    MANUAL = "MANUAL"


PREFIX = {
    BalanceType.PREPAID: "PREPAID_COMMIT_",
    BalanceType.POSTPAID: "POSTPAID_COMMIT_",
    BalanceType.CREDIT: "CREDIT_",
}


class LedgerEntry(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One change of one segment. `amount` is signed: positive gives, negative takes.

    A deduction carries the *end* of its invoice's service period as `timestamp`, so the deductions of a draft lie in
    the future (metronome-api.md §4.8). What comes back carries the date of the deduction that it undoes.
    """

    id: str
    balance_id: str
    segment_id: str
    kind: EntryKind
    amount: Decimal
    timestamp: datetime
    invoice_id: str | None = None
    contract_id: str | None = None
    reason: str | None = None
    per_seat: dict[str, Decimal] = {}
    """Of a balance that each seat has a part of: how much of the amount is whose."""
    new_contract_id: str | None = None
    """Of a ROLLOVER: the contract that gets it."""
