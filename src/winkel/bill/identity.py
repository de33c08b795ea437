"""Ids that follow from what a thing is, never from chance: rating again gives the same invoice and the same entry."""

import uuid
from datetime import UTC, datetime

_SPACE = uuid.UUID("a5d2c3de-8a5f-5c3c-9d0b-6c8f4f2f7d11")
"""Any fixed UUID: it keeps these ids apart from those of other software."""


def derived(*parts: str) -> str:
    """Return the UUID of these parts: always the same for the same parts."""
    return str(uuid.uuid5(_SPACE, " ".join(parts)))


def invoice_id(contract_id: str, kind: str, at: datetime, *parts: str) -> str:
    """Return the id of an invoice: of its contract, its type and the instant at which it starts or is due.

    A draft has it from its first moment on, and keeps it when it is finalized.
    """
    return derived(contract_id, kind, at.astimezone(UTC).isoformat(), *parts)


def regenerated_id(void_id: str) -> str:
    """Return the id of the invoice that takes the place of a void one: the same one, however often it is asked for."""
    return derived(void_id, "regenerated")
