"""What is accepted, what is not, and where the fault is."""

import json
import re
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winkel.ingest import check as checking
from winkel.ingest.check import ARRAY, LINES, Checked, Shape, all_or_none, check
from winkel.ingest.cloudevents import BATCH, SINGLE
from winkel.model import money
from winkel.model.errors import InvalidError, TooLargeError
from winkel.model.event import EVENT_BYTES_MAX

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
DEEP = "[" * 10_000 + "]" * 10_000


def lists(levels: int) -> str:
    """Return as JSON a list in a list in a list …"""
    return "[" * levels + "]" * levels


def event(**changes: Any) -> dict[str, Any]:
    made = {
        "transaction_id": "t-1",
        "customer_id": "c-1",
        "event_type": "completion",
        "timestamp": "2026-01-15T11:59:59.5Z",
        "properties": {"tokens": 5},
        **changes,
    }
    return {name: value for name, value in made.items() if value is not None}


def text(**changes: str) -> bytes:
    """Return an event as JSON in which some values are written as they are given."""
    marked = json.dumps(event(**{name: f"<{name}>" for name in changes}))
    for name, value in changes.items():
        marked = marked.replace(f'"<{name}>"', value)
    return marked.encode()


def lines(*events: bytes) -> Checked:
    return check(b"\n".join(events), LINES, NOW, 10_000)


def test_good_events_come_out_as_they_are() -> None:
    """Every field keeps its value, properties keep their text, and the order stays."""
    body = json.dumps([event(), event(transaction_id="t-2", properties=None)]).encode()
    checked = check(body, ARRAY, NOW, 2)
    first, second = checked.events
    assert (first.transaction_id, first.customer_id, first.event_type) == ("t-1", "c-1", "completion")
    assert first.timestamp == datetime(2026, 1, 15, 11, 59, 59, 500_000, tzinfo=UTC)
    assert bytes(first.properties) == b'{"tokens": 5}'
    assert second.transaction_id == "t-2"
    assert checked.invalid == []


