"""Runs a stream processor on the topic: builds it, times it until its committed lag is zero, reads its answer."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgspec
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from msgspec import Struct

from bench.broker import Broker, cache
from bench.peers.outcome import LIMIT_SECONDS, LOOK_SECONDS, Outcome, compare, cpu, private_mib
from bench.peers.topic import PARTITIONS, Answer, Topic

HERE = Path(__file__).parent
QUIX = "quixstreams==3.28.1"
TAIL = 2000
"""Among so many last offsets of a partition is its last record; behind it are only markers of transactions."""


class Peer(Struct, frozen=True):
    """A stream processor: how to start it, and what it says when it is ready."""

    name: str
    command: tuple[str, ...]
    ready: str
    environment: dict[str, str]
    processes: int = 1


class Total(Struct):
    """One message of the sink."""

    count: int
    tokens: int


def streams() -> Peer:
    """Build the Kafka Streams topology, if need be: the settings are the best of those that were tried."""
    built, source = cache() / "streams", HERE / "streams"
    if not (built / "libs").exists() or _newest(source) > (built / "libs").stat().st_mtime:
        subprocess.run(
            ["mvn", "-q", "-B", "-f", str(source / "pom.xml"), "package", "dependency:copy-dependencies",
             f"-DbuildDirectory={built}", "-DincludeScope=runtime", f"-DoutputDirectory={built / 'libs'}"],
            check=True, stdout=sys.stderr,
        )  # fmt: skip
        (built / "libs").touch()
    command = (
        "java", "-Xms2g", "-Xmx2g", "-XX:+UseParallelGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-cp", f"{built / 'usage-streams-1.jar'}:{built / 'libs'}/*", "peers.Usage",
    )  # fmt: skip
    settings = {"COMMIT_MS": "1000", "GUARANTEE": "exactly_once_v2", "THREADS": "2", "CACHE_BYTES": "0"}
    return Peer("Kafka Streams, exactly_once_v2", command, "STATE RUNNING", settings)


def quix() -> Peer:
    """Make the virtual environment of Quix Streams, if need be."""
    python = cache() / "quix" / "bin" / "python"
    if not (cache() / "quix" / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(cache() / "quix")], check=True)
        subprocess.run([str(python), "-m", "pip", "-q", "install", QUIX], check=True, stdout=sys.stderr)
        (cache() / "quix" / "ready").touch()
    settings = {"COMMIT_MS": "1000", "GUARANTEE": "exactly-once"}
    command = (str(python), str(HERE / "quix_usage.py"))
    return Peer("Quix Streams, exactly-once, 2 processes", command, "now processing incoming messages", settings, 2)


def _newest(folder: Path) -> float:
    return max(each.stat().st_mtime for each in folder.rglob("*") if each.is_file())


def run(peer: Peer, broker: Broker, topic: Topic, state: Path, number: int) -> Outcome:
    """Let it read the whole topic once, as a new consumer group, and check its answer."""
    group, sink = f"{topic.name}-peer-{number}", f"usage-{topic.name}-{number}"
    admin = AdminClient({"bootstrap.servers": broker.servers})
    admin.create_topics([NewTopic(sink, PARTITIONS, 1)])[sink].result()
    environment = {
        "BOOTSTRAP": broker.servers, "APPLICATION": group, "SOURCE": topic.name, "SINK": sink, "STATE_DIR": str(state),
    }  # fmt: skip
    started = _Started(peer, environment)
    try:
        outcome = _timed(peer, broker, topic, group, started)
    finally:
        started.stop()
    compare(peer.name, _answer(broker.servers, sink), topic.answer)
    mine = [each for each in admin.list_topics(timeout=10).topics if each == sink or group in each]
    for future in admin.delete_topics(mine).values():
        future.result()
    return outcome


class _Started:
    """The processes of a peer, and when the first of them was ready."""

    def __init__(self, peer: Peer, environment: dict[str, str]) -> None:
        self.ready = threading.Event()
        self.ready_at = 0.0
        self._last: list[str] = []
        self._pattern = re.compile(peer.ready)
        self._processes = [
            subprocess.Popen(
                peer.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                env=os.environ | peer.environment | environment | {"INSTANCE": str(number)},
            )
            for number in range(peer.processes)
        ]  # fmt: skip
        for process in self._processes:
            threading.Thread(target=self._follow, args=(process,), daemon=True).start()

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes]

    def check(self) -> None:
        """Raise `RuntimeError` when one of them has ended."""
        if any(process.poll() is not None for process in self._processes):
            raise RuntimeError(f"a peer ended: {''.join(self._last[-20:])}")

    def stop(self) -> None:
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _follow(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._last = [*self._last[-50:], line]
            if not self.ready.is_set() and self._pattern.search(line):
                self.ready_at = time.time()
                self.ready.set()


def _timed(peer: Peer, broker: Broker, topic: Topic, group: str, started: _Started) -> Outcome:
    """Watch the group's committed offsets until they have passed the last record of source and repartition topics."""
    until = time.time() + LIMIT_SECONDS
    while not started.ready.wait(0.05):
        started.check()
        if time.time() > until:
            raise RuntimeError(f"{peer.name} did not get ready")
    before = cpu(started.pids), cpu([broker.pid])
    admin, request = AdminClient({"bootstrap.servers": broker.servers}), [ConsumerGroupTopicPartitions(group)]
    progress: list[tuple[float, int]] = []
    history: list[tuple[float, dict[tuple[str, int], int]]] = []
    looking: Future[dict[tuple[str, int], int]] | None = None
    memory, executor = 0, ThreadPoolExecutor(1)
    while True:
        started.check()
        committed = {
            (each.topic, each.partition): max(each.offset, 0)
            for each in admin.list_consumer_group_offsets(request)[group].result().topic_partitions
        }
        now = time.time()
        done = sum(offset for (name, _), offset in committed.items() if name == topic.name)
        progress.append((round(now - started.ready_at, 2), min(done, topic.records)))
        memory = max(memory, private_mib(started.pids))
        if done >= topic.records:  # all that is to be repartitioned is there: find its end while the clock runs on
            history.append((now, committed))
            others = {name for name, _ in committed} - {topic.name}
            looking = looking or executor.submit(_after_last, broker.servers, others)
            if looking.done() and _passed(committed, looking.result()):
                break
        if now > until:
            raise RuntimeError(f"{peer.name} was not done: {progress[-1]}")
        time.sleep(LOOK_SECONDS)
    now = next(at for at, then in history if _passed(then, looking.result()))
    executor.shutdown()
    return Outcome(
        system=peer.name,
        records=topic.records,
        seconds=now - started.ready_at,
        cpu_seconds=cpu(started.pids) - before[0],
        broker_cpu_seconds=cpu([broker.pid]) - before[1],
        memory_mib=memory,
        progress=progress,
    )


