"""Kafka Streams, Quix Streams and Winkel in turn, several times, and the ratios of their medians."""

import statistics
from collections import defaultdict
from typing import Any

import msgspec

from bench.bench import Bench, folder
from bench.broker import broker, version
from bench.peers import peer, topic, winkel
from bench.peers.outcome import Outcome
from bench.report import Baseline

STREAMS_RATIO = 4.0
QUIX_RATIO = 15.0
SETTING = "synchronous_commit=on, fsync=on; the broker, as Kafka does, leaves its data to the page cache"


def run(bench: Bench) -> None:
    """Alternate the systems on one broker; Quix reads a tenth, because it would take ten minutes otherwise."""
    count, repeats = (200_000, 1) if bench.quick else (3_000_000, 3)
    runs: dict[str, list[Outcome]] = defaultdict(list)
    with bench.step("peers: building"):
        others = peer.streams(), peer.quix()
    with folder() as place, broker(place / "kafka") as node:
        with bench.step(f"peers: writing {count:,} events"):
            large, small = topic.write(node.servers, count), topic.write(node.servers, count // 10)
        merged = []
        for number in range(repeats):
            for each, source in zip(others, (large, small), strict=True):
                with bench.step(f"peers: {each.name}, run {number + 1}"):
                    runs[each.name].append(peer.run(each, node, source, place / "state", number))
            with bench.step(f"peers: {winkel.NAME}, run {number + 1}"):
                outcome, after = winkel.run(node, large, place / f"winkel-{number}")
            runs[winkel.NAME].append(outcome)
            merged.append(after)
    _figures(bench, runs, [each.name for each in others])
    bench.detail(
        "peers",
        broker=f"Kafka {version()}, one node on the same machine",
        events={name: some[0].records for name, some in runs.items()},
        answers="exactly the expected ones in every run",
        durability=SETTING,
        **{
            "merging all open usage afterwards, s": " ".join(f"{each.seconds:.1f}" for each in merged),
            "and its CPU s a million events": round(
                statistics.median(each.cpu_seconds for each in merged) / (count / 1e6), 2
            ),
            "runs": [msgspec.to_builtins(each) for some in runs.values() for each in some],
        },
    )


def _figures(bench: Bench, runs: dict[str, list[Outcome]], others: list[str]) -> None:
    ours = statistics.median(each.rate for each in runs[winkel.NAME])
    for name, goal in zip(others, (STREAMS_RATIO, QUIX_RATIO), strict=True):
        theirs = statistics.median(each.rate for each in runs[name])
        bench.figure("peers", name, theirs, "events/s", bench.baselines.copy)
        against = Baseline(name, theirs, "events/s")
        bench.figure("peers", winkel.NAME, ours, "events/s", against, least=goal * theirs)
    for name, some in runs.items():
        bench.detail("peers", **{name: _summary(some)})


def _summary(some: list[Outcome]) -> dict[str, Any]:
    millions = some[0].records / 1e6
    return {
        "events/s, each run": [round(each.rate) for each in some],
        "min": round(min(each.rate for each in some)),
        "CPU s a million events": round(statistics.median(each.cpu_seconds for each in some) / millions, 1),
        "broker's CPU s a million events": round(
            statistics.median(each.broker_cpu_seconds for each in some) / millions, 1
        ),
        "memory, MiB": max(each.memory_mib for each in some),
    }