BAD = {
    "a timestamp without a zone": (text(timestamp='"2026-01-15T11:00:00"'), "timezone", "$[1].timestamp"),
    "a timestamp that is none": (text(timestamp='"yesterday"'), "RFC3339", "$[1].timestamp"),
    "a leap second": (text(timestamp='"2026-01-14T23:59:60Z"'), "leap seconds are not taken", "$[1].timestamp"),
    "a leap second elsewhere": (text(timestamp='"2026-01-15T00:59:60.5+01:00"'), "leap seconds", "$[1].timestamp"),
    "a number as timestamp": (text(timestamp="1768478399"), "Expected `datetime`, got `int`", "$[1].timestamp"),
    "an old timestamp": (text(timestamp='"2025-12-12T11:59:59Z"'), "34 days", "$[1].timestamp"),
    "a future timestamp": (text(timestamp='"2026-01-16T12:00:01Z"'), "24 hours", "$[1].timestamp"),
    "a timestamp of year 1": (text(timestamp='"0001-01-01T00:00:00+14:00"'), "34 days", "$[1].timestamp"),
    "a timestamp of year 9999": (text(timestamp='"9999-12-31T23:59:59-14:00"'), "24 hours", "$[1].timestamp"),
    "a number as id": (text(transaction_id="5"), "Expected `str`, got `int`", "$[1].transaction_id"),
    "null as customer": (text(customer_id="null"), "got `null`", "$[1].customer_id"),
    "an empty id": (text(transaction_id='""'), "length >= 1", "$[1].transaction_id"),
    "an empty customer": (text(customer_id='""'), "length >= 1", "$[1].customer_id"),
    "an empty event type": (text(event_type='""'), "length >= 1", "$[1].event_type"),
    "a long id": (text(transaction_id=f'"{"x" * 129}"'), "length <= 128", "$[1].transaction_id"),
    "a missing field": (json.dumps(event(customer_id=None)).encode(), "missing required field `customer_id`", "$[1]"),
    "an unknown field": (json.dumps(event(amount=1)).encode(), "unknown field `amount`", "$[1]"),
    "NUL in an id": (text(transaction_id='"a\\u0000b"'), "NUL", "$[1].transaction_id"),
    "NUL in a property": (text(properties='{"a": 1, "b": "\\u0000"}'), "NUL", "$[1].properties.b"),
    "NUL in a property's name": (text(properties='{"a\\u0000": 1}'), "NUL", "$[1].properties"),
    "properties that are a list": (text(properties="[1]"), "Expected `object`, got `array`", "$[1].properties"),
    "properties that are null": (text(properties="null"), "Expected `object`, got `null`", "$[1].properties"),
    "properties that are a number": (text(properties="7"), "Expected `object`, got `int`", "$[1].properties"),
    "1e400": (text(properties='{"a": 1, "big": 1e400}'), "number out of range", "$[1].properties.big"),
    "1e38": (text(properties='{"big": 1e38}'), "number out of range", "$[1].properties.big"),
    "1e-39": (text(properties='{"small": 1e-39}'), "number out of range", "$[1].properties.small"),
    "39 digits": (text(properties=f'{{"a": {"9" * 39}}}'), "number out of range", "$[1].properties.a"),
    "39 nines below zero": (text(properties=f'{{"a": -{"9" * 39}}}'), "number out of range", "$[1].properties.a"),
    "39 digits with a point": (text(properties=f'{{"a": 1.{"9" * 38}}}'), "number out of range", "$[1].properties.a"),
    "5000 digits": (text(properties=f'{{"a": {"9" * 5000}}}'), "number out of range", "$[1].properties.a"),
    "a long number inside": (text(properties=f'{{"a": [{{"b": {"9" * 39}}}]}}'), "out of range", "$[1].properties.a"),
    "2001 properties": (
        text(properties=json.dumps({f"p{number}": 1 for number in range(2001)})),
        "at most 2000 properties",
        "$[1].properties",
    ),
    "65 levels": (text(properties=f'{{"a": {lists(64)}}}'), "nested too deeply", "$[1].properties"),
    "900 levels": (text(properties=f'{{"b": 1, "a": {lists(899)}}}'), "nested too deeply", "$[1].properties"),
    "66 levels, in turns": (text(properties='{"a": [' * 33 + "]}" * 33), "nested too deeply", "$[1].properties"),
    "something else than an object": (b"5", "Expected `object`, got `int`", "$[1]"),
}
"""Faults of one event that leave the array readable: the text, words of the message, the place."""

BROKEN = {
    "depth 10,000": (text(properties=f'{{"a": {DEEP}}}'), "nested too deeply"),
    "NaN": (text(properties='{"a": NaN}'), "invalid character"),
    "Infinity": (text(properties='{"a": -Infinity}'), "invalid"),
    "half a surrogate pair": (text(transaction_id='"\\ud800"'), "surrogate"),
    "half a pair in a property": (text(properties='{"a": "\\udc00 "}'), "surrogate"),
    "raw NUL": (text(transaction_id='"a\x00"'), "invalid character"),
    "a trailing comma": (text(properties='{"a": 1,}'), "trailing comma"),
    "an unknown escape": (text(properties='{"a": "\\q"}'), "invalid escape"),
    "a leading zero": (text(properties='{"a": 01}'), "invalid number"),
    "a truncated event": (text()[:-9], "truncated"),
}
"""Faults after which an array cannot be read any further."""


@pytest.mark.parametrize(("bad", "words", "place"), BAD.values(), ids=BAD)
def test_one_bad_event_is_told_by_index_field_and_reason(bad: bytes, words: str, place: str) -> None:
    """The others are kept; all-or-nothing routes refuse with the same words."""
    good = text()
    for checked in (lines(good, bad, good), check(b"[" + b",".join([good, bad, good]) + b"]", ARRAY, NOW, 10)):
        assert len(checked.events) == 2
        [fault] = checked.invalid
        assert fault.index == 1
        assert words in fault.message
        assert fault.message.endswith(f" - at `{place}`"), fault.message
    with pytest.raises(InvalidError, match="event 1: ") as caught:
        all_or_none(check(b"[" + b",".join([good, bad, good]) + b"]", ARRAY, NOW, 10))
    assert words in str(caught.value)


