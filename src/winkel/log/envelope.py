"""What a Kafka message of ours holds: a fixed head, then the block's bytes. Pure.

The head says what PostgreSQL keeps in columns: whose events these are, how many, and by which version of the routing
the partition was chosen. It is part of the value because the fast way of producing takes no headers.
"""

import struct
from datetime import datetime

from winkel.log.log import NewRecord, Record
from winkel.model.usage import NOBODY

_HEAD = struct.Struct(">2sIII")
MAGIC = b"W\x01"
"""The letter says that the message is ours, the number which form it has; later forms get other numbers."""


def seal(new: NewRecord) -> bytes:
    """Return the value of a message."""
    return _HEAD.pack(MAGIC, new.tenant_id, new.events, new.routing) + new.data


def opened(value: bytes | None, partition: int, offset: int, at: datetime) -> Record:
    """Return the record that a message is.

    What is not ours counts as one event of `NOBODY`, with everything that was sent as its data: nothing that decodes
    says that it is nobody's, so the meter sets it aside as a dead letter and goes on.
    """
    if value is not None and len(value) >= _HEAD.size and value.startswith(MAGIC):
        _, tenant_id, events, routing = _HEAD.unpack_from(value)
        return Record(tenant_id, partition, offset, events, routing, at, value[_HEAD.size :])
    return Record(NOBODY, partition, offset, 1, 0, at, value or b"")
