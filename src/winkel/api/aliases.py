"""Aliases of request bodies → names of rate cards and packages, over time (metronome-api.md §4.6, §4.15)."""

from collections.abc import Sequence

from msgspec import Struct

from winkel.api import fields
from winkel.model.rate_card import Alias


class AliasIn(Struct, forbid_unknown_fields=True):
    """A name for a time; without dates: for ever."""

    name: fields.Text
    starting_at: fields.Instant | None = None
    ending_before: fields.Instant | None = None


def aliases(asked: Sequence[AliasIn]) -> tuple[Alias, ...]:
    """Return the aliases. Raises `InvalidError` for one that ends before it starts, or a name twice at one time."""
    found: list[Alias] = []
    for index, each in enumerate(asked):
        place = f"$.aliases[{index}]"
        start = each.starting_at and fields.instant(each.starting_at, f"{place}.starting_at")
        end = each.ending_before and fields.instant(each.ending_before, f"{place}.ending_before")
        if start and end and end <= start:
            fields.refuse("ending_before must lie after starting_at", f"{place}.ending_before")
        alias = Alias(each.name, start, end)
        if any(_meet(alias, other) for other in found):
            fields.refuse(f"the alias {each.name!r} is given twice for the same time", place)
        found.append(alias)
    return tuple(found)


def _meet(one: Alias, other: Alias) -> bool:
    """Whether two assignments of one name hold at the same time."""
    if one.name != other.name:
        return False
    one_first = one.ending_before and other.starting_at and one.ending_before <= other.starting_at
    other_first = other.ending_before and one.starting_at and other.ending_before <= one.starting_at
    return not (one_first or other_first)