@pytest.mark.parametrize(("bad", "words"), BROKEN.values(), ids=BROKEN)
def test_an_event_that_is_not_json_spoils_its_line_or_the_whole_array(bad: bytes, words: str) -> None:
    """Of lines only that one is refused; an array that is malformed is refused whole."""
    good = text()
    checked = lines(good, bad, good)
    assert len(checked.events) == 2
    assert [each.index for each in checked.invalid] == [1]
    assert words in checked.invalid[0].message
    with pytest.raises(InvalidError) as caught:
        check(b"[" + b",".join([good, bad, good]) + b"]", ARRAY, NOW, 10)
    assert words in str(caught.value) or "malformed" in str(caught.value) or "not JSON" in str(caught.value)


LEVELS = {
    "64 levels": f'{{"a": {lists(63)}}}',
    "64 levels of objects": '{"a": ' * 64 + "1" + "}" * 64,
    "brackets in a text": '{"a": "' + "[{" * 500 + '", "\\"]": "]"}',
    "brackets behind an escaped quote": '{"a": "\\"' + "[" * 500 + '", "b": "\\\\", "c": [[]]}',
    "lists beside each other": f'{{"a": [{"[]," * 500}[]]}}',
    "objects beside each other": f'{{"a": [{", ".join([lists(62)] * 9)}], "n": 1e5}}',
}
"""Properties of 64 levels at most, with more brackets than that or some that are none."""


@pytest.mark.parametrize("properties", LEVELS.values(), ids=LEVELS)
def test_64_levels_are_taken_however_many_brackets_there_are(properties: str) -> None:
    """Alone and among many others, in an array and in lines."""
    some = [text(properties=properties)] * 3 + [text()] * 300
    assert len(check(b"[" + b",".join(some) + b"]", ARRAY, NOW, 1000).events) == 303
    assert len(lines(*some).events) == 303


def test_the_id_of_an_invalid_event_is_given_where_it_can_be_made_out() -> None:
    """So that a sender finds it again: by id, else by position alone."""
    bad = [text(timestamp='"x"'), text(transaction_id="5"), b"{", text(transaction_id=f'"{"x" * 500}"')]
    assert [each.transaction_id for each in lines(*bad).invalid] == ["t-1", None, None, "x" * 128]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'[{"transaction_id": "\xff"}]', "UTF-8: byte 21"),
        (b"\xef\xbb\xbf[]", "not JSON"),
        (b"[" + text(), "truncated"),
        (b"{}", "Expected `array`"),
        (b"nonsense", "not JSON"),
        (b"[1,]", "not JSON"),
        (DEEP.encode(), "nested too deeply"),
    ],
)
def test_a_body_that_is_no_array_is_refused_whole(body: bytes, words: str) -> None:
    """Not UTF-8, not JSON, not an array: no event of it can be trusted."""
    with pytest.raises(InvalidError, match=words):
        check(body, ARRAY, NOW, 10)


def test_more_events_than_allowed_are_refused() -> None:
    """The number of events is limited, whether or not they are valid."""
    for each in (text(), b"{}"):
        with pytest.raises(TooLargeError, match="at most 10"):
            check(b"[" + b",".join([each] * 11) + b"]", ARRAY, NOW, 10)
        with pytest.raises(TooLargeError, match="at most 10"):
            check(b"\n".join([each] * 11), LINES, NOW, 10)


def test_lines_may_be_empty_or_end_as_windows_does() -> None:
    """Blank lines are nothing; carriage returns are white space."""
    assert len(lines(b"", text() + b"\r", b" \r", text(), b"").events) == 2