def _passed(committed: dict[tuple[str, int], int], ends: dict[tuple[str, int], int]) -> bool:
    return all(committed.get(key, 0) >= end for key, end in ends.items())


def _reader(servers: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": servers, "group.id": "bench", "enable.auto.commit": False,
            "enable.partition.eof": True, "isolation.level": "read_committed", "auto.offset.reset": "earliest",
        }
    )  # fmt: skip


def _after_last(servers: str, topics: set[str]) -> dict[tuple[str, int], int]:
    """Return by partition the offset after its last record."""
    consumer = _reader(servers)
    found: dict[tuple[str, int], int] = {}
    left = set()
    for key in [(name, partition) for name in topics for partition in range(PARTITIONS)]:
        low, high = consumer.get_watermark_offsets(TopicPartition(*key), timeout=10)
        found[key] = max(low, high - TAIL)
        if high > low:
            left.add(key)
    consumer.assign([TopicPartition(*key, found[key]) for key in left])
    while left:
        for message in consumer.consume(1000, 0.1):
            key = (message.topic() or "", message.partition() or 0)
            if message.error() is not None:  # the end of the partition
                left.discard(key)
            else:
                found[key] = (message.offset() or 0) + 1
    consumer.close()
    return found


def _answer(servers: str, sink: str) -> Answer:
    """Return the last committed total of each group."""
    consumer, last, ended = _reader(servers), dict[bytes, bytes](), 0
    consumer.assign([TopicPartition(sink, partition, 0) for partition in range(PARTITIONS)])
    while ended < PARTITIONS:
        for message in consumer.consume(10_000, 1):
            if message.error() is not None:
                ended += 1
            else:
                last[bytes(message.key() or b"")] = bytes(message.value() or b"")
    consumer.close()
    totals = {key.decode().strip('"'): msgspec.json.decode(value, type=Total) for key, value in last.items()}
    return {key: (each.count, each.tokens) for key, each in totals.items()}
