"""Instants in words, in the time zone in which somebody reads them. It is a matter of looks: what is billed is in UTC.

Zones are those of the IANA, by name; when clocks change in them is told by the system's data, or by the package tzdata.
"""

from datetime import UTC, datetime, time, timedelta, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from winkel.model.errors import InvalidError

_NO_PLACES = {"localtime", "Factory"}
"""Files among the zones that say what a machine is set to, or that nobody has set it."""


def zone(name: str) -> tzinfo:
    """Return the time zone of an IANA name. Raises `InvalidError` for any other name."""
    if name == str(UTC):
        return UTC
    if name not in _names():
        raise InvalidError("no such time zone: give an IANA name such as Europe/Berlin or America/New_York")
    return ZoneInfo(name)


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones() - _NO_PLACES)


def moment(at: datetime, where: tzinfo = UTC) -> str:
    """Return an instant as its day there, with the time where it is not the one with which the day begins."""
    local = at.astimezone(where)
    return f"{local:%Y-%m-%d}" if _begins_day(local) else _with_time(local)


def span(start: datetime, end: datetime, where: tzinfo = UTC) -> str:
    """Return a half-open time as its first and last day there, or with times where it does not begin and end with one.

    The time behind the change of a clock has another abbreviation, or offset, than the one before, so both are told.
    """
    first, after = start.astimezone(where), end.astimezone(where)
    if not (_begins_day(first) and _begins_day(after)):
        low = _with_time(first) if first.utcoffset() != after.utcoffset() else f"{first:%Y-%m-%d %H:%M}"
        return f"{low} – {_with_time(after)}"
    last = after.date() - timedelta(days=1)
    return f"{first:%Y-%m-%d}" if last == first.date() else f"{first:%Y-%m-%d} – {last:%Y-%m-%d}"


def _begins_day(local: datetime) -> bool:
    """Whether a day begins: where clocks are set back to midnight, the second one is an hour into it."""
    return local.time() == time.min and not local.fold


def _with_time(local: datetime) -> str:
    return f"{local:%Y-%m-%d %H:%M} {_offset(local)}"


def _offset(local: datetime) -> str:
    """Return what people there call their time, CEST, or where it has no name how far it is from UTC: +10:30."""
    name = local.tzname() or ""
    ahead = local.strftime("%z")
    return name if name.isalpha() else f"{ahead[:3].replace('-', '−')}:{ahead[3:5]}"
