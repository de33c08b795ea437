"""A meter's place in a consumer group of Kafka (KIP-848): the group says which partitions are whose.

The member's consumer is subscribed to the topic, but everything it is assigned is paused at once: records are read by
`log/fetcher.py`, from the offsets that the database knows. What the group keeps as committed offsets is a copy for
tools that show lag.
"""

import asyncio
import threading
from collections.abc import Collection, Mapping
from time import monotonic, sleep

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from winkel.log.broker import Broker, reason
from winkel.model.errors import UnavailableError

POLL_SECONDS = 0.1
SILENT_SECONDS = 10.0
"""A member whose worker asked nothing for so long stops polling, and the group expels it as long after that."""
log = structlog.get_logger(__name__)


class KafkaGroup:
    """A `Membership` of the group `winkel-meter.<topic>`."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._lock = threading.Lock()
        self._given: set[int] = set()
        self._positions: dict[int, int] = {}
        """What the group has not been shown yet."""
        self._asked = monotonic()
        self._failure: Exception | None = None
        self._closing = False
        self._enter()

    def _enter(self) -> None:
        """Ask to become a member; the thread does the rest."""
        self._consumer = Consumer(
            self._broker.client(
                group_id=f"winkel-meter.{self._broker.topic}",
                group_protocol="consumer",
                enable_auto_commit=False,
                auto_offset_reset="latest",
                max_poll_interval_ms=int(SILENT_SECONDS * 1000),
                queued_max_messages_kbytes=1024,
            )
        )
        self._consumer.subscribe([self._broker.topic], on_assign=self._gain, on_revoke=self._lose, on_lost=self._lose)
        self._thread = threading.Thread(target=self._run, name="winkel-kafka-group", daemon=True)
        self._thread.start()

    async def assigned(self) -> Collection[int] | None:
        """Return the partitions that the group has given to this member."""
        with self._lock:
            self._asked = monotonic()
            failure, self._failure = self._failure, None
            given = frozenset(self._given)
        if failure is not None:
            self._enter()
            raise UnavailableError(f"the consumer group of {self._broker} is out of reach: {failure}")
        return given

    def show(self, positions: Mapping[int, int]) -> None:
        """Say how far partitions are metered; the thread passes it on."""
        with self._lock:
            self._positions.update(positions)

    async def leave(self) -> None:
        """Leave the group; whoever stays gets the partitions."""
        self._closing = True
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        failure = None
        try:
            self._poll()
        except Exception as error:  # noqa: BLE001 (whoever asks next raises it)
            failure = error
        try:
            self._consumer.close()
        finally:
            # Only now may another consumer be made (`assigned`): what that one is given, nothing here may take away.
            with self._lock:
                self._given = set()
                self._failure = failure

    def _poll(self) -> None:
        """Take part in the group until we leave it. Raises `KafkaException` when this consumer can't any more."""
        while not self._closing:
            if monotonic() - self._asked > SILENT_SECONDS:
                sleep(POLL_SECONDS)
                continue
            message = self._consumer.poll(POLL_SECONDS)
            error = message.error() if message is not None else None
            if error is not None and error.fatal():
                raise KafkaException(error)
            if error is not None:
                log.warning("consumer group", reason=reason(error))
            self._show()

    def _show(self) -> None:
        """Commit positions to the group. In this thread: beside a poll it would wait for that, as long as it takes."""
        with self._lock:
            positions, self._positions = self._positions, {}
            places = [TopicPartition(self._broker.topic, *each) for each in positions.items() if each[0] in self._given]
        if places:
            try:
                self._consumer.commit(offsets=places, asynchronous=True)
            except KafkaException as error:
                log.debug("positions not shown to the group", reason=reason(error))

    def _gain(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        consumer.incremental_assign(places)
        consumer.pause(places)
        with self._lock:
            self._given |= {each.partition for each in places}

    def _lose(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        """Take note that the group gives partitions to others, be it that it has expelled us.

        It need not wait for the worker: that meters on until the next owner takes them from it.
        """
        with self._lock:
            self._given -= {each.partition for each in places}
        consumer.incremental_unassign(places)
