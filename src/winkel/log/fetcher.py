"""Reads from Kafka: one consumer, one thread that polls it, and a bounded buffer for each partition that is read.

The thread fills the buffers, readers empty them; the one lock guards the buffers and what the thread should do next.
Partitions are assigned with the offset that a reader asked for, never by a group, and Kafka keeps no position of ours.
A partition whose buffer is full is paused until most of it was read.
"""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from time import monotonic

import structlog
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, KafkaException, Message, TopicPartition

from winkel.log import codec, envelope
from winkel.log.broker import REQUEST_SECONDS, Broker, reason
from winkel.log.buffer import Buffer
from winkel.log.log import Record, ended_early
from winkel.model.batch import EventBlock
from winkel.model.errors import UnavailableError
from winkel.model.period import EPOCH
from winkel.model.usage import NOBODY

AHEAD_BYTES = 64 * 1024 * 1024
"""How many bytes may wait for their readers, all partitions together."""
AHEAD_EVENTS = 1_000_000
"""How many events may."""
LEAST_BYTES = 2 * 1024 * 1024
"""A partition may have so many bytes waiting, however many partitions there are."""
RESUME = 4
"""A partition that was paused is fetched again when only this part of what may wait does: pausing has its price."""
POLL_SECONDS = 0.01
"""How long the thread may be late in noticing that somebody reads elsewhere."""
IDLE_SECONDS = 10.0
"""A partition that nobody read for so long is not fetched any more."""
RETRY_SECONDS = 0.5
MORE_SECONDS = 0.5
"""How long a read that has a record waits for others that the broker is known to have."""
MESSAGES_AT_ONCE = 500
log = structlog.get_logger(__name__)

_MILLISECOND = timedelta(milliseconds=1)
_NOTHING = codec.encode(EventBlock(NOBODY, b"", b"", b"", (), b"", (), b"", (), (), b"", b""))
_LOST_PLACE = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._LOG_TRUNCATION}  # noqa: SLF001


class Fetched:
    """One partition that is read: its buffer, and how the consumer stands to it."""

    def __init__(self, offset: int) -> None:
        self.buffer = Buffer(offset)
        self.assigned = False
        """Whether the consumer fetches it, from the end of the buffer on."""
        self.paused = False
        self.due = 0.0
        """When to begin, on a monotonic clock."""
        self.gone: int | None = None
        """Where the partition begins, if that is behind what was asked for."""
        self.suspect = -1
        """Where a gap was seen; it is believed when a second fetch has it too."""
        self.ends = offset
        """Where the partition ends, as far as the consumer knows."""
        self.read_at = monotonic()


