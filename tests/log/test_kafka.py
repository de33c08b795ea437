"""What only the log in Kafka does: foreign messages, gaps, bounded buffers, brokers that are gone, groups."""

import asyncio
import threading
from collections.abc import AsyncIterator
from time import monotonic

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from log.conftest import SECRET, open_log
from support.broker_line import BrokerLine
from winkel.log import fetcher, kafka, kafka_group, look_back, sender
from winkel.log.broker import Broker
from winkel.log.envelope import NOBODY
from winkel.log.kafka import KafkaLog
from winkel.log.log import NewRecord, Place, Record
from winkel.log.membership import Membership
from winkel.model.errors import ConflictError, ReplacedError, TooLargeError, UnavailableError

pytestmark = pytest.mark.anyio


@pytest.fixture
async def log(kafka_url: str) -> AsyncIterator[KafkaLog]:
    """Return an empty log with three partitions."""
    opened = await open_log(kafka_url)
    assert isinstance(opened, KafkaLog)
    yield opened
    await opened.close()


def new(partition: int = 0, data: bytes = b"x", events: int = 1) -> NewRecord:
    return NewRecord(1, partition, events, data)


def foreign(log: KafkaLog, **settings: object) -> Producer:
    """Return a producer that knows nothing of us."""
    return Producer({"bootstrap.servers": log._broker.servers, **settings})


async def everything(log: KafkaLog, partition: int = 0) -> list[Record]:
    found: list[Record] = []
    position, end = 0, (await log.bounds())[partition].end
    while position < end:
        records = await log.read(partition, position, events=1_000_000, wait_seconds=5)
        assert records, "everything up to the end can be read"
        assert records[0].offset == position
        found += records
        position = records[-1].next_offset
    assert position == end
    return found


async def test_a_log_keeps_its_partitions(log: KafkaLog, kafka_url: str) -> None:
    """Who opens it later gets what there is, under the same name, whatever is asked for."""
    again = await KafkaLog.open(Broker.of(kafka_url), 64, SECRET)
    assert (again.partitions, again.name, again.space) == (3, log.name, "events")
    await again.close()
    with pytest.raises(ValueError, match="at least one"):
        await KafkaLog.open(Broker.of(kafka_url), 0, SECRET)


async def test_many_may_open_a_new_log_at_once(kafka_url: str) -> None:
    logs = await asyncio.gather(*[KafkaLog.open(Broker.of(kafka_url), 2, SECRET) for _ in range(4)])
    assert {(each.partitions, each.name) for each in logs} == {(2, logs[0].name)}
    for each in logs:
        await each.close()


async def test_a_topic_that_is_made_anew_is_another_log(log: KafkaLog, kafka_url: str) -> None:
    """Its offsets begin at 0 again: positions in the old one must not be taken for positions in it."""
    log._admin.delete_topics([log._broker.topic])[log._broker.topic].result(10)
    async with asyncio.timeout(20):
        while True:
            try:
                again = await KafkaLog.open(Broker.of(kafka_url), 3, SECRET)
            except UnavailableError:
                continue
            if again.name != log.name:
                break
            await again.close()
    with pytest.raises(UnavailableError, match="deleted"):
        await log.refresh()
    await again.close()


async def test_a_topic_by_which_events_could_be_lost_is_refused(kafka: str, kafka_url: str) -> None:
    """Time must not drop what was not metered, and the arrival must be the broker's."""
    broker = Broker.of(kafka_url)
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(broker.topic, 1)])[broker.topic].result(10)
    with pytest.raises(UnavailableError, match=r"message.timestamp.type=LogAppendTime.*retention.ms=-1"):
        await KafkaLog.open(broker, 1, SECRET)


