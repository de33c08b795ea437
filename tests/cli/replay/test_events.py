"""Rows to events: exact instants, and transaction ids that make a replay safe to repeat."""

import random
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from winkel.cli.replay.events import Mapping, Occurrences, Source, check_window, instant, line, transaction_ids, usage
from winkel.cli.replay.rows import Row

MAPPING = Mapping(
    timestamp="at", customer=Source.parse("@who"), event_type=Source.parse("llm.request"), properties={"tokens": "n"}
)


def row(number: int, who: str, n: str, at: str = "2026-01-15 12:00:00") -> Row:
    return Row(number, number, {"at": at, "who": who, "n": n})


def ids(rows: list[Row], *, batch: int = 1000, mapping: Mapping = MAPPING) -> list[str]:
    """Return the transaction ids of rows that are sent in batches."""
    occurrences, found = Occurrences(), []
    for first in range(0, len(rows), batch):
        found += transaction_ids([usage(each, mapping) for each in rows[first : first + batch]], occurrences)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2023-11-16 18:15:46.6805900", datetime(2023, 11, 16, 18, 15, 46, 680590, UTC)),
        ("2023-11-16 18:15:46.6805909", datetime(2023, 11, 16, 18, 15, 46, 680590, UTC)),
        ("2023-11-16T18:15:46Z", datetime(2023, 11, 16, 18, 15, 46, 0, UTC)),
        ("2023-11-16T18:15:46.000001+02:00", datetime(2023, 11, 16, 16, 15, 46, 1, UTC)),
        (" 2023-11-16 ", datetime(2023, 11, 16, tzinfo=UTC)),
    ],
)
def test_an_instant_is_exact_to_the_microsecond(text: str, expected: datetime) -> None:
    """Digits beyond the microsecond are cut off; without a zone it is UTC."""
    assert instant(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2023-13-01 00:00:00", "18:15:46", "0001-01-01T00:00+10:00", "9999-12-31T23:59:59-10:00"],
)
def test_what_is_no_instant_is_refused(text: str) -> None:
    """The sentence repeats the text."""
    with pytest.raises(ValueError, match="is not a timestamp"):
        instant(text)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("12")), max_size=60), st.integers(1, 7), st.randoms())
def test_ids_are_the_same_however_the_file_is_ordered_and_cut(
    pairs: list[tuple[str, str]], batch: int, dice: random.Random
) -> None:
    """No two rows of a file share an id, and neither batches nor the order of rows change the set of ids."""
    rows = [row(number, who, n) for number, (who, n) in enumerate(pairs, 1)]
    found = ids(rows)
    assert len(set(found)) == len(rows)
    assert ids(rows, batch=batch) == found
    dice.shuffle(rows)
    assert sorted(ids(rows, batch=batch)) == sorted(found)


@given(st.lists(st.sampled_from("12345"), max_size=40), st.integers(0, 40))
def test_a_longer_export_repeats_the_ids_of_a_shorter_one(numbers: list[str], cut: int) -> None:
    """What was appended to a file since bills; what was there before does not bill again."""
    rows = [row(number, "a", n) for number, n in enumerate(numbers, 1)]
    assert ids(rows)[:cut] == ids(rows[:cut])


def test_ids_do_not_depend_on_the_shift_and_do_on_everything_a_row_says() -> None:
    """Moving time does not make new events; another customer, type, instant or value does."""
    base = row(1, "a", "1")
    (first,) = ids([base])
    what = usage(base, MAPPING)
    moved = msgspec.json.decode(line(what, first, timedelta(days=3)))
    assert moved["transaction_id"] == first
    assert moved["timestamp"] == "2026-01-18T12:00:00Z"
    others = [row(1, "b", "1"), row(1, "a", "2"), row(1, "a", "1", "2026-01-15 12:00:00.000001")]
    other_type = msgspec.structs.replace(MAPPING, event_type=Source.parse("other"))
    assert len({first, *(ids([each])[0] for each in others), *ids([base], mapping=other_type)}) == 5
    assert ids([msgspec.structs.replace(base, number=7)]) == [first]


def test_a_column_of_ids_is_taken_as_it_is() -> None:
    """With --id nothing is made up."""
    mapping = msgspec.structs.replace(MAPPING, id="n")
    assert ids([row(1, "a", "x-1"), row(2, "a", "x-2")], mapping=mapping) == ["x-1", "x-2"]


def test_values_keep_every_digit() -> None:
    """Text stays text; the number of a JSON file stays that number, not what a float makes of it."""
    precise = msgspec.Raw(b"0.1000000000000000000000000000001")
    what = usage(Row(1, 1, {"at": "2026-01-15", "who": "a", "n": precise}), MAPPING)
    assert b'"tokens":0.1000000000000000000000000000001}' in line(what, "id", timedelta(0))


def test_an_empty_cell_is_no_property() -> None:
    """It is left out, not sent as an empty text."""
    what = usage(Row(1, 1, {"at": "2026-01-15", "who": "a"}), MAPPING)
    assert msgspec.json.decode(line(what, "id", timedelta(0)))["properties"] == {}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"who": "a", "n": "1"}, "column 'at' is empty"),
        ({"at": "2026-01-15", "n": "1"}, "column 'who' is empty"),
        ({"at": "2026-01-15", "who": "x" * 129}, "128"),
        ({"at": "2026-01-15", "who": "a\udcff"}, "UTF-8"),
        ({"at": "2026-01-15", "who": "a", "n": "1\udcff"}, "UTF-8"),
    ],
)
def test_a_row_that_cannot_be_an_event_says_why(values: dict[str, str], reason: str) -> None:
    """The reason names the column or the limit."""
    with pytest.raises(ValueError, match=reason):
        usage(Row(1, 1, dict(values)), MAPPING)


@pytest.mark.parametrize(
    "mapping",
    [
        msgspec.structs.replace(MAPPING, event_type=Source("n")),
        msgspec.structs.replace(MAPPING, id="n"),
        msgspec.structs.replace(MAPPING, properties={"\udcff": "who"}),
    ],
    ids=["event type", "transaction id", "name of a property"],
)
def test_what_is_no_utf8_is_refused_wherever_it_stands(mapping: Mapping) -> None:
    with pytest.raises(ValueError, match="it is not UTF-8"):
        usage(row(1, "a", "\udcff"), mapping)


def test_what_the_gateway_would_not_take_is_told_before() -> None:
    """More than 34 days ago or 24 hours ahead; and what to do about it."""
    now = datetime(2026, 1, 15, tzinfo=UTC)
    check_window(now - timedelta(days=34), now)
    check_window(now + timedelta(hours=24), now)
    with pytest.raises(ValueError, match="--shift-to now"):
        check_window(now - timedelta(days=34, microseconds=1), now)
    with pytest.raises(ValueError, match="ahead"):
        check_window(now + timedelta(hours=24, microseconds=1), now)


def test_a_source_is_a_constant_or_a_column() -> None:
    """@@ makes a constant that begins with @."""
    assert Source.parse("@who") == Source("who")
    assert Source.parse("@@who") == Source(None, "@who")
    assert Source.parse("acme") == Source(None, "acme")
