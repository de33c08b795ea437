"""Ids that follow from what a thing is, never from chance: rating again gives the same invoice and the same entry."""

import uuid
from datetime import UTC, datetime
from hashlib import sha1

_SPACE = uuid.UUID("a5d2c3de-8a5f-5c3c-9d0b-6c8f4f2f7d11").bytes
"""Any fixed UUID: it keeps these ids apart from those of other software."""


def derived(*parts: str) -> str:
    """Return the UUID of these parts: always the same for the same parts.

    It is that of `uuid.uuid5` (RFC 9562, version 5), which takes four times as long: a draft has an id for each entry.
    """
    text = sha1(_SPACE + " ".join(parts).encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{variant}{text[17:20]}-{text[20:32]}"


def invoice_id(contract_id: str, kind: str, at: datetime, *parts: str) -> str:
    """Return the id of an invoice: of its contract, its type and the instant at which it starts or is due.

    A draft has it from its first moment on, and keeps it when it is finalized.
    """
    return derived(contract_id, kind, at.astimezone(UTC).isoformat(), *parts)


def regenerated_id(void_id: str) -> str:
    """Return the id of the invoice that takes the place of a void one: the same one, however often it is asked for."""
    return derived(void_id, "regenerated")
