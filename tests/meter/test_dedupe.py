"""Keys are remembered for 34 days of arrival, exactly, however they are stored and merged."""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winkel.meter import actions, dedupe, runs
from winkel.meter.actions import SMALL, Memory, Shelf
from winkel.meter.dedupe import Keys
from winkel.meter.runs import BLOCK, Run
from winkel.store import database, progress

DAY = date(2026, 1, 15)

halves = st.integers(0, 3) | st.sampled_from([2**63, 2**64 - 1, 2**52 - 1, 2**52])
pairs = st.lists(st.tuples(halves, halves, st.integers(0, 2)), min_size=1, max_size=40)


def keys(rows: Sequence[tuple[int, int, int]]) -> Keys:
    """Return (first half, second half, fingerprint)s as columns."""
    high, low, prints = zip(*rows, strict=True) if rows else ((), (), ())
    return Keys(np.array(high, np.uint64), np.array(low, np.uint64), np.array(prints, np.uint32))


def many(count: int, seed: int, bucket_low: int = 0, bucket_high: int = 4096) -> Keys:
    """Return random keys of some buckets, sorted."""
    rng = np.random.default_rng(seed)
    high = rng.integers(bucket_low << 52, (bucket_high << 52) - 1, count, np.uint64, endpoint=True)
    low = rng.integers(0, 2**64 - 1, count, np.uint64, endpoint=True)
    return dedupe.merge([Keys(high, low, rng.integers(0, 2**32, count, np.uint32))])


def run(number: int, sorted_keys: Keys, day: date = DAY, level: int = 0, low: int = 0, high: int = 4096) -> Run:
    """Return a stored run."""
    return runs.new_run(low, high, day, level, sorted_keys).run(number)


@settings(max_examples=200)
@given(st.lists(pairs, min_size=1, max_size=4))
def test_the_first_of_a_key_wins_and_other_content_is_a_conflict(batches: list[list[tuple[int, int, int]]]) -> None:
    """Batch after batch equals a dict that keeps the first fingerprint of each key."""
    first: dict[tuple[int, int], int] = {}
    remembered = keys([])
    for rows in batches:
        expected = []
        for high, low, fingerprint in rows:
            known = (high, low) in first
            expected.append((not known, known and first[high, low] != fingerprint))
            first.setdefault((high, low), fingerprint)
        batch = dedupe.sort(keys(rows))
        at = dedupe.find(remembered, batch.distinct)
        known_prints = np.zeros(len(at), np.uint32)
        known_prints[at >= 0] = remembered.prints[at[at >= 0]]
        verdict = dedupe.judge(batch, at >= 0, known_prints)
        assert list(zip(verdict.fresh.tolist(), verdict.conflicting.tolist(), strict=True)) == expected
        remembered = dedupe.merge([remembered, verdict.new])
    rows = zip(remembered.high.tolist(), remembered.low.tolist(), remembered.prints.tolist(), strict=True)
    assert [((high, low), fingerprint) for high, low, fingerprint in rows] == sorted(first.items())


@given(pairs)
def test_packing_keeps_every_bit_and_the_order_of_the_keys(rows: list[tuple[int, int, int]]) -> None:
    """20 bytes a key; sorted as bytes they are sorted as keys."""
    made = dedupe.merge([keys(rows)])
    packed = made.pack()
    back = dedupe.unpack(packed)
    assert all(
        np.array_equal(a, b)
        for a, b in zip((made.high, made.low, made.prints), (back.high, back.low, back.prints), strict=True)
    )
    texts = [packed[at : at + 16] for at in range(0, len(packed), 20)]
    assert texts == sorted(texts)


@pytest.mark.parametrize(("low", "high"), [(0, 4096), (0, 1), (1365, 2731), (4095, 4096)])
def test_a_filter_never_denies_a_key_it_holds(low: int, high: int) -> None:
    """And lets through less than one percent of others, whatever its range of buckets."""
    inside, others = many(20_000, 1, low, high), many(20_000, 2, low, high)
    filter_ = dedupe.sieve(inside, low, high)
    assert filter_.holds(inside, dedupe.bits_of(inside)).all()
    assert filter_.holds(others, dedupe.bits_of(others)).mean() < 0.01


