"""Customer: who uses, and who pays."""

from datetime import datetime

from msgspec import Struct


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
        """Every identifier that an event of this customer may carry."""
        return (self.id, *self.ingest_aliases)
