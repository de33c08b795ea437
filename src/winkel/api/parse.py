"""Ids, as they come in paths and as the model keeps them."""

import uuid

from winkel.model.errors import InvalidError


def id_of(text: str, name: str) -> str:
    """Return the id in its one spelling. Raises `InvalidError` for text that is no UUID."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise InvalidError(f"{name} must be a UUID, but is {text[:64]!r}") from None


def text_of(value: uuid.UUID | None) -> str | None:
    """Return the id as the model keeps it, or None for None."""
    return None if value is None else str(value)
