"""EventBlock: events as columns, the shape in which they travel from the gateway to the meter."""

from collections.abc import Sequence

from msgspec import Struct

BUCKETS = 4096
"""Virtual buckets: state is keyed by bucket, partitions and workers are only a routing (streaming.md §2.4)."""


class EventBlock(Struct, frozen=True, gc=False, array_like=True):
    """Events of one tenant and one partition, as columns; row i of every column is event i.

    Codes are indexes into a dictionary: `customers[customer_codes[i]]` is the customer identifier of event i.
    The arrays are little-endian bytes, so that decoding a block touches no single event.
    """

    tenant_id: int
    keys: bytes
    """16 bytes an event: the keyed hash of (tenant, source, transaction id), its identity. Big-endian text order."""
    fingerprints: bytes
    """uint32 an event: a hash of everything else in it, to notice a repeated id with other content."""
    timestamps: bytes
    """int64 an event: microseconds since 1970, UTC."""
    customers: Sequence[str]
    customer_codes: bytes
    """uint32 an event."""
    event_types: Sequence[str]
    event_type_codes: bytes
    """uint32 an event."""
    transaction_ids: Sequence[str]
    sources: Sequence[str]
    source_codes: bytes
    """uint32 an event; `sources` is usually just [""]."""
    properties: bytes
    """One line of JSON an event: an object, without a newline inside."""

    def __len__(self) -> int:
        return len(self.transaction_ids)


def bucket_of(key: bytes) -> int:
    """Return the virtual bucket of an event key: its first 12 bits, so that a range of buckets is a range of keys."""
    return (key[0] << 4) | (key[1] >> 4)
