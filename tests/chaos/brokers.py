"""A Kafka of one node or three whose nodes can be killed, frozen and started again."""

import contextlib
import os
import signal
import subprocess
import tempfile
from pathlib import Path

import psutil
from confluent_kafka.admin import AdminClient, PartitionMetadata

from chaos.guard import Guard
from support import kafka


class Brokers:
    """Nodes 1 … n as processes, started by `tools/kafka/start.sh`."""

    def __init__(self, nodes: int, folder: Path | None = None) -> None:
        self.folder = folder or Path(tempfile.mkdtemp(prefix="winkel-chaos-kafka-"))
        self.nodes = nodes
        self.servers = ""
        self._port = kafka._free_port()
        self._guard = Guard.of(self.folder)

    def __enter__(self) -> "Brokers":
        kafka._need("java", "mvn")
        try:
            self.servers = self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._guard.dismiss()

    @property
    def url(self) -> str:
        """The address of a log (WINKEL_LOG) in these brokers."""
        return f"kafka://{self.servers}/winkel"

    def start(self) -> str:
        """Start the nodes that are dead, wait until all answer; return their addresses."""
        command = [str(kafka.START), str(self.folder), str(self.nodes), str(self._port)]
        environment = {**os.environ, "WINKEL_KAFKA_DEAD_MS": "6000"}
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=kafka.START_SECONDS, check=False, env=environment
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def pid(self, node: int) -> int:
        """Return the process id of a node."""
        return int(self._pid_file(node).read_text())

    def lives(self, node: int) -> bool:
        """Whether a node has not ended."""
        try:
            return psutil.Process(self.pid(node)).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def kill(self, node: int) -> None:
        """Kill -9 a node, and wait until it is gone."""
        process = psutil.Process(self.pid(node))
        process.kill()
        with contextlib.suppress(psutil.TimeoutExpired):
            process.wait(10)
        self._pid_file(node).unlink()

    def freeze(self, node: int) -> None:
        """Stop a node in its tracks: to the others it looks like a network that was cut."""
        os.kill(self.pid(node), signal.SIGSTOP)

    def thaw(self, node: int) -> None:
        """Let a frozen node go on."""
        os.kill(self.pid(node), signal.SIGCONT)

    def leaders(self) -> dict[int, int]:
        """Return the node that leads each partition of the log."""
        return {number: each.leader for number, each in self._partitions().items()}

    def whole(self) -> bool:
        """Whether every partition of the log has a leader, and all its copies are in sync: the next node may die."""
        return all(each.leader >= 0 and len(each.isrs) == self.nodes for each in self._partitions().values())

    def _partitions(self) -> dict[int, PartitionMetadata]:
        topics = AdminClient({"bootstrap.servers": self.servers}).list_topics("winkel", timeout=20).topics
        return topics["winkel"].partitions

    def _pid_file(self, node: int) -> Path:
        return self.folder / f"node-{node}" / "pid"