def test_a_line_is_an_event() -> None:
    """Two events on one line, or one on two, are told of and not guessed at."""
    assert [each.index for each in lines(text() + text(), text()).invalid] == [0]
    assert [each.index for each in lines(text().replace(b", ", b",\n", 1), text()).invalid] == [0, 1]


def test_the_edges_of_the_window_are_inside() -> None:
    """Exactly 34 days back and exactly 24 hours ahead are accepted."""
    edges = [NOW - timedelta(days=34), NOW + timedelta(hours=24)]
    assert len(lines(*[text(timestamp=f'"{each.isoformat()}"') for each in edges]).events) == 2
    beyond = [edges[0] - timedelta(microseconds=1), edges[1] + timedelta(microseconds=1)]
    assert len(lines(*[text(timestamp=f'"{each.isoformat()}"') for each in beyond]).invalid) == 2


@pytest.mark.parametrize(
    "properties",
    [
        "{}",
        '{"a": null, "b": true, "c": "x", "d": [1, {"e": 2}]}',
        '{"a": 1, "a": 2}',
        '{"a": -0.0, "b": 1e37, "c": 1e-38, "d": ' + "9" * 38 + "}",
        '{"id": "' + "9" * 60 + '"}',
        '{"a": "\\\\u0000", "b": "\\ud83d\\ude00", "c": "ü"}',
        json.dumps({f"p{number}": 1 for number in range(2000)}),
        '\n{\n"a":\r\n1}',
    ],
)
def test_unusual_properties_are_fine(properties: str) -> None:
    """Long texts of digits, backslashes before u0000, white space, 38 digits and 2,000 properties are all valid."""
    checked = check(b"[" + text(properties=properties) + b"]", ARRAY, NOW, 1)
    assert checked.invalid == []
    assert len(checked.events) == 1


