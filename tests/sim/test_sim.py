"""Whole worlds from seeds, compared with the oracle; and proof that the comparison would notice.

WINKEL_SEED=17 pytest tests/sim -k seeds      one seed, to repeat a failure
WINKEL_SEEDS=5000 pytest tests/sim -k seeds   more of them
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import numpy as np
import psycopg
import pytest
from structlog.testing import capture_logs

from sim.generate import generate
from sim.simulation import DifferenceError, Simulation, Stage
from winkel.bill import actions as bill_actions
from winkel.bill import draw
from winkel.bill.draft import Draft
from winkel.meter import dedupe
from winkel.store import metering, progress, shards, usage

pytestmark = pytest.mark.anyio

CHUNK = 20
"""Seeds of one test: enough that starting it costs little, few enough to spread over processes."""
SECONDS = 120
"""No seed takes as long, however busy the machine is."""
STEPS = tuple("assign assigned read decided begun claimed run series deltas counted before_commit after_commit".split())  # noqa: SIM905


def _seeds() -> list[range]:
    """Return the seeds to run, in chunks."""
    if one := os.environ.get("WINKEL_SEED"):
        return [range(int(one), int(one) + 1)]
    count = int(os.environ.get("WINKEL_SEEDS", "500"))
    return [range(first, min(first + CHUNK, count)) for first in range(0, count, CHUNK)]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """Live on the event loop of the roles that meter and bill."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
async def stage(database_url: str, further_url: str) -> AsyncIterator[Stage]:
    """Return a stage on two databases that need not survive a power cut."""
    for url in (database_url, further_url):
        with psycopg.connect(url, autocommit=True) as connection:
            name = connection.info.dbname
            connection.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    async with Stage(database_url, further_url) as made:
        yield made


async def live(seed: int, stage: Stage) -> Simulation:
    """Live through the world of a seed; what goes wrong tells how to repeat it."""
    simulation = Simulation(seed, stage)
    try:
        with capture_logs():
            async with asyncio.timeout(SECONDS):
                await simulation.run()
    except Exception as error:
        error.add_note(f"seed {seed}; repeat it with: WINKEL_SEED={seed} .venv/bin/python -m pytest tests/sim -k seeds")
        raise
    return simulation


@pytest.mark.parametrize("seeds", _seeds(), ids=lambda seeds: f"seeds-{seeds.start}-{seeds.stop - 1}")
async def test_seeds(seeds: range, stage: Stage) -> None:
    """Usage, drafts, invoices, remainders and books equal the oracle's, whatever crashes in between."""
    happened, compared = Counter[str](), Counter[str]()
    for seed in seeds:
        simulation = await live(seed, stage)
        happened.update(simulation.happened)
        compared.update(simulation.compared)
    print(f"happened: {dict(happened)}\ncompared: {dict(compared)}")
    if len(seeds) == CHUNK:
        missed = [step for step in STEPS if not happened[f"ended at {step}"]]
        assert not missed, f"no worker crashed at {missed}"
        assert happened["fenced"]
        assert compared["drafts amid work"]


def test_one_seed_is_one_world() -> None:
    """A seed always gives the same world, so a failure can be repeated."""
    for seed in range(5):
        assert generate(seed) == generate(seed)
    assert generate(1).tenants != generate(2).tenants


# ── Would it notice? ────────────────────────────────────────────────────────────────────────────────────────────────


def _remember_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every event look new to a worker."""
    judge = dedupe.judge

    def forgetful(batch: dedupe.Sorted, known: Any, prints: Any) -> dedupe.Verdict:
        return judge(batch, np.zeros_like(known), prints)

    monkeypatch.setattr(dedupe, "judge", forgetful)


def _no_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let whoever comes move a partition on, from wherever it is."""

    async def advance(tx: Any, topic: str, moves: Any) -> bool:
        for move in moves:
            values = (move.end, topic, move.partition)
            await tx.execute("UPDATE log_progress SET next_offset = %s WHERE topic = %s AND partition = %s", values)
        return True

    monkeypatch.setattr(progress, "advance", advance)


def _effects_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commit usage before the position: at least once instead of exactly once."""
    copy = metering.copy_deltas

    async def copy_and_commit(tx: Any, deltas: Any) -> None:
        await copy(tx, deltas)
        await tx.execute("COMMIT")
        await tx.execute("BEGIN")

    monkeypatch.setattr(metering, "copy_deltas", copy_and_commit)


def _no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Finalize as soon as a period is over."""
    due_at: Callable[[Draft, timedelta], Any] = bill_actions.due_at
    monkeypatch.setattr(bill_actions, "due_at", lambda draft, grace: due_at(draft, timedelta(0)))


def _cheapest_line_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let balances pay for lines in the wrong order."""
    turn = draw._turn
    monkeypatch.setattr(draw, "_turn", lambda charge: (charge.period.start, charge.unit_price, *turn(charge)[2:]))


def _compact_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Merge deltas, and leave them where they were."""
    compact = usage.compact

    async def careless(connection: Any, limit: int) -> int:
        rows = await (await connection.execute("SELECT * FROM usage_delta")).fetchall()
        moved = await compact(connection, limit)
        if moved and rows:
            names = "tenant_id, slot, series_ids, numbers, hours, quantities, ats, texts"
            values = ", ".join(f"%({name})s" for name in names.split(", "))
            await connection.execute(f"INSERT INTO usage_delta ({names}) VALUES ({values})", rows[0])
        return moved

    monkeypatch.setattr(usage, "compact", careless)


def _one_database_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read usage from the first database, wherever it is."""
    reading = shards.reading
    monkeypatch.setattr(shards, "reading", lambda home, further, tenant_id: reading(home, (), tenant_id))


@pytest.mark.parametrize(
    "sabotage",
    [
        _remember_nothing,
        _no_fence,
        _effects_first,
        _no_grace,
        _cheapest_line_first,
        _compact_twice,
        _one_database_only,
    ],
    ids=lambda sabotage: sabotage.__name__.strip("_"),
)
async def test_it_notices_sabotage(
    sabotage: Callable[[pytest.MonkeyPatch], None], stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A meter, a biller or a store that is broken in one place is found out within a few seeds."""
    sabotage(monkeypatch)
    for seed in range(25):
        try:
            await live(seed, stage)
        except DifferenceError as error:
            print(f"found out at seed {seed}: {str(error)[:300]}")
            return
    pytest.fail("nobody noticed")
