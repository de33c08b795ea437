"""Where the brokers are and how to talk to them (log/broker.py)."""

import asyncio
from concurrent.futures import Future
from pathlib import Path

import pytest

from winkel.config import TOPIC
from winkel.log.broker import Broker


def test_an_address_names_brokers_and_perhaps_a_topic() -> None:
    one = Broker.of("kafka://db:9092")
    assert (one.servers, one.topic) == ("db:9092", TOPIC)
    two = Broker.of("kafka://a:1,b.example:65535/usage")
    assert (two.servers, two.topic) == ("a:1,b.example:65535", "usage")


@pytest.mark.parametrize(
    "url",
    ["postgresql://db", "kafka://", "kafka://db", "kafka://db:0", "kafka://db:x", "kafka://a:1,", "kafka://u:p@db:1"],
)
def test_what_is_no_address_is_refused_in_words(url: str) -> None:
    with pytest.raises(ValueError, match="WINKEL_LOG must"):
        Broker.of(url)


def test_properties_are_read_and_never_shown(tmp_path: Path) -> None:
    """What we rely on cannot be overruled; what stands in the file is in no text that may be logged."""
    file = tmp_path / "kafka.properties"
    file.write_text("# for the cluster\n\nsasl.username = me\nsasl.password=s3=cret\nacks=0\nclient.id=mine\n")
    broker = Broker.of("kafka://db:9092", str(file))
    client = broker.client(acks="all")
    assert (client["sasl.username"], client["sasl.password"]) == ("me", "s3=cret")
    assert (client["acks"], client["client.id"], client["bootstrap.servers"]) == ("all", "mine", "db:9092")
    assert "s3" not in f"{broker} {broker!r}"


def test_a_file_that_does_not_fit_is_told_of_without_what_it_says(tmp_path: Path) -> None:
    file = tmp_path / "kafka.properties"
    with pytest.raises(ValueError, match="cannot be read"):
        Broker.of("kafka://db:9092", str(file))
    file.write_text("a=b\ns3cret\n")
    with pytest.raises(ValueError, match="line 2") as caught:
        Broker.of("kafka://db:9092", str(file))
    assert "s3cret" not in str(caught.value)


@pytest.mark.anyio
async def test_who_waits_for_an_answer_can_be_cancelled_when_it_comes() -> None:
    """A frozen process finds both when it wakes up: an answer, and that its connection to the database was ended."""
    future = Future[int]()
    asking = asyncio.create_task(Broker.of("kafka://db:9092").answer(future))
    await asyncio.sleep(0.01)
    asyncio.get_running_loop().call_soon(asking.cancel)
    future.set_result(1)
    with pytest.raises(asyncio.CancelledError):
        await asking
