"""What `winkel top` looks like: a head, the meters, the partitions; beside each other where there is room. Pure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from winkel.cli.terminal import table, text
from winkel.cli.top.numbers import MeterLine, Numbers, PartitionLine, worst

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

WIDE = 136
"""From so many columns on meters and partitions stand beside each other."""
_HEAD, _FRAME = 4, 5
"""Lines of the head, and of a table beside its rows, with one for the sum of those that have no room."""
_METERS_MOST = 8
_NAME = 16
"""Letters of a meter's name that are shown, from its end: there names differ."""
_SILENT = 3.0
_BAR = 5
_FRESH, _LATE = 1.0, 10.0
"""Up to so many seconds usage is fresh; from so many on it is late."""


def picture(numbers: Numbers, width: int, height: int | None) -> "RenderableType":
    """Return everything, for a terminal of this size; no height: everything has room."""
    from rich.console import Group
    from rich.table import Table

    room = None if height is None else max(3, height - _HEAD - _FRAME)
    if width >= WIDE:
        beside = Table.grid(padding=(0, 2))
        beside.add_row(partitions(numbers, room), meters(numbers.meters, room))
        return Group(head(numbers), beside)
    most = None if room is None else min(_METERS_MOST, max(2, room // 3))
    shown = len(numbers.meters) if most is None else min(len(numbers.meters), most)
    left = None if room is None else max(3, room - shown - _FRAME)
    return Group(head(numbers), meters(numbers.meters, most), partitions(numbers, left))


def head(numbers: Numbers) -> "RenderableType":
    """Return what holds for all."""
    from rich.console import Group

    seen = numbers.overview
    routing = f"   routing version {seen.routing}, "
    changing = f", changing to version {seen.preparing}" if seen.preparing is not None else ""
    wanted = "" if seen.desired is None else f", {seen.desired} wanted"
    shown = [
        text((seen.observation.topic, "bold"), routing, *_count(seen.routed, "partition"), (changing, "yellow")),
        text(
            "accepted ", (f"{numbers.arriving:,.0f}", "bold"), "/s   metered ", (f"{numbers.metered:,.0f}", "bold"),
            "/s   waiting ", (f"{numbers.waiting:,}", "bold"), "   freshness ", _seconds(numbers.fresh),
        ),
        text(*_count(len(seen.gateways), "gateway"), "   ", *_count(len(seen.observation.processes), "meter"), wanted),
    ]  # fmt: skip
    if seen.reason:
        shown.append(text((f"autoscaler: {seen.reason}", "dim")))
    for line in shown:
        line.no_wrap, line.overflow = True, "ellipsis"
    return Group(*shown)


def meters(lines: Sequence[MeterLine], most: int | None) -> "Table":
    """Return the meters, the busiest first where not all have room."""
    shown = table(
        "", "", "meter", "parts", "events/s", "busy", "commit", "fresh",
        right=("parts", "events/s", "commit", "fresh"),
    )  # fmt: skip
    _one_line(shown)
    number = numbered(lines)
    ordered = lines if most is None or len(lines) <= most else sorted(lines, key=lambda each: -each.busy)
    for each in ordered[:most]:
        shown.add_row(
            number[each.name],
            short(each.name) if each.silent < _SILENT else text((f"silent for {each.silent:.0f} s", "red")),
            str(each.partitions),
            f"{each.metered:,.0f}",
            _bar(each.busy),
            text(_seconds(each.commit)),
            text(_seconds(each.fresh)),
        )
    rest = ordered[most:] if most is not None else []
    if rest:
        busy = sum(each.busy for each in rest) / len(rest)
        owned, events = sum(each.partitions for each in rest), sum(each.metered for each in rest)
        shown.add_row("", text((f"{len(rest)} more", "dim")), f"{owned}", f"{events:,.0f}", _bar(busy), "", "")
    if not lines:
        shown.add_row("", text(("none is alive", "red")), "", "", "", "", "")
    return shown


def partitions(numbers: Numbers, most: int | None) -> "Table":
    """Return the partitions: all, or those that need looking at and a sum of the others."""
    shown = table(
        "", "partition", "waiting", "in/s", "out/s", "fresh", "owner",
        right=("partition", "waiting", "in/s", "out/s", "fresh"),
    )  # fmt: skip
    _one_line(shown)
    number = numbered(numbers.meters)
    first, rest = worst(numbers.partitions, len(numbers.partitions) if most is None else most)
    for each in first:
        owner = number[each.owner] if each.owner else text(("nobody", "red"))
        name = str(each.partition) if each.routed else text((f"{each.partition} (left)", "dim"))
        fresh = text(("stuck", "red") if each.stuck else _seconds(each.fresh))
        shown.add_row(name, _waiting(each.waiting), f"{each.arriving:,.0f}", f"{each.metered:,.0f}", fresh, owner)
    if rest:
        shown.add_row(*_sum(rest))
    return shown


def _sum(rest: Sequence[PartitionLine]) -> "list[str | Text]":
    """Return a row for all that have no row of their own."""
    fresh = max((each.fresh for each in rest if each.fresh is not None), default=None)
    ownerless = sum(each.owner is None for each in rest)
    return [
        text((f"{len(rest)} more", "dim")),
        _waiting(sum(each.waiting for each in rest)),
        f"{sum(each.arriving for each in rest):,.0f}",
        f"{sum(each.metered for each in rest):,.0f}",
        text(_seconds(fresh)),
        text((f"{ownerless} nobody's", "red")) if ownerless else "",
    ]


def _one_line(shown: "Table") -> None:
    """Let every row be one line, so that its height is known."""
    for column in shown.columns:
        column.no_wrap, column.overflow = True, "ellipsis"


def numbered(lines: Sequence[MeterLine]) -> dict[str, str]:
    """Return by a meter's name the short one that partitions show."""
    return {each.name: f"m{number}" for number, each in enumerate(lines, 1)}


def short(meter: str) -> str:
    """Return the end of a meter's name, without the random part that tells it from one of the same process id."""
    name = meter.rpartition(":")[0] or meter
    return name if len(name) <= _NAME else "…" + name[1 - _NAME :]


def _count(number: int, what: str) -> tuple[tuple[str, str], str]:
    return (str(number), "bold"), f" {what}{'' if number == 1 else 's'}"


def _waiting(events: int) -> "str | Text":
    return f"{events:,}" if events else text(("0", "dim"))


def _seconds(value: float | None) -> tuple[str, str]:
    """Return a time in a unit that suits it, and a colour that says whether it is long."""
    if value is None:
        return "–", "dim"
    words = f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s" if value < 100 else f"{value / 60:.0f} min"
    return words, "green" if value < _FRESH else "yellow" if value < _LATE else "red"


def _bar(share: float) -> "Text":
    """Return a share of the whole as a bar and in percent."""
    full = round(share * _BAR)
    return text("█" * full, ("░" * (_BAR - full), "dim"), f" {share:4.0%}")
