"""Customer: who uses, and who pays."""

import re
from datetime import datetime
from functools import lru_cache

from msgspec import Struct

_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_UUID_CHARACTERS = 36


def spellings(identifier: str) -> tuple[str, ...]:
    """Return the identifier and, if it is a UUID, how else events may write it: in small letters or in capitals.

    Digits of a UUID mean the same in either (RFC 9562 §4), and some programs write only capitals.
    """
    return _either_case(identifier) if len(identifier) == _UUID_CHARACTERS else (identifier,)


@lru_cache(maxsize=1 << 12)  # billing asks for the keys of a customer again and again, and then for the next one's
def _either_case(identifier: str) -> tuple[str, ...]:
    if not _UUID.fullmatch(identifier):
        return (identifier,)
    return tuple(dict.fromkeys((identifier, identifier.lower(), identifier.upper())))


class Customer(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A customer and the ingest aliases under which its events may arrive as well (metronome-api.md §4.4)."""

    id: str
    name: str
    created_at: datetime
    updated_at: datetime
    ingest_aliases: tuple[str, ...] = ()
    custom_fields: dict[str, str] = {}
    salesforce_account_id: str | None = None
    archived_at: datetime | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """Every identifier that an event of this customer may carry, each once; one given twice would count twice."""
        return tuple(dict.fromkeys((*spellings(self.id), *self.ingest_aliases)))