numbers = st.one_of(
    st.integers(-(10**42), 10**42).map(str),
    st.from_regex(r"-?(0|[1-9][0-9]{0,45})(\.[0-9]{1,45})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
)


@given(numbers, st.integers(0, 16))
def test_a_number_is_accepted_if_it_fits(number: str, before: int) -> None:
    """The check of numbers is the rule of model/money.py, for every way to write one, and wherever it begins."""
    expected = money.fits(Decimal(number)) or not Decimal(number)
    checked = lines(text(properties=f'{{"{"a" * before}": {number}}}'))
    assert bool(checked.events) == expected
    if not expected:
        assert "number out of range" in checked.invalid[0].message


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


@given(st.text(max_size=40), st.recursive(st.none() | st.booleans() | st.text(), st.lists, max_leaves=5))
def test_any_text_is_accepted_or_refused_with_a_place(name: str, value: Any) -> None:
    """Whatever JSON a property is: it comes through unchanged, or the message says where."""
    for ensure_ascii in (True, False):
        body = json.dumps(event(properties={name: value}), ensure_ascii=ensure_ascii).encode("utf-8", "surrogatepass")
        if b"\xed" in body and not _is_utf8(body):
            with pytest.raises(InvalidError, match="UTF-8"):
                lines(body)
            continue
        checked = lines(body)
        if checked.invalid:
            assert "- at `$[0]" in checked.invalid[0].message
        else:
            assert json.loads(bytes(checked.events[0].properties)) == {name: value}


# ── CloudEvents ─────────────────────────────────────────────────────────────────────────────────────────────────────


def cloud(**changes: Any) -> bytes:
    made = {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/gateway/7",
        "type": "completion",
        "subject": "c-1",
        "time": "2026-01-15T11:59:59.5Z",
        "data": {"tokens": 5},
        **changes,
    }
    return json.dumps({name: value for name, value in made.items() if value is not ...}).encode()


def test_cloudevents_become_events() -> None:
    """`id` and `source` are the identity, `subject` the customer, `data` the properties; extensions are not read."""
    extended = cloud(id="e-2", traceparent="00-ab", data=..., datacontenttype="application/vnd.x+json")
    first, second = check(b"[" + cloud() + b"," + extended + b"]", BATCH, NOW, 10).events
    assert (first.transaction_id, first.source, first.customer_id) == ("e-1", "/gateway/7", "c-1")
    assert first.event_type == "completion"
    assert first.timestamp == datetime(2026, 1, 15, 11, 59, 59, 500_000, tzinfo=UTC)
    assert bytes(first.properties) == b'{"tokens": 5}'
    assert second.transaction_id == "e-2"
    assert check(cloud(), SINGLE, NOW, 10).events == [first]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (cloud(time=...), "missing required field `time`"),
        (cloud(subject=...), "missing required field `subject`"),
        (cloud(source=...), "missing required field `source`"),
        (cloud(source=""), "length >= 1 - at `$[0].source`"),
        (cloud(id="x" * 129), "length <= 128 - at `$[0].id`"),
        (cloud(specversion="0.3"), "$[0].specversion"),
        (cloud(time="2026-01-15T11:59:59"), "timezone component - at `$[0].time`"),
        (cloud(time="2025-01-15T11:59:59Z"), "34 days ago - at `$[0].time`"),
        (cloud(data="text"), "Expected `object`, got `str` - at `$[0].data`"),
        (cloud(data={"a": 10**40}), "number out of range"),
        (cloud(data={"a": 10**40}), "- at `$[0].data.a`"),
        (cloud(data_base64="aGk="), "$[0].data_base64"),
        (cloud(datacontenttype="text/xml"), "$[0].datacontenttype"),
        (cloud(id="\x00"), "NUL (\\u0000) is not allowed - at `$[0].id`"),
    ],
)
def test_cloudevents_that_lack_something_are_refused_by_name(bad: bytes, words: str) -> None:
    """What is optional in the specification and needed here is named, never guessed: least of all the time."""
    for checked in (check(bad, SINGLE, NOW, 10), check(b"[" + bad + b"]", BATCH, NOW, 10)):
        assert checked.events == []
        assert words in checked.invalid[0].message
    assert checked.invalid[0].transaction_id in {"e-1", "x" * 128, "\x00"}


# ── Bodies that are made to cost much ───────────────────────────────────────────────────────────────────────────────

