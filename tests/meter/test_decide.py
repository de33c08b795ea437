"""Vectorised metering equals the slow oracle, for whatever arrives."""

from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from meter.blocks import NOON, SECRET, event, metric, records
from meter.oracle import Oracle
from winkel.ingest.block import Keying
from winkel.meter import dedupe
from winkel.meter.decide import Decision, Judged, decide
from winkel.meter.group import SeriesIds
from winkel.meter.match import plan
from winkel.meter.read import decode
from winkel.model.event import Event
from winkel.model.metric import Aggregation, BillableMetric, EventTypeFilter, PropertyFilter
from winkel.model.usage import slot_of

METRICS = [
    metric(1, Aggregation.COUNT),
    metric(2, Aggregation.SUM, "n", group_keys=(("g",), ("g", "h"))),
    metric(3, Aggregation.MAX, "n", PropertyFilter("g", exists=True)),
    metric(4, Aggregation.LATEST, "n", group_keys=(("h",),)),
    metric(5, Aggregation.UNIQUE, "u", group_keys=(("g",),)),
    metric(6, Aggregation.COUNT, None, PropertyFilter("g", in_values=("5", "a", "true"))),
    metric(
        7, Aggregation.COUNT, None, PropertyFilter("g", not_in_values=("5", "a")), PropertyFilter("h", exists=False)
    ),
    metric(8, Aggregation.SUM, "n", event_type_filter=EventTypeFilter(in_values=("call",))),
    metric(9, Aggregation.COUNT, event_type_filter=EventTypeFilter(not_in_values=("call",))),
    metric(10, Aggregation.UNIQUE, "n"),
    metric(11, Aggregation.COUNT, "n"),
]

digits = st.text("0123456789", min_size=1, max_size=38)
literals = st.one_of(
    st.integers(-10, 10).map(str),
    st.integers(-(2**63) - 1, 2**63).map(str),
    st.sampled_from(["9223372036854775807", "-9223372036854775808", "9e18", "1e12", "-0", "0e-50", "1e400", "1e-39"]),
    st.decimals(-1000, 1000, places=2).map(str),
    st.decimals(-1, 1, places=7).map(lambda each: f"{each:f}"),
    st.builds(lambda a, b: f"{int(a)}.{b}", digits, digits),
    st.builds(lambda a, b: f"{a}e{b}", st.integers(-99, 99), st.integers(-40, 40)),
)
strings = st.one_of(
    st.sampled_from(
        ["5", "5.0", "a", "true", "", " 5", "1_000", "+5", "NaN", "Infinity", "1e3", "½", "٣", "0x10", "x" * 300]
    ),
    literals,
).map(lambda text: f'"{text}"')
values = st.one_of(
    literals,
    strings,
    st.sampled_from(["5", "5.0", "5e0", "true", "false", "null", "{}", "[1]", '"a"', '"\\u0061"', '{"n": 1}']),
)
names = st.sampled_from(["n", "g", "h", "u", "other"])
events = st.builds(
    lambda number, kind, customer, hour, second, source, given: event(
        number,
        "{" + ", ".join(f'"{name}": {value}' for name, value in given.items()) + "}",
        event_type=kind,
        customer_id=customer,
        source=source,
        timestamp=NOON + timedelta(hours=hour, seconds=second),
    ),
    st.integers(0, 60),
    st.sampled_from(["call", "job"]),
    st.sampled_from(["acme", "bolt"]),
    st.integers(-800, 24) | st.just(0),
    st.integers(0, 2),
    st.sampled_from(["", "", "", "crm"]),
    st.dictionaries(names, values),
)


def decided(batches: Sequence[Sequence[Event]], metrics: Sequence[BillableMetric]) -> Decision:
    """Decode, deduplicate and decide, as the worker does, without a memory of earlier keys."""
    arrived = records(7, batches)
    reading = decode(0, arrived, arrived, {7}, Keying(SECRET, 0, 4096))
    blocks = [each.block for each in reading.arrived]
    keys = dedupe.join([dedupe.from_block(each.keys, each.fingerprints) for each in blocks])
    batch = dedupe.sort(keys)
    none = np.zeros(len(batch.distinct), np.bool_)
    verdict = dedupe.judge(batch, none, batch.distinct.prints)
    judged, start = [], 0
    for arrived in reading.arrived:
        rows = slice(start, start := start + len(arrived.block))
        judged.append(Judged(arrived, verdict.fresh[rows], verdict.conflicting[rows]))
    return decide(judged, [], {7: plan(metrics)}, IDS)


IDS = SeriesIds()


