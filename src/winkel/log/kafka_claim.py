"""Whose a topic is: the first installation that opens it has it.

Two installations in one topic would meter each other's events and drop what the other has not metered. So a consumer
group of its own, which has no members and reads nothing, keeps one committed offset, and that carries the name of the
installation. Brokers forget it some time after its last commit, and at once when the topic is deleted.
"""

import asyncio
from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from winkel.log.broker import REQUEST_SECONDS, Broker, error_of
from winkel.model.errors import ConflictError

T = TypeVar("T")

RENEW_SECONDS = 3600.0
"""How often a claim is renewed: brokers forget it after a week unless told otherwise (offsets.retention.minutes)."""
_NO_READER = 2**62
"""The offset lies beyond every end, so that no tool that watches lag takes the group for a reader that is late."""
_POLL_SECONDS = 0.05
_AGAIN = {
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.UNKNOWN_TOPIC_OR_PART,  # a coordinator that has not heard of a new topic yet
}


async def claim(broker: Broker, owner: str) -> None:
    """Have the topic for an installation (store/logs.py, `owner`), or keep it.

    Raises `ConflictError` when it is another's, `UnavailableError` when the brokers do not say.
    """
    try:
        await asyncio.to_thread(_claim, broker, owner)
    except KafkaException as error:
        raise broker.unavailable(error) from error


def _claim(broker: Broker, owner: str) -> None:
    """Look whose it is, commit, and look again: of two that come at the same time one finds the other. Blocks."""
    keeper = _Keeper(broker)
    try:
        for _ in range(2):
            if keeper.owner() not in {"", owner}:
                raise ConflictError(
                    f"the topic {broker.topic} at {broker.servers} is the log of another installation: let WINKEL_LOG "
                    f"name another topic. (If that installation is no more, or its database was moved and is this one "
                    f"now: delete the consumer group {keeper.group} in Kafka)"
                )
            keeper.commit(owner)
    finally:
        keeper.close()


class _Keeper:
    """The group. (The admin client could ask, too, but has crashed while brokers made their first group.)"""

    def __init__(self, broker: Broker) -> None:
        self.group = f"winkel-installation.{broker.topic}"
        self._topic = broker.topic
        self._heard: list[KafkaError | None] = []
        settings = broker.client(group_id=self.group, enable_auto_commit=False)
        self._consumer = Consumer({**settings, "on_commit": self._on_commit})

    def owner(self) -> str:
        """Return who has the topic; empty: nobody. Raises `KafkaException`."""
        place = TopicPartition(self._topic, 0)
        return _insist(lambda: self._committed(place)).metadata or ""

    def commit(self, owner: str) -> None:
        """Say who has the topic. Raises `KafkaException`."""
        place = TopicPartition(self._topic, 0, _NO_READER, metadata=owner)
        _insist(lambda: self._commit(place))

    def close(self) -> None:
        """Let the connections go."""
        self._consumer.close()

    def _committed(self, place: TopicPartition) -> TopicPartition:
        (found,) = self._consumer.committed([place], timeout=REQUEST_SECONDS)
        _raise(found.error)
        return found

    def _commit(self, place: TopicPartition) -> None:
        """Commit, and wait for the answer for as long as it makes sense; the client would wait for ever."""
        until = monotonic() + REQUEST_SECONDS
        self._heard.clear()
        self._consumer.commit(offsets=[place], asynchronous=True)
        while not self._heard:
            if monotonic() > until:
                _raise(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001 (its public name)
            self._consumer.poll(_POLL_SECONDS)
        _raise(self._heard[0])

    def _on_commit(self, problem: KafkaError | None, places: list[TopicPartition]) -> None:
        self._heard.append(problem or places[0].error)


def _insist(ask: Callable[[], T]) -> T:
    """Ask, again while brokers decide who keeps the group. Raises `KafkaException`."""
    until = monotonic() + REQUEST_SECONDS
    while True:
        try:
            return ask()
        except KafkaException as error:
            if error_of(error).code() not in _AGAIN or monotonic() > until:
                raise
        sleep(_POLL_SECONDS)


def _raise(problem: KafkaError | None) -> None:
    if problem is not None:
        raise KafkaException(problem)
