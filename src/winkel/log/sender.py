"""Appends to Kafka: an idempotent producer, and a thread that hears which messages are durable."""

import asyncio
import threading
from collections.abc import Sequence
from contextlib import suppress

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from winkel.log.broker import REQUEST_SECONDS, Broker, error_of
from winkel.model.errors import TooLargeError, UnavailableError

MESSAGE_BYTES_MAX = 90 * 1024 * 1024
"""The largest message: more than all that may wait in a gateway (ingest/actions.py), less than brokers and clients take
in one request (100 MB)."""
LINGER_MILLISECONDS = 1
"""How long messages wait for company: the gateway gathers events before it appends."""
POLL_SECONDS = 0.5
"""How often the thread looks whether it is still wanted; delivery reports wake it at once."""

_UNCONFIRMED = KafkaError(KafkaError._FAIL, "it did not confirm each message: send again")  # noqa: SLF001 (a public name)


class Sender:
    """A producer that is replaced when it says that it cannot go on."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._line: Line | None = None

    async def send(self, messages: Sequence[tuple[int, bytes]]) -> None:
        """Return when all messages (partition, value) are durable on all in-sync replicas.

        Raises `UnavailableError` when that is not so or not known, `TooLargeError` for a message that no broker takes.
        """
        line = await self._current(max(partition for partition, _ in messages))
        delivery = Delivery(len(messages))
        try:
            for partition, value in messages:
                line.producer.produce(self._broker.topic, value, partition=partition, on_delivery=delivery.heard)
            problem = await delivery.done
        except BufferError:
            raise UnavailableError("more waits to be sent to Kafka than this process may hold: try later") from None
        except KafkaException as error:
            problem = error_of(error)
        if problem is not None:
            if problem.fatal() or problem.code() == KafkaError._FATAL:  # noqa: SLF001 (its public name)
                await self._retire(line)
            raise self._error(problem)

    async def close(self) -> None:
        """Wait for what is under way, and let the producer go."""
        if self._line is not None:
            await self._retire(self._line)

    async def _current(self, partition: int) -> "Line":
        """Return a producer that knows a partition."""
        if self._line is None:
            self._line = Line(self._broker)
        line = self._line
        if partition >= line.partitions:
            try:
                line.partitions = await asyncio.to_thread(line.look, self._broker.topic)
            except KafkaException as error:
                raise self._broker.unavailable(error) from error
        if self._line is not line:
            raise self._broker.unavailable(_UNCONFIRMED)  # it was given up meanwhile: nobody would hear of a message
        return line

    async def _retire(self, line: "Line") -> None:
        if self._line is line:
            self._line = None
        await asyncio.to_thread(line.close)

    def _error(self, problem: KafkaError) -> Exception:
        if problem.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            return TooLargeError(
                f"a record is larger than the topic {self._broker.topic} takes: "
                f"set its max.message.bytes to {MESSAGE_BYTES_MAX}"
            )
        return self._broker.unavailable(problem)


class Line:
    """One producer with its thread."""

    def __init__(self, broker: Broker) -> None:
        # No compression: blocks come compressed (log/codec.py). A second pass by zstd over a million events (58 MB)
        # took twice the processor time of sending them as they are.
        configuration = broker.client(
            enable_idempotence=True,
            acks="all",
            compression_type="none",
            linger_ms=LINGER_MILLISECONDS,
            message_timeout_ms=int(REQUEST_SECONDS * 1000),
            message_max_bytes=MESSAGE_BYTES_MAX,
        )
        self.producer = Producer(configuration)
        self.partitions = 0
        """How many partitions this producer knows of."""
        self._closing = False
        self._thread = threading.Thread(target=self._listen, name="winkel-kafka-sender", daemon=True)
        self._thread.start()

    def look(self, topic: str) -> int:
        """Learn of the topic's partitions; return how many there are. Blocks."""
        return len(self.producer.list_topics(topic, timeout=REQUEST_SECONDS).topics[topic].partitions)

    def close(self) -> None:
        """Wait until every message was delivered or given up. Blocks."""
        self._closing = True
        self._thread.join()

    def _listen(self) -> None:
        while not self._closing or len(self.producer):  # each message is told of, within `message.timeout.ms` or so
            self.producer.poll(POLL_SECONDS)


async def produce(broker: Broker, messages: Sequence[tuple[bytes, bytes]]) -> None:
    """Make (key, value) messages durable by a producer of their own: for what is told now and then.

    Raises `UnavailableError` when that is not so or not known.
    """
    if not messages:
        return
    line, delivery = Line(broker), Delivery(len(messages))
    try:
        for key, value in messages:
            line.producer.produce(broker.topic, value, key=key, on_delivery=delivery.heard)
        problem = await delivery.done
    except (BufferError, KafkaException) as error:
        raise UnavailableError(f"{broker} does not take messages: {error}") from error
    finally:
        await asyncio.to_thread(line.close)
    if problem is not None:
        raise broker.unavailable(problem)


class Delivery:
    """Counts the delivery reports of one append.

    A report without an offset says nothing of use, whatever else it says. The client calls a message delivered whose
    request was refused as soon as a later one is taken, for a broker takes none out of order. But one that does not
    know the producer yet takes any as its first, and then what came before is nowhere (confluent-kafka-go, issue 921).
    """

    def __init__(self, messages: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._left = messages
        self._problem: KafkaError | None = None
        self.done: asyncio.Future[KafkaError | None] = self._loop.create_future()
        """The first problem, or None when all went well."""

    def heard(self, problem: KafkaError | None, message: Message) -> None:
        """Take note of one report, in the sender's thread."""
        self._left -= 1
        self._problem = self._problem or problem or (_UNCONFIRMED if message.offset() is None else None)
        if not self._left:
            with suppress(RuntimeError):  # the event loop is gone, and with it whoever wanted to know
                self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(self._problem)
