"""Usage: what was counted, by customer, metric, group and hour."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import TypeAlias, TypeVar

from msgspec import Struct

from winkel.model.metric import Aggregation


class Series(Struct, frozen=True, gc=False):
    """What one row of hours belongs to.

    `customer_key` is the identifier that the events carried (a customer's id or an ingest alias); it is resolved to a
    customer when usage is read, so that aliases work for the past too (metronome-api.md §4.1).
    `group_key` is the index of the metric's group key (0 when it has none); `group_values` follow that key's order,
    None where an event had no such property. `aggregation_type` is the metric's, for whoever merges values.
    """

    metric_id: str
    customer_key: str
    group_key: int
    group_values: tuple[str | None, ...]
    aggregation_type: Aggregation

    def id(self, tenant_id: int) -> bytes:
        """Return the 16 bytes that name the series: the same wherever and whenever they are computed."""
        digest = hashlib.blake2b(digest_size=16)
        for text in (str(tenant_id), self.metric_id, str(self.group_key), self.customer_key, *self.group_values):
            part = b"" if text is None else text.encode()
            digest.update(b"-" if text is None else b"%d:" % len(part))
            digest.update(part)
        return digest.digest()


Text = TypeVar("Text", str, str | None)


def clean(text: Text) -> Text:
    """Return the text without the one character that PostgreSQL cannot keep."""
    return text.replace("\0", "\ufffd") if text is not None and "\0" in text else text


SLOTS = 1024
"""Open deltas lie together by customer, in so many slots. Another number needs a migration of what lies open."""


@lru_cache(maxsize=1 << 16)
def slot_of(customer_key: str) -> int:
    """Return the slot in which readers look for what is open of a customer key (schema: `usage_delta`)."""
    return int.from_bytes(hashlib.sha256(customer_key.encode()).digest()[:2]) % SLOTS


class Delta(Struct, frozen=True, gc=False):
    """What one batch of events adds to some series of one slot.

    `numbers`, `hours` and the rest are parallel, entry by entry a series, an hour and a value: the series is
    `series_ids[number - 1]`.

    | aggregation | quantities        | ats                  | texts               |
    |-------------|-------------------|----------------------|---------------------|
    | COUNT, SUM  | to be added       | –                    | –                   |
    | MAX         | largest value     | –                    | –                   |
    | LATEST      | value             | event time, µs       | its transaction id  |
    | UNIQUE      | –                 | –                    | one distinct value  |

    For UNIQUE there is an entry for each hour and distinct value. All entries have a value in the same columns.
    """

    slot: int
    series_ids: Sequence[bytes]
    numbers: Sequence[int]
    hours: Sequence[int]
    quantities: Sequence[Decimal | int] | None = None
    ats: Sequence[int] | None = None
    texts: Sequence[str] | None = None


class HourUsage(Struct, frozen=True, gc=False):
    """The usage of one series in one hour, as read back: all deltas merged.

    `value` is the sum (COUNT, SUM), the largest value (MAX) or the latest value (LATEST) of the hour; None for UNIQUE.
    `at` and `text` order LATEST values across series: by event time in µs, then by transaction id.
    `distinct` holds the hour's distinct values for UNIQUE.
    """

    customer_key: str
    group_values: tuple[str | None, ...]
    hour: int
    value: Decimal | None = None
    at: int | None = None
    text: str | None = None
    distinct: frozenset[str] = frozenset()


Group: TypeAlias = tuple[tuple[str, str | None], ...]
"""(group key name, value) pairs, in the order of the metric's group key."""
Hours: TypeAlias = list[tuple[int, Decimal]]
"""(hour, quantity) of one group, in order of time, ready to be rated.

For SUM and COUNT it is the hour's sum; for MAX, LATEST and UNIQUE the *increase* over what the billing period had
reached before (metronome-api.md §4.2), so that quantities of hours always add up to the period's.
"""


NOBODY = 0
"""The tenant of records that no tenant owns: operators see their dead letters, and no API does. (Ids begin at 1.)"""


class DeadLetter(Struct, frozen=True, gc=False):
    """An event, or a whole record, that could not be counted, and why: never lost in silence."""

    tenant_id: int
    """Whose it is; `NOBODY` when the record names a tenant that does not exist, or two of them."""
    partition: int
    offset: int
    index: int
    """Position of the event in its record; −1: the whole record."""
    reason: str
    """A short, fixed word: undecodable, not_a_number, number_too_long … (`meter/decide.py`, `meter/numbers.py`)"""
    detail: str
    metric_id: str | None = None
    transaction_id: str | None = None
    payload: bytes = b""
    """The event, whole, as JSON in the shape of /v1/ingest; or the bytes of the record."""
    at: datetime | None = None
    events: int = 1
    """How many events that are."""
