"""The promised rate for ten minutes, HTTP to queryable: with the embedded database, and with Kafka as the log."""

from bench import catalog
from bench.bench import GOAL_RATE, Bench, folder
from bench.broker import broker
from bench.generator import Drive, Generator
from bench.load import Load, cost
from bench.sustained import BATCH, CONNECTIONS, exact
from bench.system import System

MARGIN = 1.02
"""The timetable is so much faster than the promise, so that the last events' way to usage is counted in."""


def embedded(bench: Bench) -> None:
    """Send on a timetable for ten minutes (shortened: 20 s)."""
    with folder() as place:
        _soak(bench, "soak", System(place / "data"), bench.seconds(600, 20), least=GOAL_RATE)


def kafka(bench: Bench) -> None:
    """Send the same with a broker on the same machine as the log."""
    with folder() as place, broker(place / "kafka") as node:
        system = System(place / "data", settings={"WINKEL_LOG": f"kafka://{node.servers}/winkel-events"})
        _soak(bench, "kafka", system, bench.seconds(600, 20), roots={"kafka": node.pid})


def _soak(
    bench: Bench,
    name: str,
    system: System,
    seconds: float,
    *,
    least: float | None = None,
    roots: dict[str, int] | None = None,
) -> None:
    rate = GOAL_RATE * MARGIN
    with system, Generator() as generator:
        with bench.step(f"{name}: making 1,100 customers"):
            load = Load(system, catalog.make(system), generator, roots or {})
        with bench.step(f"{name}: warming up"):
            load.prepare(count=500_000, per_second=rate, batch=BATCH)
            load.run(Drive(connections=CONNECTIONS, seconds=bench.seconds(6, 3)))
        with bench.step(f"{name}: making {int(rate * seconds):,} events"):
            load.prepare(count=int(rate * seconds), per_second=rate, batch=BATCH)
        with bench.step(f"{name}: {rate:,.0f} events/s for {seconds:.0f} s"):
            outcome = load.run(Drive(connections=2 * CONNECTIONS, seconds=seconds, rate=rate))
        copy = bench.baselines.copy
        bench.figure(name, "accepted (durable)", outcome.accepted_rate, "events/s", copy)
        bench.figure(name, "queryable, exactly once", outcome.queryable_rate, "events/s", copy, least=least)
        lag = (outcome.queryable_seconds - outcome.sent.seconds) * 1000
        bench.figure(name, "last event sent → all queryable", lag, "ms", bench.baselines.commit)
        bench.detail(name, seconds=round(outcome.sent.seconds, 1), events=outcome.sent.events, **cost(outcome))
        exact(bench, name, load)
