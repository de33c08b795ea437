"""Event: one thing that happened and that somebody may have to pay for."""

from datetime import datetime, timedelta
from typing import Annotated

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

OLDEST = timedelta(days=34)
"""How far back an event's timestamp may lie (metronome-api.md §4.1)."""
NEWEST = timedelta(hours=24)
"""How far ahead an event's timestamp may lie (metronome-api.md §4.1)."""
PROPERTIES_MAX = 2000
"""The most properties that one event may carry (metronome-api.md §2)."""

LEVELS_MAX = 64
"""The most levels of an event's properties: objects and arrays in each other, the first is the properties themselves.

A level costs the stack of whoever reads it. The end of the gateway's is no rule: the meter's comes sooner, or later.
"""

EVENT_BYTES_MAX = 256 * 1024
"""The most bytes of one event's type and properties: a thousand times a usual event, and 130 a property if it has all.

It keeps the pauses of a gateway short, whatever somebody sends: an event is the least that is checked at one go.
"""

Identifier = Annotated[str, Meta(min_length=1, max_length=128)]


class Event(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A usage event as it arrives (metronome-api.md §4.1).

    `properties` stays the JSON text of an object: digits are never seen by a float, and only what a billable metric
    asks for is parsed, once, in the meter.
    """

    transaction_id: Identifier
    """Its identity, together with `source`: the first one with it wins for 34 days, whatever the timestamp."""
    customer_id: Identifier
    """A customer's id, in small letters or in capitals, or one of its ingest aliases as it is; it may come later."""
    event_type: Annotated[str, Meta(min_length=1)]
    timestamp: Annotated[datetime, Meta(tz=True)]
    properties: Raw | UnsetType = UNSET
    source: str = ""
    """The CloudEvents source; empty for events in Winkel's own shape."""
