"""Which event identities are remembered, as the API's role asks for it."""

from datetime import date, timedelta

import numpy as np
import pytest

from winkel.meter import actions, runs
from winkel.meter.dedupe import Keys, merge
from winkel.store import database, events
from winkel.store.database import Database

pytestmark = pytest.mark.anyio

DAY = date(2026, 1, 15)


def keys_of(identities: list[bytes]) -> Keys:
    """Return identities as sorted keys."""
    halves = np.frombuffer(b"".join(identities), ">u8").reshape(-1, 2).astype(np.uint64)
    return merge([Keys(halves[:, 0], halves[:, 1], np.zeros(len(halves), np.uint32))])


async def test_identities_are_found_in_runs_of_any_size(database_url: str) -> None:
    """The first, the last and those between, in each run that holds their bucket, day and space; and no others."""
    chance = np.random.default_rng(7)
    every = [chance.bytes(16) for _ in range(6000)]
    low = [each for each in every if each < b"\x80"]
    high = [each for each in every if each >= b"\x80"]
    owner = await database.connect(database_url)
    parts = [(0, 2048, low[:1], DAY), (0, 2048, low[1:1500], DAY), (2048, 4096, high[:2000], DAY - timedelta(days=9))]
    made = [runs.new_run(first, after, day, 0, keys_of(some)) for first, after, some, day in parts]
    await actions.insert(owner, "events", made)
    await owner.close()

    api = Database(database_url, size=1)
    await api.open()
    asked = sorted(every)
    async with api.transaction(1) as tx:
        assert await events.remembered(tx, "events", DAY, asked) == set(low[:1500])
        assert await events.remembered(tx, "events", DAY - timedelta(days=9), asked) == {*low[:1500], *high[:2000]}
        assert await events.remembered(tx, "another", DAY, asked) == set()
        assert await events.remembered(tx, "events", DAY, []) == set()
    await api.close()
