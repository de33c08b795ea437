"""CloudEvents 1.0 in JSON → events.

`id` and `source` are the identity, `subject` is the customer, `data` the properties.
"""

import re
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from winkel.ingest.check import Shape, counter
from winkel.model.event import Event, Identifier

_JSON = re.compile(r"(application|text)/(json|[\w.+-]+\+json)", re.IGNORECASE)


class CloudEvent(Struct, frozen=True, gc=False):
    """An event as the CloudEvents specification has it; extension attributes may be there and are not read.

    `time` is optional in the specification and required here: the time of receipt in its place would move usage into
    another hour, perhaps into another invoice, whenever a sender is late.
    """

    specversion: str
    id: Identifier
    source: Annotated[str, Meta(min_length=1, max_length=2048)]
    type: Annotated[str, Meta(min_length=1)]
    subject: Identifier
    time: Annotated[datetime, Meta(tz=True)]
    data: Raw | UnsetType = UNSET
    datacontenttype: str = "application/json"
    data_base64: Raw | UnsetType = UNSET

    def event(self) -> Event:
        """Return it as an event. Raises `msgspec.ValidationError` for what is valid in general but not here."""
        if self.specversion != "1.0":
            raise msgspec.ValidationError(f"Expected '1.0', got {self.specversion[:20]!r} - at `$.specversion`")
        if self.data_base64 is not UNSET:
            raise msgspec.ValidationError("Send JSON in `data` instead - at `$.data_base64`")
        if self.datacontenttype != "application/json" and not _JSON.match(self.datacontenttype):
            raise msgspec.ValidationError("Expected a JSON media type - at `$.datacontenttype`")
        return Event(self.id, self.subject, self.type, self.time, self.data, self.source)


_one = msgspec.json.Decoder(CloudEvent)
_batch = msgspec.json.Decoder(list[CloudEvent])
_raw: msgspec.json.Decoder[Any] = msgspec.json.Decoder(list[Raw])


def _decode_one(text: bytes | Raw) -> Event:
    return _one.decode(text).event()


def _decode_single(body: bytes) -> list[Event]:
    return [_decode_one(body)]


def _decode_batch(body: bytes) -> list[Event]:
    return [each.event() for each in _batch.decode(body)]


class _Identified(Struct, frozen=True, gc=False):
    """A CloudEvent of which only its id is looked at."""

    id: Raw


def _count_single(_: bytes) -> int:
    return 1


def _split_single(body: bytes) -> list[bytes]:
    return [body]


SINGLE = Shape(_decode_single, _count_single, _split_single, _decode_one, "time", "data", "id")
"""`application/cloudevents+json`: one event."""
BATCH = Shape(_decode_batch, counter(_Identified), _raw.decode, _decode_one, "time", "data", "id")
"""`application/cloudevents-batch+json`: an array of events."""