BODY = 8 * 1024 * 1024 - 300
HOSTILE = {
    "a number of eight million digits": (ARRAY, '{"a":' + "1" * BODY + "}", "at most 262144 bytes"),
    "a fraction of eight million digits": (ARRAY, '{"a":1.' + "1" * BODY + "}", "at most 262144 bytes"),
    "a string of eight million characters": (ARRAY, '{"a":"' + "x" * BODY + '"}', "at most 262144 bytes"),
    "700,000 properties": (ARRAY, "{" + ",".join(f'"p{n}":1' for n in range(700_000)) + "}", "at most 262144 bytes"),
    "lists in lists": (ARRAY, '{"a":' + "[" * (BODY // 2) + "]" * (BODY // 2) + "}", "nested too deeply"),
    "large events in a line each": (LINES, '{"a":"' + "x" * BODY + '"}', "at most 262144 bytes"),
}


def with_properties(text: str) -> bytes:
    return json.dumps(event(properties=0)).replace('"properties": 0', f'"properties": {text}').encode()


@pytest.mark.parametrize(("shape", "properties", "reason"), HOSTILE.values(), ids=HOSTILE.keys())
def test_one_hostile_event_is_cheap_and_named(shape: Shape, properties: str, reason: str) -> None:
    """It is refused by size and index, and the good one beside it accepted, where the body can be read at all."""
    parts = [json.dumps(event(transaction_id="good")).encode(), with_properties(properties)]
    body = b"[" + b",".join(parts) + b"]" if shape is ARRAY else b"\n".join(parts)
    best = float("inf")
    for _ in range(3):
        began = time.thread_time()
        if "nested" in reason:
            with pytest.raises(InvalidError, match=reason):
                check(body, shape, NOW, 10_000)
        else:
            checked = check(body, shape, NOW, 10_000)
            assert [each.transaction_id for each in checked.events] == ["good"]
            ((index, identity, message),) = [
                (each.index, each.transaction_id, each.message) for each in checked.invalid
            ]
            assert (index, identity) == (1, "t-1")
            assert reason in message
        best = min(best, time.thread_time() - began)
    assert best < 0.25


MANY = {
    "zeros": (ARRAY, b"[" + b"0," * (BODY // 2) + b"0]", "at `$[0]`"),
    "empty objects": (ARRAY, b"[" + b"{}," * (BODY // 3) + b"{}]", "at `$[0]`"),
    "identities only": (ARRAY, b"[" + b'{"transaction_id":1},' * 380_000 + b"{}]", "at `$[380000]`"),
    "small events": (ARRAY, b"[" + b",".join([json.dumps(event(properties=None)).encode()] * 70_000) + b"]", "70000"),
    "small CloudEvents": (BATCH, b"[" + b",".join([b'{"id":"a"}'] * 600_000) + b"]", "600000"),
    "lines of nothing": (LINES, b"\n" * BODY, "at most 100000 lines"),
    "lines of something": (LINES, b"x\n" * (BODY // 2), "at most 100000 lines"),
}


@pytest.mark.parametrize(("shape", "body", "reason"), MANY.values(), ids=MANY.keys())
def test_a_body_of_too_many_things_is_refused_before_they_are_made(shape: Shape, body: bytes, reason: str) -> None:
    """It is counted first; in a large body the first thing that is no event at all ends that."""
    best = float("inf")
    for _ in range(3):
        began = time.thread_time()
        with pytest.raises((InvalidError, TooLargeError), match=re.escape(reason)):
            check(body, shape, NOW, 10_000)
        best = min(best, time.thread_time() - began)
    assert best < 0.25


def test_an_event_may_be_as_large_as_the_limit_and_no_larger() -> None:
    """Type and properties together count."""
    room = EVENT_BYTES_MAX - len("completion") - len('{"a":""}')
    for size, good in ((room, True), (room + 1, False)):
        checked = check(b"[" + with_properties('{"a":"' + "x" * size + '"}') + b"]", ARRAY, NOW, 1)
        assert bool(checked.events) == good
    longest = EVENT_BYTES_MAX - len('{"tokens": 5}')
    for size, good in ((longest, True), (longest + 1, False)):
        checked = check(json.dumps([event(event_type="x" * size)]).encode(), ARRAY, NOW, 1)
        assert bool(checked.events) == good


def test_no_step_of_a_check_is_a_long_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight million characters of lists in lists are read a slice at a time: a thread lets others go on in between."""
    nested = with_properties(f'{{"a":[{",".join([lists(60)] * 15)}],"b":"1e5"}}')
    read: list[int] = []

    class Watched:
        def __init__(self, decoder: Any) -> None:
            self._decoder = decoder

        def decode(self, text: bytes) -> Any:
            read.append(len(text))
            return self._decoder.decode(text)

    monkeypatch.setattr(checking, "_OBJECTS", Watched(checking._OBJECTS))
    assert len(check(b"[" + b",".join([nested] * 3_900) + b"]", ARRAY, NOW, 10_000).events) == 3_900
    assert len(read) > 20
    assert max(read) <= checking.SLICE + 2 * len(nested)


def test_slices_read_all_properties() -> None:
    """A fault in whichever slice is found."""
    good = json.dumps(event(properties={"a": "x" * 2000})).encode()
    for place in (0, 150, 299):
        parts = [good] * 300
        parts[place] = text(properties='{"a":1e99}')
        checked = check(b"[" + b",".join(parts) + b"]", ARRAY, NOW, 300)
        assert [each.index for each in checked.invalid] == [place]
        assert len(checked.events) == 299