async def test_a_topic_belongs_to_the_installation_that_came_first(
    log: KafkaLog, kafka_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own processes share it; another installation is refused, and who loses the claim all the same is told."""
    again, other = [await KafkaLog.open(Broker.of(kafka_url), 3, SECRET) for _ in range(2)]
    await asyncio.gather(log.claim("ours"), again.claim("ours"))
    with pytest.raises(ConflictError, match=r"log of another installation.* winkel-installation\.winkel-test"):
        await other.claim("theirs")
    monkeypatch.setattr(kafka, "RENEW_SECONDS", 0.0)
    await log.refresh()
    (gone,) = log._admin.delete_consumer_groups([f"winkel-installation.{log._broker.topic}"]).values()
    gone.result(10)
    await log.refresh()  # whoever has it open renews the claim, should the brokers forget it
    with pytest.raises(ConflictError):
        await other.claim("theirs")
    log._owner = "somebody who is not the first any more"
    for _ in range(2):  # for good, not for an hour
        with pytest.raises(ReplacedError, match="another installation"):
            await log.refresh()
    await again.close()
    await other.close()


async def test_messages_that_are_not_ours_are_nobodys_and_stop_nothing(log: KafkaLog) -> None:
    await log.append([new(data=b"first")])
    producer = foreign(log)
    for value in (None, b"", b"{}", b"W\x02" + b"\x00" * 40):
        producer.produce(log._broker.topic, value, partition=0)
    producer.flush(10)
    await log.append([new(data=b"last")])
    found = await everything(log)
    assert [each.data for each in found] == [b"first", b"", b"", b"{}", b"W\x02" + b"\x00" * 40, b"last"]
    assert [each.tenant_id for each in found] == [1, NOBODY, NOBODY, NOBODY, NOBODY, 1]


async def test_offsets_without_a_record_are_passed(log: KafkaLog) -> None:
    """Transactions of others leave control records, in the middle and at the end; positions come to the end anyhow."""
    await log.append([new(data=b"0")])
    producer = foreign(log, **{"transactional.id": log._broker.topic})
    producer.init_transactions(20)
    for _ in range(2):
        producer.begin_transaction()
        producer.produce(log._broker.topic, b"theirs", partition=0)
        producer.commit_transaction(20)
    await log.append([new(data=b"1")])  # perhaps before the marker of the last transaction
    producer.begin_transaction()
    producer.produce(log._broker.topic, b"theirs", partition=0)
    producer.commit_transaction(20)
    async with asyncio.timeout(20):
        while (await log.bounds())[0].end < 8:
            await asyncio.sleep(0.01)
    found = await everything(log)
    gaps = [each for each in found if not each.events]
    assert [each.data for each in found if each.events] == [b"0", b"theirs", b"theirs", b"1", b"theirs"]
    assert [each.span for each in gaps] == [1, 1, 1]
    assert {each.tenant_id for each in gaps} == {NOBODY}
    again = await log.read(0, gaps[0].offset, events=1, wait_seconds=5)
    assert (again[0].offset, again[0].events) == (gaps[0].offset, 0)


async def test_what_waits_for_a_reader_is_bounded(log: KafkaLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A partition that nobody reads on is paused; the others go on, and nothing is missing afterwards."""
    monkeypatch.setattr(fetcher, "LEAST_BYTES", 1_000_000)
    monkeypatch.setattr(fetcher.Fetcher, "ahead_bytes", 1_000_000)
    data = b"z" * 100_000
    for _ in range(10):
        await log.append([new(0, data) for _ in range(10)])
    await log.append([new(1, b"other")])
    assert len(await log.read(0, 0, events=1, wait_seconds=20)) == 1
    assert log._fetcher is not None
    fetched = log._fetcher._fetched[0]
    async with asyncio.timeout(20):
        while not fetched.paused:
            await asyncio.sleep(0.01)
    assert (await log.read(1, 0, events=1, wait_seconds=20))[0].data == b"other"
    assert fetched.buffer.bytes < 2_000_000 + 2048 * 1024, "one batch of the consumer's may come beyond the bound"
    assert len(await everything(log)) == 100


async def test_the_newest_are_found_behind_many_of_others(log: KafkaLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """One look goes through so many records; the place that it returns leads on."""
    monkeypatch.setattr(look_back, "LOOKED_AT", 10)
    await log.append([NewRecord(2, 0, 1, b"wanted")])
    for number in range(25):
        await log.append([new(number % 3)])
    before: Place | None = None
    looks = 0
    while looks < 9:
        looks += 1
        page = await log.newest(2, before=before, limit=5)
        before = page.before
        if before is None:
            break
        assert not page.records
    assert [each.data for each in page.records] == [b"wanted"]
    assert looks == 3


async def test_a_record_that_no_broker_takes_is_told_apart(log: KafkaLog) -> None:
    """Sending it again would not help, so it is not unavailable."""
    with pytest.raises(TooLargeError, match=r"max\.message\.bytes"):
        await log.append([new(0, bytes(sender.MESSAGE_BYTES_MAX))])
    await log.append([new(0)])


async def test_what_no_broker_confirmed_is_not_taken_for_durable(kafka: str, kafka_url: str) -> None:
    """A new producer's first message is refused and its second one taken: the client calls both of them delivered."""
    line = BrokerLine()
    async with line.at(kafka) as servers:
        log = await KafkaLog.open(Broker.of(kafka_url.replace(kafka, servers)), 1, SECRET)
        records = [new(data=b"spoilt"), new(data=bytes(2_000_000))]  # too large for one request
        line.spoil = b"spoilt"
        with pytest.raises(UnavailableError, match="did not confirm"):
            await log.append(records)
        await log.append(records)
        assert [len(each.data) for each in await everything(log)] == [2_000_000, 6, 2_000_000]
        await log.close()


async def test_brokers_that_are_not_there_are_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening and appending say so, in bounded time."""
    nowhere = Broker.of("kafka://127.0.0.1:1/nothing")
    began = monotonic()
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1"):
        await KafkaLog.open(nowhere, 1, SECRET)
    monkeypatch.setattr(sender, "REQUEST_SECONDS", 1.0)
    line = sender.Sender(nowhere)
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1"):
        await line.send([(0, b"x")])
    await line.close()
    assert monotonic() - began < 30


async def shares(*members: Membership) -> list[set[int]]:
    """Return what each member is given."""
    return [set(await each.assigned() or ()) for each in members]


async def until_shared(partitions: int, *members: Membership, seconds: float = 30) -> list[set[int]]:
    """Wait until the members have all partitions, each exactly one of them, and none has nothing."""
    async with asyncio.timeout(seconds):
        while True:
            found = await shares(*members)
            if all(found) and sorted(each for some in found for each in some) == list(range(partitions)):
                return found
            await asyncio.sleep(0.02)


async def test_members_of_the_group_share_the_partitions(log: KafkaLog) -> None:
    """A second member gets some, what is added is shared too, and who stays gets those of one who leaves."""
    one = log.join()
    await until_shared(3, one)
    two = log.join()
    await until_shared(3, one, two)
    await log.grow(6)
    await until_shared(6, one, two)
    await one.leave()
    await until_shared(6, two)
    await two.leave()


async def until_given(member: Membership, seconds: float = 20) -> None:
    """Wait until a member has a partition."""
    async with asyncio.timeout(seconds):
        while not await member.assigned():
            await asyncio.sleep(0.01)


async def test_a_member_that_failed_tells_of_it_only_when_its_consumer_is_gone(
    log: KafkaLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or else its end would take from the next consumer what that one was given."""
    closing, may_close = threading.Event(), threading.Event()

    class Failing(Consumer):
        def poll(self, _: float = -1) -> Message | None:
            raise KafkaException(KafkaError(KafkaError.INVALID_CONFIG))

        def close(self) -> None:
            closing.set()
            assert may_close.wait(20)
            super().close()

    with monkeypatch.context() as patched:
        patched.setattr(kafka_group, "Consumer", Failing)
        group = log.join()
    assert await asyncio.to_thread(closing.wait, 20)
    assert not await group.assigned()
    may_close.set()
    with pytest.raises(UnavailableError, match="out of reach"):
        await until_given(group)
    # A consumer that is closed while it joins may leave a member behind: the brokers wait 45 s for a sign of it.
    await until_shared(3, group, seconds=90)
    await group.leave()