@settings(max_examples=100)
@given(st.integers(0, 3), st.integers(0, 700), st.integers(1, 900))
def test_the_blocks_of_a_key_hold_it_even_when_first_halves_repeat(spread: int, at: int, count: int) -> None:
    """Equal first halves may straddle blocks; every one of them is found."""
    rows = keys([(min(each // (200 * spread + 1), 3), each, each) for each in range(count)])
    stored = dedupe.merge([rows])
    wanted = stored.take([at % count])
    blocks = runs.blocks_for(run(1, stored), wanted)
    part = dedupe.join([stored.take(slice(block * BLOCK, (block + 1) * BLOCK)) for block in blocks])
    assert (dedupe.find(part, wanted) >= 0).all()


def test_a_key_is_remembered_for_34_days_of_arrival() -> None:
    """On the 34th day after its arrival it is a repeat, on the 35th it is new; then its run is expired."""
    old = many(10, 3)
    stored = [run(1, old)]
    last, after = DAY + timedelta(days=34), DAY + timedelta(days=35)
    assert [each.id for each, _ in runs.suspects(stored, old, last)] == [1]
    assert runs.suspects(stored, old, after) == []
    newer = [*stored, run(2, many(1, 4), last)]
    assert runs.expired(newer, 0, 4096) == []
    newest = [*stored, run(2, many(1, 4), after)]
    assert [each.id for each in runs.expired(newest, 0, 4096)] == [1]
    assert runs.expired(newest, 0, 2048) == [], "another partition has a part in it, and may lag behind"


def test_runs_are_merged_by_day_and_level_within_their_buckets() -> None:
    """Eight of one level today, everything of a day that is over, and nothing of somebody else's."""
    today, before = DAY, DAY - timedelta(days=1)
    few = many(3, 5, 0, 2048)
    seven = [run(each, few, today, 0, 0, 2048) for each in range(7)]
    assert runs.mergeable(seven, 0, 2048) == []
    assert len(runs.mergeable([*seven, run(7, few, today, 0, 0, 2048)], 0, 2048)) == 8
    assert runs.mergeable([*seven, run(7, few, today, 1, 0, 2048)], 0, 2048) == []
    assert runs.mergeable([*seven, run(7, few, today, 0, 0, 4096)], 0, 2048) == []
    closed = [run(8, few, before, 0, 0, 2048), run(9, few, before, 3, 0, 2048)]
    assert {each.id for each in runs.mergeable([*seven, *closed], 0, 2048)} == {8, 9}


def test_runs_that_are_too_large_for_one_are_merged_into_parts_of_their_range(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four of the same range; small ones wait for others of their size, so that no key is written again and again."""
    monkeypatch.setattr(runs, "KEYS_MAX", 1000)
    large = [run(each, many(300, each), level=3 + each) for each in range(4)]
    assert runs.mergeable(large[:3], 0, 4096) == []
    assert {each.id for each in runs.mergeable(large, 0, 4096)} == {0, 1, 2, 3}
    assert runs.ranges_of(large) == [(0, 1024), (1024, 2048), (2048, 3072), (3072, 4096)]
    assert runs.mergeable([*large[:3], run(4, many(100, 4))], 0, 4096) == []
    assert runs.mergeable([*large[:3], run(4, many(300, 4, 0, 1024), high=1024)], 0, 4096) == []
    narrow = [run(each, many(300, each, 5, 8), low=5, high=8) for each in range(4)]
    assert runs.mergeable(narrow, 0, 4096) == [], "three buckets have no four parts"
    small = [run(each, many(250, each), level=0) for each in range(4)]
    assert runs.ranges_of(small) == [(0, 4096)]


@pytest.mark.anyio
@pytest.mark.parametrize("seed", range(3))
async def test_every_key_is_found_however_runs_were_merged(
    database_url: str, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Of days that go on and days that are over; and however many keys there are, a bucket has few runs."""
    monkeypatch.setattr(runs, "KEYS_MAX", 500)
    connection = await database.connect(database_url)
    memory = Memory("events", "events", 16, 2048, [], Shelf())
    await progress.introduce(connection, "events")
    taken = await progress.take(connection, "events", 0, "test", start=0)
    rng = np.random.default_rng(seed)
    parts = []
    for number in range(250):
        some = many(int(rng.integers(1, 120)), number, 16, 2048)
        new = runs.new_run(16, 2048, DAY + timedelta(days=number // 200), 0, some)
        (run_id,) = await actions.insert(connection, "events", [new])
        memory.add(run_id, new)
        parts.append(new.keys)
        while await actions.merge(connection, memory, 0, taken.epoch):
            pass
    everything = dedupe.merge(parts)
    assert sum(each.keys for each in memory.runs) == len(everything) > 10_000
    loaded = await Memory.load(connection, "events", "events", 16, 2048, Shelf())
    for each in (memory, loaded):
        known, prints = await each.ask(connection, everything, DAY)
        assert known.all()
        assert np.array_equal(prints, everything.prints)
        unknown, _ = await each.ask(connection, many(5000, 1000 + seed, 16, 2048), DAY)
        assert not unknown.any()
    of_bucket = [
        sum(each.bucket_low <= bucket < each.bucket_high for each in memory.runs) for bucket in range(16, 2048)
    ]
    assert max(of_bucket) <= 20 < len(everything) / 500
    await connection.close()


@pytest.mark.anyio
async def test_a_memory_answers_the_same_from_memory_from_blocks_and_from_files(database_url, tmp_path) -> None:
    """Where the keys of a run are kept makes no difference to what is known."""
    connection = await database.connect(database_url)
    stored = many(SMALL + 1000, 6)
    await actions.insert(connection, "events", [runs.new_run(0, 4096, DAY, 2, stored)])
    probe = dedupe.merge([stored.take(slice(None, None, 9001)), many(3000, 7)])
    expected = dedupe.find(stored, probe)
    for folder in (None, tmp_path / "cache"):
        memory = await Memory.load(connection, "events", "events", 0, 4096, Shelf(folder))
        known, prints = await memory.ask(connection, probe, DAY)
        assert np.array_equal(known, expected >= 0)
        assert np.array_equal(prints[known], stored.prints[expected[known]])
        assert await memory.warm(connection) is (folder is not None)
        assert (memory.shelf.get(memory.runs[0].id) is not None) is (folder is not None)
        everything, _ = await memory.ask(connection, stored, DAY)
        assert everything.all()
        again, _ = await memory.ask(connection, probe, DAY)
        assert np.array_equal(again, known)
    assert list((tmp_path / "cache").iterdir()) == [], "the files have no names: they vanish with the process"
    await connection.close()