def merged(
    decision: Decision, metrics: Sequence[BillableMetric], known: dict[bytes, Any]
) -> dict[tuple[Any, ...], Any]:
    """Return the deltas in the oracle's form."""
    kinds = {each.id: each.aggregation_type for each in metrics}
    known.update({series_id: series for _, series_id, series in IDS.new()})
    found: dict[tuple[Any, ...], Any] = {}
    for delta in decision.deltas.get(7, []):
        for index, (number, hour) in enumerate(zip(delta.numbers, delta.hours, strict=True)):
            series = known[delta.series_ids[number - 1]]
            assert delta.slot == slot_of(series.customer_key)
            place = (series.metric_id, series.group_key, series.customer_key, series.group_values, hour)
            match kinds[series.metric_id]:
                case Aggregation.UNIQUE:
                    found[place] = found.get(place, frozenset()) | {delta.texts[index]}
                case Aggregation.LATEST:
                    assert place not in found
                    found[place] = (delta.ats[index], delta.texts[index], Fraction(delta.quantities[index]))
                case _:
                    assert place not in found, "one entry for each series and hour"
                    found[place] = Fraction(delta.quantities[index])
    return found


def agree(batches: Sequence[Sequence[Event]], metrics: Sequence[BillableMetric] = METRICS) -> Decision:
    """Compare with the oracle."""
    oracle = Oracle(list(metrics))
    for batch in batches:
        oracle.take(batch)
    decision = decided(batches, metrics)
    found = merged(decision, metrics, KNOWN)
    long = {place: shortened(value) for place, value in oracle.usage.items()}
    assert found == long
    letters = {(each.transaction_id, each.metric_id, each.reason) for each in decision.letters}
    assert letters == oracle.letters
    counts = [sum(getattr(each, name) for each in decision.counts) for name in ("counted", "duplicates", "conflicts")]
    assert counts == [oracle.counted, oracle.duplicates, oracle.conflicts]
    return decision


KNOWN: dict[bytes, Any] = {}


def shortened(value: Any) -> Any:
    """Return distinct values as they are kept: long ones by their hash."""
    from winkel.meter.aggregate import short

    return frozenset(short(each) for each in value) if isinstance(value, frozenset) else value


@settings(max_examples=200)
@given(st.lists(st.lists(events, min_size=1, max_size=12), min_size=1, max_size=4))
def test_any_events_give_what_the_oracle_gives(batches: list[list[Event]]) -> None:
    """All aggregations, filters and groups, over any values, with repeated and conflicting ids."""
    agree(batches)


def test_unreadable_values_concern_only_the_metrics_that_want_them() -> None:
    """A number that no decimal can hold is there, but it cannot be added up."""
    odd = [
        event(1, '{"n": 1e99999999999999999999, "g": "a"}'),
        event(3, '{"n": ' + "9" * 5000 + ', "g": "a"}'),
        event(4, {"n": 4, "g": "a"}),
    ]
    decision = decided([odd], [METRICS[0], METRICS[1], METRICS[5]])
    assert {(each.transaction_id, each.reason) for each in decision.letters} == {
        ("1", "number_too_long"),
        ("3", "number_too_long"),
    }
    assert sorted(number for each in decision.deltas[7] for number in each.quantities) == [3, 3, 4, 4]


def test_properties_that_are_no_object_are_set_aside_but_the_event_is_counted() -> None:
    """A line that somebody else's gateway wrote cannot stop the others."""
    deep = '{"g": ' + "[" * 100_000 + "]" * 100_000 + "}"
    decision = decided(
        [[event(1, "[]"), event(2, deep), event(4, '{"n": "\\ud800"}'), event(3, {"n": 1})]], [METRICS[0], METRICS[1]]
    )
    assert [(each.transaction_id, each.reason) for each in decision.letters] == [
        (each, "undecodable") for each in "124"
    ]
    assert sorted(number for each in decision.deltas[7] for number in each.quantities) == [1, 1, 4]


def test_property_names_may_be_anything() -> None:
    """Quotes, backslashes and line breaks in a name are part of it."""
    name = 'a"b\\c\n'
    agree([[event(1, {name: 2}), event(2, {"n": 3})]], [metric(1, Aggregation.SUM, name, group_keys=((name,),))])


def test_text_that_postgres_cannot_keep_is_kept_without_it() -> None:
    """A zero character in a group value or distinct value becomes U+FFFD."""
    decision = decided([[event(1, {"u": "a\0b", "g": "\0"})]], [METRICS[4]])
    assert [each.texts for each in decision.deltas[7]] == [["a\ufffdb"]]


def test_a_dead_letter_holds_the_event_as_it_can_be_sent_again() -> None:
    """Its payload is the event in the shape of /v1/ingest."""
    import msgspec

    bad = event(1, {"n": "lots"}, source="crm")
    (letter,) = decided([[bad]], [METRICS[1]]).letters
    assert msgspec.json.decode(letter.payload, type=Event) == bad
    assert (letter.partition, letter.offset, letter.index) == (0, 0, 0)


def test_archived_metrics_count_on() -> None:
    """Products that have the metric go on (metronome-api.md §4.2)."""
    agree([[event(1)]], [metric(1, Aggregation.COUNT, archived_at=NOON)])
