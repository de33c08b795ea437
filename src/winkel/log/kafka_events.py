"""Somebody else's topic, in which each message is one event in JSON, as a log that is only read.

Outside producers need to know nothing of Winkel: a message's value is an event as /v1/ingest takes it. Two things are
theirs to keep, for a repeat to be found out: messages have the transaction id as their key, so that a repeat lands in
the partition of the first, and the number of partitions never changes. The tenant is the one that the topic was given
to, whatever the messages say; the arrival is the message's timestamp.

Many messages become one record, so that hardly anything is done for each of them in Python.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter

from confluent_kafka import Message
from confluent_kafka.admin import AdminClient, OffsetSpec, TopicDescription

from winkel.log.broker import Broker
from winkel.log.fetcher import Fetched, Fetcher, time_of
from winkel.log.kafka import KafkaLog, admin_of, describe
from winkel.log.log import Messages, Newest, NewRecord, Place, Record
from winkel.model.errors import ReplacedError, UnavailableError

DAY_MILLISECONDS = 86_400_000
MESSAGES_AT_ONCE = 10_000
"""The most that are taken from the client: each time the thread that does so waits for its turn to run Python."""
MESSAGES_MAX = 2_000
"""The most messages of a record: with fewer, what is done for each record counts; more do not fit a core's cache."""

AHEAD_BYTES = 12 * 1024 * 1024
"""How many bytes may wait for their readers: what waits longer has left the processor's cache when it is decoded."""
AHEAD_EVENTS = 60_000
"""How many events may."""


class EventTopic(KafkaLog):
    """A `Log` over a topic of plain events, all of one tenant. Make it with `of`."""

    def __init__(
        self, broker: Broker, admin: AdminClient, described: TopicDescription, secret: bytes, tenant_id: int
    ) -> None:
        super().__init__(broker, admin, described, secret)
        self._tenant_id = tenant_id

    @classmethod
    async def of(cls, broker: Broker, tenant_id: int, secret: bytes) -> "EventTopic":
        """Open a topic that exists. Raises `UnavailableError` when the brokers do not answer or have no such topic."""
        admin = admin_of(broker)
        described = await describe(broker, admin)
        if described is None:
            raise UnavailableError(f"Kafka at {broker.servers} has no topic {broker.topic}: make it, or name another")
        return cls(broker, admin, described, secret, tenant_id)

    @property
    def space(self) -> str:
        """Which logs share a memory of event identities: none, because its partitions are not chosen by our routing."""
        return self.name

    async def append(self, records: Sequence[NewRecord]) -> None:  # noqa: ARG002 (the protocol has it)
        """Refuse: only its own producers write to it."""
        raise UnavailableError(f"the topic {self._broker.topic} is only read: send events to Winkel's API")

    async def grow(self, partitions: int) -> None:
        """Refuse, unless it has as many: its keys would move to other partitions, and repeats would be counted."""
        if partitions > self.partitions:
            raise UnavailableError(f"the topic {self._broker.topic} is not ours to change")

    async def refresh(self) -> None:
        """Look whether the topic is still the one that it was. Raises `ReplacedError` also when it has grown."""
        before = self.partitions
        await super().refresh()
        if self.partitions != before:
            raise ReplacedError(
                f"the topic {self._broker.topic} had {before} partitions and has {self.partitions} now: a repeat may "
                f"come by another partition than its first. Make a new topic and let it be read instead"
            )

    async def trim(self, before: datetime, positions: Sequence[int]) -> int:  # noqa: ARG002 (the protocol has them)
        """Leave everything: how long messages are kept is for the topic's owner to say."""
        return 0

    async def newest(
        self,
        tenant_id: int,  # noqa: ARG002
        *,
        before: Place | None,  # noqa: ARG002
        limit: int,  # noqa: ARG002
    ) -> Newest:
        """Return nothing: its owner has tools to look at it."""
        return Newest([], None)

    async def read(self, partition: int, offset: int, *, events: int, wait_seconds: float) -> Sequence[Record]:
        """Return records of many messages each. At the end of an open transaction there is nothing to wait for."""
        found = await super().read(partition, offset, events=events, wait_seconds=max(wait_seconds, 0.001))
        if found or wait_seconds > 0:
            return found
        (end,) = await self._offsets({partition: OffsetSpec.latest()})
        return [] if end <= offset else await super().read(partition, offset, events=events, wait_seconds=1.0)

    def _fetching(self) -> Fetcher:
        return EventFetcher(self._broker, self._tenant_id)


class EventFetcher(Fetcher):
    """Packs what the consumer hands out into records of many messages."""

    isolation = "read_committed"  # what a transaction of the producers took back never happened
    at_once = MESSAGES_AT_ONCE
    ahead_bytes, ahead_events = AHEAD_BYTES, AHEAD_EVENTS

    def __init__(self, broker: Broker, tenant_id: int) -> None:
        self._tenant_id = tenant_id
        super().__init__(broker)

    def _sort(self, messages: list[Message]) -> None:
        """Put runs of messages into the buffers; the others, which say that something is the case, one by one."""
        errors = list(map(Message.error, messages))
        good = set(map(type, errors)) == {type(None)}  # what the client calls an error cannot be compared with None
        data = messages if good else [each for each, error in zip(messages, errors, strict=True) if error is None]
        changed: set[int] = set()
        start = 0
        for partition, same in groupby(map(Message.partition, data)):
            run = data[start : (start := start + len(list(same)))]
            with self._lock:
                fetched = None if partition is None else self._reader_of(partition)
                if partition is not None and fetched is not None:
                    self._add_run(partition, fetched, run)
                    changed.add(partition)
        self._tell(changed)
        if not good:
            super()._sort([each for each, error in zip(messages, errors, strict=True) if error is not None])

    def _add_run(self, partition: int, fetched: Fetched, run: list[Message]) -> None:
        """Add messages that follow each other, by the day of their arrival."""
        if run[0].offset() != fetched.buffer.end:
            self._add(partition, fetched, run.pop(0))  # a gap, or what is there already
        if not run or run[0].offset() != fetched.buffer.end:
            return
        for part in _by_day(run):
            for start in range(0, len(part), MESSAGES_MAX):
                fetched.buffer.add(self._packed(partition, part[start : start + MESSAGES_MAX]))

    def _opened(self, message: Message, partition: int) -> Record:
        return self._packed(partition, [message])

    def _packed(self, partition: int, run: list[Message]) -> Record:
        """Return messages as one record that ends where the last one does and arrived with it."""
        first, last = run[0].offset(), run[-1].offset()
        assert first is not None, "what was fetched has a place"
        assert last is not None, "what was fetched has a place"
        span = last - first + 1
        offsets = [(each.offset() or 0) - first for each in run] if span != len(run) else []
        values: list[bytes] = list(filter(None, map(Message.value, run)))
        if len(values) < len(run):
            values = [each.value() or b"" for each in run]
        return Record(
            self._tenant_id, partition, first, len(run), 1, time_of(run[-1]), Messages.of(values, offsets), span
        )


def _by_day(run: list[Message]) -> list[list[Message]]:
    """Return messages cut where their day (UTC) changes: deduplication is by arrival day."""
    times = list(map(Message.timestamp, run))
    (kind, low), (other, high) = min(times), max(times)
    if kind == other and low // DAY_MILLISECONDS == high // DAY_MILLISECONDS:
        return [run]
    days = [milliseconds // DAY_MILLISECONDS for _, milliseconds in times]
    numbered = groupby(zip(days, run, strict=True), key=itemgetter(0))
    return [[message for _, message in part] for _, part in numbered]
