"""Sustained ingest over HTTP: durable, exactly once, queryable; as fast as it goes, and at the promised rate."""

from bench import catalog
from bench.bench import GOAL_RATE, Bench, folder
from bench.generator import Drive, Generator
from bench.load import Load, cost
from bench.system import System

CONNECTIONS = 4
BATCH = 1000
"""Events in a request to our own route; collectors send that many."""
SMALL_BATCH = 100
"""Events in a request to /v1/ingest: the most that Metronome's API allows (metronome-api.md §4.1)."""
HEADROOM = 1.5
"""Events made ahead, as a multiple of what the warm-up predicts."""


def run(bench: Bench) -> None:
    """Measure a closed loop, then the promised rate on a timetable, then the official route."""
    with folder() as place, System(place / "data") as system, Generator() as generator:
        with bench.step("making 1,100 customers"):
            load = Load(system, catalog.make(system), generator)
        with bench.step("warming up"):
            load.prepare(count=1_000_000, per_second=100_000, batch=BATCH)
            warm = load.run(Drive(connections=CONNECTIONS, seconds=bench.seconds(6, 3)))
        seconds = bench.seconds(60, 10)
        _closed(bench, load, seconds, warm.accepted_rate)
        _paced(bench, load, seconds)
        _official(bench, load, bench.seconds(30, 8))


def _closed(bench: Bench, load: Load, seconds: float, rate: float) -> None:
    name = "sustained"
    with bench.step("sustained: making events"):
        load.prepare(count=int(rate * HEADROOM * seconds), per_second=rate, batch=BATCH)
    with bench.step(f"sustained: {CONNECTIONS} connections for {seconds:.0f} s"):
        outcome = load.run(Drive(connections=CONNECTIONS, seconds=seconds))
    copy = bench.baselines.copy
    bench.figure(name, "accepted (durable)", outcome.accepted_rate, "events/s", copy)
    bench.figure(name, "queryable, exactly once", outcome.queryable_rate, "events/s", copy, least=GOAL_RATE)
    bench.detail(name, seconds=round(outcome.sent.seconds, 1), events=outcome.sent.events, **cost(outcome))
    exact(bench, name, load)


def _paced(bench: Bench, load: Load, seconds: float) -> None:
    name = "paced"
    with bench.step("paced: making events"):
        load.prepare(count=int(GOAL_RATE * seconds), per_second=GOAL_RATE, batch=BATCH)
    with bench.step(f"paced: {GOAL_RATE:,.0f} events/s for {seconds:.0f} s"):
        outcome = load.run(Drive(connections=2 * CONNECTIONS, seconds=seconds, rate=GOAL_RATE))
    bench.figure(name, "accepted (durable)", outcome.accepted_rate, "events/s", bench.baselines.copy)
    lag = (outcome.queryable_seconds - outcome.sent.seconds) * 1000
    bench.figure(name, "last event sent → all queryable", lag, "ms", bench.baselines.commit, most=2000)
    bench.detail(name, seconds=round(outcome.sent.seconds, 1), events=outcome.sent.events, **cost(outcome))
    exact(bench, name, load)


def _official(bench: Bench, load: Load, seconds: float) -> None:
    name = "official route"
    with bench.step("official route: making events"):
        load.prepare(count=int(60_000 * seconds), per_second=GOAL_RATE, batch=SMALL_BATCH, form="json")
    with bench.step(f"official route: {SMALL_BATCH} events a request for {seconds:.0f} s"):
        outcome = load.run(Drive(connections=2 * CONNECTIONS, seconds=seconds))
    bench.figure(name, "queryable, exactly once", outcome.queryable_rate, "events/s", bench.baselines.copy)
    bench.detail(name, seconds=round(outcome.sent.seconds, 1), events=outcome.sent.events, **cost(outcome))
    exact(bench, name, load)


def exact(bench: Bench, name: str, load: Load) -> None:
    """Compare every sum; a wrong answer ends the run, because its speed means nothing."""
    with bench.step("comparing every customer, metric and model"):
        wrong = load.differences()
    bench.detail(name, **{"wrong cells of 17,000": wrong, "copies sent so far": load.duplicates})
    if wrong:
        raise RuntimeError(f"{name}: {wrong} sums differ from what was sent")
