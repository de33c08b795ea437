"""The relay: tells dead letters to a topic beside the log's, at least once each."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import msgspec
import structlog

from winkel.store import dead_letters
from winkel.store.database import Connection
from winkel.store.dead_letters import StoredDeadLetter

SUFFIX = "dead-letters"
"""The topic is named as the log's topic, a hyphen and this."""
PAGE = 100
PAYLOAD_MAX = 512 * 1024
"""Larger payloads are left out: brokers and consumers take a megabyte by default. The table has them whole."""
log = structlog.get_logger(__name__)
_encoder = msgspec.json.Encoder()


@runtime_checkable
class Publisher(Protocol):
    """A log that has topics beside its own: Kafka's."""

    async def publish(self, suffix: str, messages: Sequence[tuple[bytes, bytes]]) -> None:
        """Make (key, value) messages durable in a topic beside the log's own. Raises `UnavailableError`."""
        ...


async def relay(connection: Connection, topic: str, publisher: Publisher) -> int:
    """Publish the letters of a log that were not published yet; return how many.

    They are marked after they are durable: who dies in between publishes some twice, under the same key, its id.
    Raises `UnavailableError` when the topic cannot be reached.
    """
    count = 0
    while some := await dead_letters.unpublished(connection, topic, PAGE):
        await publisher.publish(SUFFIX, [(each.id.encode(), message(each)) for each in some])
        await dead_letters.published(connection, [each.id for each in some])
        count += len(some)
    if count:
        log.info("dead letters published", log=topic, letters=count)
    return count


def message(letter: StoredDeadLetter) -> bytes:
    """Return a letter as JSON; its payload, which may be any bytes, in Base64, or null when it is too large."""
    return _encoder.encode(
        {
            "id": letter.id,
            "tenant_id": letter.tenant_id,
            "topic": letter.topic,
            "partition": letter.partition,
            "offset": letter.offset,
            "index": letter.index,
            "events": letter.events,
            "reason": letter.reason,
            "detail": letter.detail,
            "metric_id": letter.metric_id,
            "transaction_id": letter.transaction_id,
            "at": letter.at,
            "payload": letter.payload if len(letter.payload) <= PAYLOAD_MAX else None,
            "payload_bytes": len(letter.payload),
        }
    )
