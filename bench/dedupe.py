"""What deduplication costs an event, with more and more keys remembered: it must stay nearly flat.

Everything is measured that a batch needs, as in a meter under `winkel up`: sort, ask every run's filter, look up the
few that it lets through, judge, and make the new run. Keys are in PostgreSQL, their filters in memory, and large runs,
once they were read, in files of the cache folder. Runs are merged as a meter merges them.
"""

import asyncio
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from bench.bench import Bench, folder
from winkel.meter import actions, dedupe, runs
from winkel.meter.actions import Memory, Shelf
from winkel.meter.dedupe import Keys
from winkel.store import database, embedded, migrate, progress
from winkel.store.database import Connection

BATCH = 50_000
REPEATED = 1000
"""Of them, keys that are remembered: 2 %, as everywhere."""
REPEATS = 15
SPACE = "bench"


def run(bench: Bench) -> None:
    """Measure with a million keys, ten and a hundred (shortened: ten)."""
    sizes = (1_000_000, 10_000_000) if bench.quick else (1_000_000, 10_000_000, 100_000_000)
    with folder() as place:
        server = embedded.start(place / "postgres")
        try:
            asyncio.run(_measure(bench, server.url, place / "cache", sizes))
        finally:
            server.stop()


async def _measure(bench: Bench, url: str, cache: Path, sizes: tuple[int, ...]) -> None:
    connection = await database.connect(url)
    await migrate.migrate(connection)
    random = np.random.default_rng(5)
    memory = Memory(SPACE, SPACE, 0, 4096, [], Shelf(cache))
    await progress.introduce(connection, SPACE)
    epoch = (await progress.take(connection, SPACE, 0, "bench", start=0)).epoch
    some: list[Keys] = []
    costs = []
    for size in sizes:
        with bench.step(f"dedupe: remembering {size:,} keys"):
            held = sum(each.keys for each in memory.runs)
            while held < size:
                count = min(runs.KEYS_MAX, size - held)
                some.append(await _remember(connection, memory, random, count))
                held += count
                while await actions.merge(connection, memory, 0, epoch):
                    pass
        with bench.step(f"dedupe: {size:,} keys remembered"):
            each = [await _batch(connection, memory, _keys(random, some)) for _ in range(REPEATS)]
        nanoseconds = statistics.median(each) / BATCH * 1e9
        costs.append([size, nanoseconds])
        name = f"a batch, {size:,} keys remembered"
        bench.figure("dedupe", name, 1e9 / nanoseconds, "events/s", bench.baselines.copy)
        in_memory = sum(one.sieve.words.nbytes + one.samples.nbytes for one in memory.runs)
        bench.detail(
            "dedupe",
            **{
                f"{size:,} keys, ns an event": round(nanoseconds),
                f"{size:,} keys, runs": len(memory.runs),
                f"{size:,} keys, bytes of memory a key": round(in_memory / size, 2),
            },
        )
    bench.detail("dedupe", costs=costs)
    await connection.close()


async def _remember(connection: Connection, memory: Memory, random: np.random.Generator, count: int) -> Keys:
    """Keep a run of random keys; return some of them."""
    keys = dedupe.sort(_random(random, count)).distinct
    new = runs.new_run(0, 4096, datetime.now(UTC).date(), 3, keys)
    (run_id,) = await actions.insert(connection, SPACE, [new])
    memory.runs.append(new.run(run_id))
    await memory.whole(connection, memory.runs[-1])
    return keys.take(random.integers(0, len(keys), BATCH))


async def _batch(connection: Connection, memory: Memory, keys: Keys) -> float:
    """Return how many seconds a batch takes."""
    today = datetime.now(UTC).date()
    began = time.perf_counter()
    batch = dedupe.sort(keys)
    known, prints = await memory.ask(connection, batch.distinct, today)
    verdict = dedupe.judge(batch, known, prints)
    runs.new_run(0, 4096, today, 0, verdict.new).keys.pack()
    took = time.perf_counter() - began
    if not REPEATED * 0.9 < known.sum() <= REPEATED:
        raise RuntimeError(f"{known.sum()} of {REPEATED} repeats were recognized")
    return took


def _keys(random: np.random.Generator, some: list[Keys]) -> Keys:
    """Return a batch of keys of which `REPEATED` are remembered, from all runs."""
    known = dedupe.join([each.take(random.integers(0, BATCH, REPEATED // len(some) + 1)) for each in some])
    return dedupe.join([_random(random, BATCH - REPEATED), known.take(slice(0, REPEATED))])


def _random(random: np.random.Generator, count: int) -> Keys:
    high, low = (random.integers(0, 2**64, count, np.uint64) for _ in range(2))
    return Keys(high, low, random.integers(0, 2**32, count, np.uint32))
