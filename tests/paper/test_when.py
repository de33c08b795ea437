"""Instants as they are read in a time zone: the same instants, whatever the clocks there do."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winkel.model.errors import InvalidError
from winkel.paper.when import moment, span, zone

HOUR = timedelta(hours=1)


def at(text: str) -> datetime:
    """Return the instant of `2026-10-01` or `2026-10-01T02`, UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_times_that_are_no_days_are_told_with_hours() -> None:
    """A term may begin and end on any full hour."""
    assert span(at("2026-01-01"), at("2026-01-02")) == "2026-01-01"
    assert span(at("2026-01-01"), at("2026-01-03")) == "2026-01-01 – 2026-01-02"
    assert span(at("2026-01-01T10"), at("2026-01-02")) == "2026-01-01 10:00 – 2026-01-02 00:00 UTC"
    assert (moment(at("2026-02-01")), moment(at("2026-02-01T09"))) == ("2026-02-01", "2026-02-01 09:00 UTC")


@pytest.mark.parametrize(
    ("where", "start", "end", "told"),
    [
        # clocks change within the period: forward in spring, back in autumn, and never in India
        ("Europe/Berlin", "2026-03-01", "2026-04-01", "2026-03-01 01:00 CET – 2026-04-01 02:00 CEST"),
        ("Europe/Berlin", "2026-10-01", "2026-11-01", "2026-10-01 02:00 CEST – 2026-11-01 01:00 CET"),
        ("America/New_York", "2026-03-01", "2026-04-01", "2026-02-28 19:00 EST – 2026-03-31 20:00 EDT"),
        ("America/New_York", "2026-11-01", "2026-12-01", "2026-10-31 20:00 EDT – 2026-11-30 19:00 EST"),
        ("Asia/Kolkata", "2026-10-01", "2026-11-01", "2026-10-01 05:30 – 2026-11-01 05:30 IST"),
        # by half an hour only, and without a name of its own
        ("Australia/Lord_Howe", "2026-10-01", "2026-11-01", "2026-10-01 10:30 +10:30 – 2026-11-01 11:00 +11:00"),
        ("America/Sao_Paulo", "2026-10-01", "2026-11-01", "2026-09-30 21:00 – 2026-10-31 21:00 −03:00"),
        # a leap day, and the last day of a year
        ("America/New_York", "2028-02-29", "2028-03-01", "2028-02-28 19:00 – 2028-02-29 19:00 EST"),
        ("Asia/Kolkata", "2027-12-31T18", "2028-02-28T19", "2027-12-31 23:30 – 2028-02-29 00:30 IST"),
        # whole months there are told by their days, though one has an hour more, and another one less
        ("Europe/Berlin", "2026-09-30T22", "2026-10-31T23", "2026-10-01 – 2026-10-31"),
        ("Europe/Berlin", "2026-02-28T23", "2026-03-31T22", "2026-03-01 – 2026-03-31"),
        ("America/New_York", "2028-02-01T05", "2028-03-01T05", "2028-02-01 – 2028-02-29"),
        # the days on which clocks change are days, of 23 and of 25 hours; a part of one is not
        ("Europe/Berlin", "2026-03-28T23", "2026-03-29T22", "2026-03-29"),
        ("Europe/Berlin", "2026-10-24T22", "2026-10-25T23", "2026-10-25"),
        ("Europe/Berlin", "2026-10-24T22", "2026-10-25T22", "2026-10-25 00:00 CEST – 2026-10-25 23:00 CET"),
        # the hour that comes twice, both times
        ("Europe/Berlin", "2026-10-25T00", "2026-10-25T01", "2026-10-25 02:00 CEST – 2026-10-25 02:00 CET"),
        # midnight that comes twice, and midnight that does not come
        ("Atlantic/Azores", "2026-10-25T00", "2026-10-25T01", "2026-10-25 00:00 +00:00 – 2026-10-25 00:00 −01:00"),
        ("Africa/Cairo", "2026-04-22T22", "2026-04-23T22", "2026-04-23 00:00 EET – 2026-04-24 01:00 EEST"),
    ],
)
def test_both_sides_of_a_change_of_clocks_are_right(where: str, start: str, end: str, told: str) -> None:
    """Each instant has the time, and the name of the time, that a clock there shows at that instant."""
    assert span(at(start), at(end), zone(where)) == told


def test_an_instant_is_a_day_where_one_begins_with_it() -> None:
    """Elsewhere it has its time."""
    issued = at("2026-02-28T23")
    assert moment(issued, zone("Europe/Berlin")) == "2026-03-01"
    assert moment(issued, zone("America/New_York")) == "2026-02-28 18:00 EST"
    assert moment(issued + timedelta(minutes=7, seconds=31), zone("Asia/Kolkata")) == "2026-03-01 04:37 IST"


@given(
    st.sampled_from(sorted(available_timezones() - {"localtime", "Factory"})),
    st.integers(0, 10 * 366 * 24),
    st.integers(1, 400 * 24),
)
def test_what_is_told_names_the_same_two_instants(name: str, since: int, hours: int) -> None:
    """Whoever reads it with the clocks of the zone comes back to what was told."""
    start = at("2026-01-01") + since * HOUR
    end = start + hours * HOUR
    low, _, high = span(start, end, zone(name)).partition(" – ")
    first, last = low.split(), (high or low).split()
    if len(last) == 1:
        day = datetime.fromisoformat(last[0]) + timedelta(days=1)
        assert start == datetime.combine(datetime.fromisoformat(first[0]), time.min, ZoneInfo(name)).astimezone(UTC)
        assert end == day.replace(tzinfo=ZoneInfo(name)).astimezone(UTC)
        return
    assert start in _instants(name, *first) if len(first) == 3 else start in _instants(name, *first, last[2])
    assert end in _instants(name, *last)


def _instants(name: str, day: str, hour: str, called: str) -> list[datetime]:
    """Return the instants at which clocks there show this time of this name."""
    shown = datetime.fromisoformat(f"{day}T{hour}")
    both = [shown.replace(tzinfo=ZoneInfo(name), fold=fold) for fold in (0, 1)]
    ahead = called.replace("−", "-").replace(":", "")
    return [each.astimezone(UTC) for each in both if called == each.tzname() or ahead == f"{each:%z}"]


@pytest.mark.parametrize(
    "name",
    ["", "Berlin", "europe/berlin", "Europe", "Europe/Berlin ", "+02:00", "localtime", "Factory", "../etc/passwd",
     "/etc/localtime", "zone.tab", "right/Europe/Berlin", "posix/Europe/Berlin", "tzdata\x00", "x" * 10_000],
)  # fmt: skip
def test_what_is_no_zone_is_refused(name: str) -> None:
    """By the names of the IANA only: no file is looked for, and the machine's own setting is nobody's zone."""
    with pytest.raises(InvalidError, match="such as Europe/Berlin"):
        zone(name)


def test_utc_is_the_zone_in_which_is_billed() -> None:
    """Who names it gets what all get who name none."""
    assert zone("UTC") is UTC
