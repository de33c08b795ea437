"""The log as a topic of Kafka: for everything that one machine can't carry.

A record is one message. Kafka's offsets are ours; its clock is the arrival (`LogAppendTime`). Messages are produced
by an idempotent producer to every in-sync replica, with the partition that the routing chose. Consumer groups say who
meters what, nothing more: positions are kept in the database, with what they stand for. (One more group says whose the
topic is: log/kafka_claim.py.)
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, TypeVar

import msgspec
import structlog
from confluent_kafka import (
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
    TopicPartitionInfo,
)
from confluent_kafka.admin import (
    AdminClient,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    TopicDescription,
)

from winkel.log import envelope
from winkel.log.broker import REQUEST_SECONDS, Broker, error_of
from winkel.log.fetcher import Fetcher
from winkel.log.kafka_claim import RENEW_SECONDS, claim
from winkel.log.kafka_group import KafkaGroup
from winkel.log.log import Bounds, Newest, NewRecord, Place, Record
from winkel.log.look_back import LookBack
from winkel.log.membership import Membership
from winkel.log.sender import MESSAGE_BYTES_MAX, Sender, produce
from winkel.model.errors import ConflictError, ReplacedError, UnavailableError
from winkel.model.period import EPOCH

T = TypeVar("T")

SETTINGS = {
    "cleanup.policy": "delete",
    "message.timestamp.type": "LogAppendTime",
    "retention.bytes": "-1",
    "retention.ms": "-1",
}
"""What the topic must be like: nothing goes before it was metered (`trim` does that), and the broker's clock counts."""
GROWN_SECONDS = 15.0
"""How long new partitions may take to have a leader."""
LOOK_SECONDS = 0.05
REST_SECONDS = 1.0
"""The longest pause between two questions to brokers that are electing a leader."""
log = structlog.get_logger(__name__)

METADATA_SECONDS = 2.0
"""How often to ask which brokers there are: whoever asks one that is dead waits until it knows better."""
_MILLISECOND = timedelta(milliseconds=1)
_ELECTING = {
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.UNKNOWN_TOPIC_OR_PART,  # a broker that has not heard of a new partition yet
}


