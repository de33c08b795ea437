"""What all of our Kafka clients have in common: where the brokers are, how to talk to them, and what errors mean."""

import asyncio
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from time import monotonic
from typing import Any, TypeVar

import structlog
from confluent_kafka import KafkaError, KafkaException
from msgspec import Struct

from winkel.config import SCHEME, TOPIC, kafka_address, kafka_properties
from winkel.model.errors import UnavailableError

T = TypeVar("T")

REQUEST_SECONDS = 10.0
"""After this long without an answer the brokers count as gone."""
QUIET_SECONDS = 30.0
"""How long the same complaint of the client library is not logged again."""
log = structlog.get_logger(__name__)


class Broker(Struct, frozen=True):
    """Brokers, the topic that is the log, and how to reach them."""

    servers: str
    topic: str
    properties: Mapping[str, str] = {}
    """Further settings of librdkafka: encryption and passwords. They are never logged."""

    def __repr__(self) -> str:
        return f"{SCHEME}{self.servers}/{self.topic}"

    @classmethod
    def of(cls, url: str, properties: str = "", *, setting: str = "WINKEL_LOG", topic: str = TOPIC) -> "Broker":
        """Read `kafka://host:port[,host:port…][/topic]` and a file of properties, if there is one.

        `setting` is where the address stands, `topic` the one of an address without any; empty: it must name one.
        Raises `ValueError` that says what does not fit, and never what stands in the file.
        """
        return cls(*kafka_address(url, setting, topic), kafka_properties(properties))

    def client(self, **settings: Any) -> dict[str, Any]:
        """Return the configuration of a client; what we rely on comes before what the operator's file says."""
        common: dict[str, Any] = {
            "client.id": "winkel",
            "log_level": 0,  # errors come to `error_cb` instead
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 1000,
            "socket.nagle.disable": True,
            # A client that connects on demand spins, a core's worth, while a request waits for a broker that is dead.
            "enable.sparse.connections": False,
            "socket.timeout.ms": int(REQUEST_SECONDS * 1000),  # a broker that hangs keeps its connections open
        }
        relied_on = {name.replace("_", "."): value for name, value in settings.items()}
        ours = {"bootstrap.servers": self.servers, "error_cb": Complaints(self.servers)}
        return {**common, **self.properties, **relied_on, **ours}

    async def answer(self, future: "Future[T]") -> T:
        """Wait for an answer of the admin client. Raises `UnavailableError`."""
        try:
            async with asyncio.timeout(REQUEST_SECONDS + 1):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise UnavailableError(f"Kafka at {self.servers} does not answer") from None
        except KafkaException as error:
            raise self.unavailable(error) from error

    async def answers(self, futures: Iterable["Future[T]"]) -> list[T]:
        """Wait for several of them."""
        found = await asyncio.gather(*[self.answer(each) for each in futures], return_exceptions=True)
        for each in found:
            if isinstance(each, BaseException):
                raise each
        return found  # type: ignore[return-value]

    def unavailable(self, error: KafkaException | KafkaError) -> UnavailableError:
        """Return what to tell the caller."""
        return UnavailableError(f"Kafka at {self.servers} does not serve the topic {self.topic}: {reason(error)}")


class Complaints:
    """Takes what librdkafka complains of while it tries again by itself, and logs it now and then."""

    def __init__(self, servers: str) -> None:
        self._servers = servers
        self._said: dict[int, float] = {}

    def __call__(self, error: KafkaError) -> None:
        """Log an error, unless it was logged lately."""
        now = monotonic()
        if now - self._said.get(error.code(), -QUIET_SECONDS) >= QUIET_SECONDS:
            self._said[error.code()] = now
            log.warning("Kafka complains; trying on", brokers=self._servers, reason=reason(error))


def reason(error: KafkaException | KafkaError) -> str:
    """Return what went wrong, for a person."""
    found = error_of(error)
    return f"{found.str()} ({found.name()})"


def error_of(error: KafkaException | KafkaError) -> KafkaError:
    """Return the error inside an exception."""
    found = error.args[0] if isinstance(error, KafkaException) else error
    assert isinstance(found, KafkaError), "the library says so"
    return found
