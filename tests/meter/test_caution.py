"""A record that kills its meters is found among many, costs few lives, and no other record is blamed."""

import math
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from winkel.log.log import Record
from winkel.meter.caution import AGAIN, ALONE, Caution, after_death, apart

AT = datetime(2026, 1, 15, 12, tzinfo=UTC)


def records(count: int) -> list[Record]:
    return [Record(1, 0, offset, 1, 1, AT, b"") for offset in range(count)]


def live(log: list[Record], killers: set[int], share: int) -> tuple[int, set[int], int]:
    """Meter a log as meters do that die of some records; return how many died, what was set aside, and all batches."""
    deaths, batches, aside = 0, 0, set[int]()
    position, caution = 0, Caution()
    while position < len(log):
        batches += 1
        read = log[position : position + share]
        if caution.guilty(read[0]):
            aside.add(position)
            batch = read[:1]
        else:
            batch = caution.chosen(read)
            noted = batch[-1].next_offset if caution.tries else None
            if killers & {each.offset for each in batch}:
                deaths += 1
                caution = after_death(caution, noted)
                continue
        position = batch[-1].next_offset
        caution = caution.passed(position)
        assert batches < 100_000
    return deaths, aside, batches


@given(st.integers(1, 600), st.integers(1, 600), st.data())
def test_one_killer_is_found_and_nobody_else_is_blamed(count: int, share: int, data: st.DataObject) -> None:
    """However many records there are and however many a read returns, within 6 + log₂ n deaths."""
    killer = data.draw(st.integers(0, count - 1))
    deaths, aside, _ = live(records(count), {killer}, share)
    assert aside == {killer}
    assert deaths <= AGAIN + ALONE + math.ceil(math.log2(min(count, share))) + 1


@given(st.sets(st.integers(0, 199), max_size=6), st.integers(1, 200))
def test_several_killers_are_each_found(killers: set[int], share: int) -> None:
    """Each at its own price; the others are all counted."""
    deaths, aside, _ = live(records(200), killers, share)
    assert aside == killers
    assert deaths <= len(killers) * (AGAIN + ALONE + 9)


def test_without_deaths_nothing_is_cautious() -> None:
    """All that was read is a batch."""
    log = records(100)
    assert live(log, set(), 40) == (0, set(), 3)


def test_a_death_between_batches_blames_nobody() -> None:
    """The first counts, because nothing was noted then; those after it must come in the middle of a batch."""
    caution = Caution()
    for _ in range(50):
        caution = after_death(caution, None)
    assert caution == Caution(1)
    assert not caution.guilty(records(1)[0])


def test_what_kills_by_chance_is_forgotten() -> None:
    """Once the suspects are passed all is as before, whatever had happened."""
    caution = after_death(after_death(after_death(Caution(), None), 8), 8)
    assert caution == Caution(3, 8)
    assert len(caution.chosen(records(20))) == 4
    assert caution.passed(4) == caution, "the killer is among the others"
    assert caution.passed(8) == Caution()


def test_partitions_without_suspicion_share_a_batch_and_the_others_do_not() -> None:
    """Or a death would be blamed on records of partitions that have nothing to do with it."""
    cautions = {0: Caution(), 1: Caution(5, 9), 2: Caution(), 3: Caution(1)}
    assert list(apart(cautions)) == [[0, 2], [3], [1]]
