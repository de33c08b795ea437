"""Edges of metering, one by one: repeats of what cannot be read, bounds, suspicion, merging."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import permutations

import numpy as np

from meter.blocks import event, metric
from meter.test_decide import decided
from winkel.log.log import Record
from winkel.meter.caution import AGAIN, ALONE, Caution, after_death
from winkel.meter.decide import SAMPLES, UNDECODABLE, decide
from winkel.meter.dedupe import Keys
from winkel.meter.group import SeriesIds
from winkel.meter.match import passing
from winkel.meter.properties import Texts
from winkel.meter.quantities import quantities
from winkel.meter.read import refuse
from winkel.meter.runs import FAN, Run, mergeable, new_run
from winkel.meter.windows import value_of
from winkel.model.batch import BUCKETS
from winkel.model.metric import Aggregation, PropertyFilter
from winkel.model.usage import HourUsage

AT = datetime(2026, 1, 15, 12, tzinfo=UTC)


def test_a_repeat_that_cannot_be_read_makes_no_second_letter() -> None:
    """`_metered`: `if batch.fresh[row]`. The first one is set aside; retried, each letter would count."""
    some = [event(1, "[]"), event(1, "[]"), event(2, {"n": 1})]
    decision = decided([some], [metric(2, Aggregation.SUM, "n")])
    assert [(each.transaction_id, each.reason) for each in decision.letters] == [("1", UNDECODABLE)]


def test_the_letter_of_a_record_counts_all_of_its_events() -> None:
    """`_counts`: `letter.events`, not one."""
    refused = refuse(0, Record(7, 0, 0, 5, 1, AT, b"?"), {7}, UNDECODABLE, "?").refused
    (count,) = decide([], refused, {}, SeriesIds()).counts
    assert count.dead_letters == 5


def test_samples_of_conflicts_are_bounded_for_the_batch() -> None:
    """`decide`: `conflicts[:SAMPLES]`, of all records together; all are counted."""
    first = [event(number, {"n": 0}) for number in range(SAMPLES)]
    others = [[event(number, {"n": again}) for number in range(SAMPLES)] for again in (1, 2)]
    decision = decided([first, *others], [])
    assert len(decision.conflicts) == SAMPLES
    assert sum(each.conflicts for each in decision.counts) == 2 * SAMPLES


def test_the_last_meter_that_a_record_kills_is_the_sixth() -> None:
    """`guilty`: `tries >= AGAIN + ALONE`. The documented 6 + log₂ n deaths; the tests of it allow one more."""
    record = Record(1, 0, 0, 1, 1, AT, b"")
    assert not Caution(AGAIN + ALONE - 1, 1).guilty(record)
    assert Caution(AGAIN + ALONE, 1).guilty(record)


def test_absent_may_stand_beside_a_list_of_values() -> None:
    """`passing`: `present == exists`, not `present`."""
    column = Texts(np.arange(3), [None, "a", "b"], np.array([False, True, True]))
    where = PropertyFilter("g", exists=False, not_in_values=("a",))
    assert passing(where, column).tolist() == [True, False, False]


def test_of_two_latest_values_with_one_id_at_one_instant_the_larger_counts() -> None:
    """`moment`: the value decides when two sources use one transaction id; whichever row comes first."""
    rows = [HourUsage("acme", (), 5, value=Decimal(value), at=7, text="id") for value in (1, 2)]
    for some in permutations(rows):
        assert quantities(Aggregation.LATEST, some, (), ()) == {(): [(5, Decimal(2))]}
        assert value_of(Aggregation.LATEST, some) == 2


def test_a_transaction_id_that_postgres_cannot_keep_stops_no_batch() -> None:
    """`_latest`: `clean`."""
    decision = decided([[event("a\0b", {"n": 1})]], [metric(4, Aggregation.LATEST, "n")])
    (delta,) = decision.deltas[7]
    assert list(delta.texts or ()) == ["a\ufffdb"]


def test_a_death_between_batches_takes_back_no_suspicion() -> None:
    """`after_death`: `before if before.tries`; or else a record that is nearly found would have to be found again."""
    assert after_death(Caution(AGAIN + 1, 9), None) == Caution(AGAIN + 1, 9)
    assert after_death(Caution(), None) == Caution(1)


def test_a_run_that_reaches_into_another_partition_is_never_merged() -> None:
    """`mergeable`: of these buckets only; the other partition would lose what it remembers."""
    some = [_run(number, 0, BUCKETS) for number in range(FAN)]
    assert mergeable(some, 0, BUCKETS) == some
    assert mergeable(some, 0, BUCKETS // 2) == []


def _run(number: int, low: int, high: int) -> Run:
    none = Keys(np.zeros(0, np.uint64), np.zeros(0, np.uint64), np.zeros(0, np.uint32))
    return new_run(low, high, AT.date(), 0, none).run(number)
