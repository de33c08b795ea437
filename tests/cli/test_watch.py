"""/metrics, /healthz and /readyz: of one process, of several, and of several of which some are away."""

import asyncio
import socket
import time

import pytest

from support.figures import names
from support.web import get
from winkel.cli.together import Merged, Together
from winkel.cli.watch import Process, watched
from winkel.figures import gateway, meter
from winkel.figures.registry import LOOP, Sign


class Subject:
    """Something to be watched, ill in a way that one can choose."""

    def __init__(self, page: str = "", ill: tuple[str, ...] = (), idle: tuple[str, ...] = ()) -> None:
        self.page, self.ill, self.idle = page, list(ill), list(idle)

    def metrics(self) -> bytes:
        return self.page.encode()

    def unhealthy(self) -> list[str]:
        return self.ill

    def unready(self) -> list[str]:
        return self.idle


def listener() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def ask(subject, *paths: str) -> list[tuple[int, str]]:
    """Serve a subject and ask for paths."""

    async def run() -> list[tuple[int, str]]:
        at = listener()
        port = at.getsockname()[1]
        async with watched(at, subject):
            return [await asyncio.to_thread(get, f"http://127.0.0.1:{port}{path}") for path in paths]

    return asyncio.run(run())


def test_a_process_answers_three_paths_and_no_other() -> None:
    sign = Sign("it works", within=60)
    page, health, idle, other = ask(Process([sign]), "/metrics", "/healthz", "/readyz?full", "/v1/customers")
    assert page[0] == 200
    assert "winkel_ingest_events_total" in page[1]
    assert "process_resident_memory_bytes" in page[1]
    assert health == (200, "ok\n")
    assert idle == (503, "not yet: it works\n")
    assert other[0] == 404
    sign.give()
    assert ask(Process([sign]), "/readyz") == [(200, "ready\n")]


def test_a_loop_that_hangs_is_told_by_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LOOP, "within", 0.2)
    found = []

    async def run() -> None:
        at = listener()
        port = at.getsockname()[1]
        async with watched(at, Process([])):
            await asyncio.sleep(0)
            asking = asyncio.get_running_loop().run_in_executor(None, lambda: found.append(hung(port)))
            time.sleep(1.0)  # noqa: ASYNC251 (the loop hangs)
            await asking

    def hung(port: int) -> tuple[int, str]:
        time.sleep(0.6)
        return get(f"http://127.0.0.1:{port}/healthz")

    asyncio.run(run())
    assert found[0][0] == 503
    assert "the event loop turns" in found[0][1]


def test_without_a_socket_nothing_is_served() -> None:
    async def run() -> None:
        async with watched(None, Subject()):
            pass

    asyncio.run(run())


PAGE = """# HELP a_total Things.
# TYPE a_total counter
a_total{reason="x"} 3.0
# HELP b_seconds Times.
# TYPE b_seconds histogram
b_seconds_bucket{le="1.0"} 2.0
b_seconds_bucket{le="+Inf"} 3.0
b_seconds_count 3.0
b_seconds_sum 4.5
"""


def test_pages_of_several_are_one_with_a_label_for_each() -> None:
    async def run() -> str:
        one, two = listener(), listener()
        ports = {"meter": one.getsockname()[1], "meter-2": two.getsockname()[1], "bill": None}
        async with watched(one, Subject(PAGE)), watched(two, Subject(PAGE.replace("3.0", "5.0"))):
            return (await asyncio.to_thread(Together(lambda: ports).metrics)).decode()

    page = asyncio.run(run())
    assert 'winkel_process_up{process="meter"} 1.0' in page
    assert 'winkel_process_up{process="bill"} 0.0' in page
    assert 'a_total{process="meter",reason="x"} 3.0' in page
    assert 'a_total{process="meter-2",reason="x"} 5.0' in page
    assert 'b_seconds_bucket{le="+Inf",process="meter-2"} 5.0' in page
    assert page.count("# TYPE b_seconds histogram") == 1


def test_several_are_well_when_each_is() -> None:
    async def run() -> list[list[str]]:
        one, two, gone = listener(), listener(), listener()
        ports = {"gateway": one.getsockname()[1], "meter": two.getsockname()[1], "bill": gone.getsockname()[1]}
        gone.close()
        together = Together(lambda: ports)
        async with watched(one, Subject()), watched(two, Subject(ill=("hangs",), idle=("hangs", "no heartbeat"))):
            ask = asyncio.to_thread
            return [await ask(together.unhealthy), await ask(together.unready)]

    assert asyncio.run(run()) == [
        ["meter: hangs", "bill: it does not answer"],
        ["meter: hangs", "meter: no heartbeat", "bill: it does not answer"],
    ]


def test_what_we_show_survives_the_merging() -> None:
    gateway.REFUSED.labels("quota").inc()
    meter.PARTITIONS.labels(0).set(4)
    families = Merged({"one": Process([]).metrics().decode()}).collect()
    shown = {sample.name for family in families for sample in family.samples}
    assert {name for name in names() if name.startswith(("winkel_ingest", "winkel_meter_"))} <= shown