class KafkaLog:
    """A `Log` in a topic. Make it with `open`."""

    def __init__(self, broker: Broker, admin: AdminClient, described: TopicDescription, secret: bytes) -> None:
        self._broker = broker
        self._admin = admin
        self._topic_id = str(described.topic_id)
        self._partitions = len(described.partitions)
        self._secret = secret
        self._sender = Sender(broker)
        self._fetcher: Fetcher | None = None
        self._back = LookBack(broker)
        self._owner = ""
        self._claimed = 0.0

    @classmethod
    async def find(cls, broker: Broker, secret: bytes) -> "KafkaLog | None":
        """Open the log if its topic is there; None: it is not. `secret` and what it raises are those of `open`."""
        admin = admin_of(broker)
        described = await describe(broker, admin)
        if described is None:
            return None
        await _check(broker, admin)
        return cls(broker, admin, described, secret)

    @classmethod
    async def open(cls, broker: Broker, partitions: int, secret: bytes) -> "KafkaLog":
        """Open the log; the first time, make the topic with so many partitions.

        `secret` is that of the home database: who moves from one log to another keeps the identities of events. Raises
        `UnavailableError` when the brokers do not answer or the topic has settings by which events could be lost.
        """
        if partitions < 1:
            raise ValueError(f"a log needs at least one partition, not {partitions}")
        found = await cls.find(broker, secret)
        if found is not None:
            return found
        admin = admin_of(broker)
        await _create(broker, admin, partitions)
        described = await _led(broker, admin, 1)
        await _check(broker, admin)
        opened = cls(broker, admin, described, secret)
        await opened.bounds()  # a leader that answers this takes messages too
        return opened

    async def claim(self, owner: str) -> None:
        """Have the topic for one installation, for as long as it is open; raises as `kafka_claim.claim` does."""
        await claim(self._broker, owner)
        self._owner, self._claimed = owner, monotonic()

    @property
    def name(self) -> str:
        """Under which name positions in this log are kept: a topic that is made anew has offsets from 0 again."""
        return f"{self._broker.topic}@{self._topic_id}"

    @property
    def space(self) -> str:
        """Which logs share a memory of event identities: the one in PostgreSQL as well."""
        return "events"

    @property
    def partitions(self) -> int:
        """How many partitions there are."""
        return self._partitions

    @property
    def secret(self) -> bytes:
        """The key of event identities."""
        return self._secret

    async def append(self, records: Sequence[NewRecord]) -> None:
        """Produce all records and wait for every delivery report."""
        for record in records:
            self._check(record.partition)
        if records:
            await self._sender.send([(record.partition, envelope.seal(record)) for record in records])

    async def read(self, partition: int, offset: int, *, events: int, wait_seconds: float) -> Sequence[Record]:
        """Return whole records from `offset` on until `events` events are reached."""
        self._check(partition)
        fetcher = await self._reading()
        found = await fetcher.read(partition, offset, events=events, until=monotonic() + wait_seconds)
        if found or wait_seconds > 0:
            return found
        # Nothing was fetched yet; whether nothing is there, the broker knows.
        (end,) = await self._offsets({partition: OffsetSpec.latest()})
        if end <= offset:
            return []
        found = await fetcher.read(partition, offset, events=events, until=monotonic() + REQUEST_SECONDS)
        if not found:
            raise UnavailableError(f"{self._broker} does not hand out offset {offset} of partition {partition}")
        return found

    async def bounds(self) -> Sequence[Bounds]:
        """Return where each partition begins and ends now."""
        every = range(self._partitions)
        starts, ends = await asyncio.gather(
            self._offsets({each: OffsetSpec.earliest() for each in every}),
            self._offsets({each: OffsetSpec.latest() for each in every}),
        )
        return [Bounds(start, max(start, end)) for start, end in zip(starts, ends, strict=True)]

    async def grow(self, partitions: int) -> None:
        """Have at least so many partitions, and wait until each has a leader."""
        await self.refresh()
        if partitions <= self._partitions:
            return
        wanted = [NewPartitions(self._broker.topic, partitions)]
        try:
            await self._broker.answers(self._admin.create_partitions(wanted, request_timeout=REQUEST_SECONDS).values())
        except UnavailableError as error:
            if _code(error) != KafkaError.INVALID_PARTITIONS:  # somebody was quicker
                raise
        self._learn(await _led(self._broker, self._admin, partitions))
        await self.bounds()  # a leader that answers this takes messages too

    async def refresh(self) -> None:
        """Learn of partitions that somebody else made. Raises `ReplacedError` when the topic was made anew."""
        described = await describe(self._broker, self._admin)
        if described is None or str(described.topic_id) != self._topic_id:
            raise ReplacedError(f"the topic {self._broker.topic} was deleted: restart Winkel with the one to use")
        self._learn(described)
        if self._owner and monotonic() - self._claimed > RENEW_SECONDS:
            await self._claim_again()

    async def trim(self, before: datetime, positions: Sequence[int]) -> int:
        """Drop records up to the first that is not older than an instant or that its partition's position is at."""
        instant = -((EPOCH - before) // _MILLISECOND)  # the broker's clock ticks in milliseconds; rounded up
        bounds = await self.bounds()
        young = await self._offsets({each: OffsetSpec.for_timestamp(max(0, instant)) for each in range(len(bounds))})
        wanted = {}
        for partition, (bound, first, position) in enumerate(zip(bounds, young, positions, strict=False)):
            until = min(position, bound.end if first < 0 else first)
            if until > bound.start:
                wanted[partition] = until
        places = [self._place(partition, until) for partition, until in wanted.items()]
        if not places:
            return 0
        await self._insist(lambda: self._admin.delete_records(places, request_timeout=REQUEST_SECONDS))
        if self._fetcher is not None:
            self._fetcher.forget()
        return sum(until - bounds[partition].start for partition, until in wanted.items())

    async def newest(self, tenant_id: int, *, before: Place | None, limit: int) -> Newest:
        """Look through the topic backwards."""
        spec = OffsetSpec.latest()
        if before is not None:
            spec = OffsetSpec.for_timestamp(max(0, (before.at - EPOCH) // _MILLISECOND + 1))
        bounds = await self.bounds()
        ends = await self._offsets(dict.fromkeys(range(len(bounds)), spec))
        windows = [
            Bounds(bound.start, bound.end if end < 0 else min(end, bound.end))
            for bound, end in zip(bounds, ends, strict=True)
        ]
        return await self._back.newest(windows, tenant_id, before, limit)

    async def publish(self, suffix: str, messages: Sequence[tuple[bytes, bytes]]) -> None:
        """Produce (key, value) messages to a topic beside the log's, of one partition, made when it is not there."""
        beside = msgspec.structs.replace(self._broker, topic=f"{self._broker.topic}-{suffix}")
        if await describe(beside, self._admin) is None:
            await _create(beside, self._admin, 1)
            await _led(beside, self._admin, 1)
        await produce(beside, messages)

    def join(self) -> Membership:
        """Become a member of the group whose members meter this log."""
        return KafkaGroup(self._broker)

    async def close(self) -> None:
        """Let go of all connections, after sending what is under way."""
        await self._sender.close()
        await self._back.close()
        if self._fetcher is not None:
            await self._fetcher.close()

    async def _claim_again(self) -> None:
        """Renew the claim; when the brokers do not answer, an hour later. Raises `ReplacedError` when it is lost."""
        try:
            await self.claim(self._owner)
        except ConflictError as error:
            raise ReplacedError(str(error)) from error
        except UnavailableError as error:
            self._claimed = monotonic()
            log.warning("the claim of the topic was not renewed", reason=str(error))

    async def _reading(self) -> Fetcher:
        failed = self._fetcher
        if failed is not None and failed.failed:
            self._fetcher = None  # before we wait: others may come meanwhile, and one new one is enough
            await failed.close()
        if self._fetcher is None:
            self._fetcher = self._fetching()
        return self._fetcher

    def _fetching(self) -> Fetcher:
        return Fetcher(self._broker)

    async def _offsets(self, wanted: Mapping[int, OffsetSpec]) -> list[int]:
        """Return the offsets that are asked for by partition, in that order; −1 where there is none."""
        asked = {self._place(partition): spec for partition, spec in wanted.items()}
        found = await self._insist(
            lambda: self._admin.list_offsets(
                asked, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=REQUEST_SECONDS
            )
        )
        by_partition = {place.partition: answer.offset for place, answer in found.items()}
        return [by_partition[partition] for partition in wanted]

    async def _insist(self, ask: Callable[[], Mapping[TopicPartition, Future[T]]]) -> dict[TopicPartition, T]:
        """Ask the leaders of partitions something, again while leaders are being elected. Raises `UnavailableError`."""
        until, pause = monotonic() + REQUEST_SECONDS, LOOK_SECONDS
        while True:
            futures = ask()
            try:
                return dict(zip(futures, await self._broker.answers(futures.values()), strict=True))
            except UnavailableError as error:
                if _code(error) not in _ELECTING or monotonic() > until:
                    raise
            # Brokers that are electing are busy, and all of a fleet asks them: ask less and less often.
            await asyncio.sleep(pause)
            pause = min(2 * pause, REST_SECONDS)

    def _learn(self, described: TopicDescription) -> None:
        self._partitions = max(self._partitions, len(described.partitions))

    def _place(self, partition: int, offset: int = -1001) -> TopicPartition:
        return TopicPartition(self._broker.topic, partition, offset)

    def _check(self, partition: int) -> None:
        if not 0 <= partition < self._partitions:
            raise IndexError(f"the log has no partition {partition}, only 0…{self._partitions - 1}")


def admin_of(broker: Broker) -> AdminClient:
    """Return a client that asks about topics. Raises `ValueError` when the operator's settings do not fit."""
    try:
        return AdminClient(broker.client(topic_metadata_refresh_interval_ms=int(METADATA_SECONDS * 1000)))
    except KafkaException as error:
        raise ValueError(f"the settings of the Kafka client do not fit: {error_of(error).str()}") from None


async def describe(broker: Broker, admin: AdminClient) -> TopicDescription | None:
    """Return what the cluster says of the topic; None: there is none."""
    future = admin.describe_topics(TopicCollection([broker.topic]), request_timeout=REQUEST_SECONDS)[broker.topic]
    try:
        described: TopicDescription = await broker.answer(future)
    except UnavailableError as error:
        if _code(error) == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return None
        raise
    return described


async def _create(broker: Broker, admin: AdminClient, partitions: int) -> None:
    """Make the topic, replicated as the brokers do by default, unless somebody is quicker."""
    wanted = NewTopic(
        broker.topic,
        num_partitions=partitions,
        replication_factor=-1,
        config={**SETTINGS, "max.message.bytes": str(MESSAGE_BYTES_MAX)},
    )
    try:
        await broker.answers(admin.create_topics([wanted], request_timeout=REQUEST_SECONDS).values())
        log.info("topic made", topic=broker.topic, partitions=partitions)
    except UnavailableError as error:
        if _code(error) != KafkaError.TOPIC_ALREADY_EXISTS:
            raise


async def _led(broker: Broker, admin: AdminClient, partitions: int) -> TopicDescription:
    """Wait until at least so many partitions are there and each has a leader."""
    until = monotonic() + GROWN_SECONDS
    while True:
        described = await describe(broker, admin)
        found = described.partitions if described is not None else []
        if described is not None and len(found) >= partitions and all(_is_led(each) for each in found):
            return described
        if monotonic() > until:
            raise UnavailableError(f"{broker} has no leader for each of {partitions} partitions yet")
        await asyncio.sleep(LOOK_SECONDS)


def _is_led(partition: TopicPartitionInfo) -> bool:
    return partition.leader is not None and partition.leader.id >= 0


async def _check(broker: Broker, admin: AdminClient) -> None:
    """Refuse a topic that somebody made otherwise than we would, if events could be lost or wrongly dated."""
    resource = ConfigResource(ConfigResource.Type.TOPIC, broker.topic)
    (future,) = admin.describe_configs([resource], request_timeout=REQUEST_SECONDS).values()
    found: dict[str, Any] = await broker.answer(future)
    wrong = [f"{name}={value}" for name, value in SETTINGS.items() if name in found and found[name].value != value]
    if wrong:
        raise UnavailableError(f"the topic {broker.topic} is not fit to be the log: set {', '.join(wrong)} on it")


def _code(error: UnavailableError) -> int | None:
    """Return what the broker answered, if it answered."""
    return error_of(error.__cause__).code() if isinstance(error.__cause__, KafkaException) else None