class Fetcher:
    """The reading side of one log, for one event loop. The thread starts with it."""

    # A transaction of somebody else that hangs must not stop us; `bounds` counts the same way.
    isolation = "read_uncommitted"
    at_once = MESSAGES_AT_ONCE
    ahead_bytes = AHEAD_BYTES
    ahead_events = AHEAD_EVENTS

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._fetched: dict[int, Fetched] = {}
        self._left: set[int] = set()
        """Partitions that the consumer has and should not have, or should have from another offset on."""
        self._waiting: dict[int, set[asyncio.Future[None]]] = defaultdict(set)
        self._failure: Exception | None = None
        self._closing = False
        self._consumer = Consumer(configuration(broker, offset_reset="error", isolation=self.isolation))
        self._thread = threading.Thread(target=self._run, name="winkel-kafka-fetcher", daemon=True)
        self._thread.start()

    @property
    def failed(self) -> bool:
        """Whether the thread has ended and another fetcher is needed."""
        return self._failure is not None

    async def read(self, partition: int, offset: int, *, events: int, until: float) -> list[Record]:
        """Return whole records from an offset on until `events` events are reached; none at `until` (monotonic).

        Raises `LookupError` for an offset before the beginning and `UnavailableError` when the consumer failed.
        """
        patience = 0.0
        while True:
            with self._lock:
                if self._failure is not None:
                    raise UnavailableError(f"reading from {self._broker} failed: {self._failure}")
                fetched = self._at(partition, offset)
                found = fetched.buffer.look(offset, events)
                patience = patience or (monotonic() + MORE_SECONDS if found else 0.0)
                if found and (monotonic() >= patience or self._is_all(fetched, found, events)):
                    fetched.buffer.drop(found[-1].next_offset)
                    return found
            left = (patience or until) - monotonic()
            if left <= 0:
                return []
            await self._change(partition, left)

    def forget(self) -> None:
        """Read everything anew: what was fetched may have been dropped."""
        with self._lock:
            self._left |= {partition for partition, each in self._fetched.items() if each.assigned}
            self._fetched.clear()

    async def close(self) -> None:
        """End the thread and leave the brokers."""
        self._closing = True
        await asyncio.to_thread(self._thread.join)

    def _at(self, partition: int, offset: int) -> Fetched:
        """Return what is fetched of a partition; the thread turns to this offset if that was elsewhere."""
        fetched = self._fetched.get(partition)
        if fetched is None or not fetched.buffer.covers(offset):
            if fetched is not None and fetched.assigned:
                self._left.add(partition)
            fetched = self._fetched[partition] = Fetched(offset)
        fetched.read_at = monotonic()
        if fetched.gone is not None:
            del self._fetched[partition]
            raise LookupError(f"partition {partition} begins at {fetched.gone}: offset {offset} is gone")
        return fetched

    def _is_all(self, fetched: Fetched, found: Sequence[Record], events: int) -> bool:
        """Whether a read need not wait for more: it has enough, nothing more comes, or the broker has no more."""
        if ended_early(found, events) or fetched.paused:
            return True
        return found[-1].next_offset >= fetched.ends

    def _bytes_each(self) -> int:
        return max(LEAST_BYTES, self.ahead_bytes // max(1, len(self._fetched)))

    async def _change(self, partition: int, seconds: float) -> None:
        """Wait until something has happened to a partition, at most so long."""
        future = self._loop.create_future()
        self._waiting[partition].add(future)
        try:
            await asyncio.wait([future], timeout=seconds)
        finally:
            self._waiting[partition].discard(future)

    def _wake(self, partitions: Iterable[int]) -> None:
        for partition in partitions:
            for future in self._waiting[partition]:
                if not future.done():
                    future.set_result(None)

    # ── The thread ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        known = 0
        self._has: set[int] = set()  # what the consumer is assigned; only this thread looks at it
        try:
            while not self._closing:
                with self._lock:
                    highest = max(self._fetched, default=-1)
                if highest >= known:
                    known = self._look()
                self._steer()
                message = self._consumer.poll(POLL_SECONDS)
                if message is not None:
                    messages = [message, *self._consumer.consume(self.at_once, 0)]
                    self._note_ends(set(map(Message.partition, messages)))
                    self._sort(messages)
        except Exception as error:  # noqa: BLE001 (every reader raises it)
            self._failure = error
        finally:
            self._consumer.close()
            self._tell(list(self._waiting))

    def _look(self) -> int:
        """Learn of the topic's partitions; return how many there are."""
        topics = self._consumer.list_topics(self._broker.topic, timeout=REQUEST_SECONDS).topics
        return len(topics[self._broker.topic].partitions)

    def _steer(self) -> None:
        """Have the consumer fetch what is read, from where it is read, and nothing that is full."""
        with self._lock:
            now = monotonic()
            for partition in [each for each, of in self._fetched.items() if now - of.read_at > IDLE_SECONDS]:
                if self._fetched.pop(partition).assigned:
                    self._left.add(partition)
            left, self._left = self._left, set()
            begin = [each for each in self._fetched.items() if not each[1].assigned and each[1].due <= now]
            for _, fetched in begin:
                fetched.assigned = True
            pause, resume = self._full()
        if left & self._has:
            self._consumer.incremental_unassign([self._place(each) for each in left & self._has])
            self._has -= left
        if begin:
            places = [self._place(partition, fetched.buffer.end) for partition, fetched in begin]
            self._consumer.incremental_assign(places)
            self._consumer.resume(places)  # a pause may outlive an assignment
            self._has |= {partition for partition, _ in begin}
        if pause:
            self._consumer.pause([self._place(each) for each in pause])
        if resume:
            self._consumer.resume([self._place(each) for each in resume])

    def _full(self) -> tuple[list[int], list[int]]:
        """Return the partitions to pause and those to resume."""
        size, events = self._bytes_each(), max(1, self.ahead_events // max(1, len(self._fetched)))
        pause, resume = [], []
        for partition, fetched in self._fetched.items():
            fill = max(fetched.buffer.bytes / size, fetched.buffer.events / events)
            if fetched.assigned and not fetched.paused and fill >= 1:
                fetched.paused = True
                pause.append(partition)
            elif fetched.paused and fill <= 1 / RESUME:
                fetched.paused = False
                resume.append(partition)
        return pause, resume

    def _note_ends(self, partitions: Iterable[int | None]) -> None:
        """Take note of how far the partitions go whose messages came; another thread would have to wait for a poll."""
        for partition in partitions:
            if partition is None or partition < 0:
                continue
            bounds = self._consumer.get_watermark_offsets(self._place(partition), cached=True)
            with self._lock:
                fetched = self._fetched.get(partition)
                if fetched is not None and bounds is not None:
                    fetched.ends = bounds[1]

    def _sort(self, messages: list[Message]) -> None:
        """Put messages into the buffers, and wake those who wait for them."""
        changed: set[int] = set()
        for message in messages:
            partition = message.partition()
            if partition is None or partition < 0:
                continue  # of the whole consumer, which has told `Complaints` and tries on
            error = message.error()
            failed = error is not None and error.code() != KafkaError._PARTITION_EOF  # noqa: SLF001 (a public name)
            with self._lock:
                fetched = self._reader_of(partition)
                if fetched is None:
                    continue
                if not failed:
                    self._add(partition, fetched, message)
            if failed and error is not None:
                self._stumble(partition, fetched, error)
            changed.add(partition)
        self._tell(changed)

    def _reader_of(self, partition: int) -> Fetched | None:
        """Return for whom something was fetched; None: somebody reads elsewhere by now. Call it with the lock."""
        fetched = self._fetched.get(partition)
        return None if partition in self._left or fetched is None or not fetched.assigned else fetched

    def _add(self, partition: int, fetched: Fetched, message: Message) -> None:
        """Add a record, or the knowledge that there is none, to the buffer."""
        buffer, offset = fetched.buffer, message.offset()
        assert offset is not None, "what was fetched has a place"
        at = time_of(message)
        if offset > buffer.end:
            if fetched.suspect != buffer.end:  # a gap would be events lost, if the client were mistaken: look again
                fetched.suspect = buffer.end
                fetched.assigned = fetched.paused = False
                self._left.add(partition)
                return
            buffer.add(gap(partition, buffer.end, offset, at))
        if message.error() is None and offset == buffer.end:
            buffer.add(self._opened(message, partition))

    def _opened(self, message: Message, partition: int) -> Record:
        """Return the record that a message is."""
        offset = message.offset()
        assert offset is not None, "what was fetched has a place"
        return envelope.opened(message.value(), partition, offset, time_of(message))

    def _stumble(self, partition: int, fetched: Fetched, error: KafkaError) -> None:
        """Find out whether what a reader waits for is gone; otherwise fetch it anew in a moment."""
        begins = -1
        if error.code() in _LOST_PLACE:
            with suppress(KafkaException):
                begins, ends = self._consumer.get_watermark_offsets(self._place(partition), timeout=REQUEST_SECONDS)
                if fetched.buffer.end > ends:
                    log.error(
                        "a partition ends before what was read of it: brokers have lost records",
                        partition=partition, ends=ends, read_to=fetched.buffer.end,
                    )  # fmt: skip
        else:
            log.warning("reading from Kafka; trying again", partition=partition, reason=reason(error))
        with self._lock:
            if begins > fetched.buffer.end:
                fetched.gone = begins
            fetched.assigned = fetched.paused = False
            fetched.due = monotonic() + RETRY_SECONDS
            self._left.add(partition)

    def _place(self, partition: int, offset: int = -1001) -> TopicPartition:
        return TopicPartition(self._broker.topic, partition, offset)

    def _tell(self, partitions: Iterable[int]) -> None:
        with suppress(RuntimeError):  # the event loop is gone, and with it all who wait
            self._loop.call_soon_threadsafe(self._wake, partitions)


def gap(partition: int, start: int, end: int, at: datetime) -> Record:
    """Return a record of no events that stands for offsets without one: control records, and what was compacted."""
    return Record(NOBODY, partition, start, 0, 0, at, _NOTHING, end - start)


def time_of(message: Message) -> datetime:
    """Return when the broker appended a message, to the millisecond; or its producer's time, but none to come.

    A producer whose clock is ahead would make us forget what came before.
    """
    kind, milliseconds = message.timestamp()
    if kind == TIMESTAMP_LOG_APPEND_TIME:
        return EPOCH + milliseconds * _MILLISECOND
    now = datetime.now(UTC)
    return EPOCH + min(milliseconds, (now - EPOCH) // _MILLISECOND) * _MILLISECOND if kind else now


def configuration(broker: Broker, *, offset_reset: str, isolation: str = "read_uncommitted") -> dict[str, object]:
    """Return the configuration of a consumer that is assigned partitions by hand."""
    return broker.client(
        group_id=f"winkel-reader.{broker.topic}",  # the client wants a name; nobody joins
        enable_auto_commit=False,
        enable_auto_offset_store=False,
        auto_offset_reset=offset_reset,
        enable_partition_eof=True,
        isolation_level=isolation,
        # How long a request may stay at the broker: no partition can be added to it meanwhile.
        fetch_wait_max_ms=50,
        fetch_error_backoff_ms=50,
        fetch_queue_backoff_ms=10,
        queued_max_messages_kbytes=2048,
    )
