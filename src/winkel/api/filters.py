"""Usage filters of request bodies → usage filters of a contract, and back (metronome-api.md §4.7, §10.1)."""

from datetime import datetime
from itertools import zip_longest
from typing import Annotated

from msgspec import Meta, Struct

from winkel.api import fields
from winkel.model.contract import Contract, UsageFilter

VALUES_MAX = 1000
"""The most values of one filter."""


class UsageFilterIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which usage counts; without `starting_at` from the contract's start."""

    group_key: fields.Text
    group_values: Annotated[list[str], Meta(min_length=1, max_length=VALUES_MAX)]
    starting_at: fields.Instant | None = None


class UsageFilterView(Struct, omit_defaults=True, kw_only=True):
    """A usage filter on the wire."""

    group_key: str
    group_values: tuple[str, ...]
    starting_at: datetime
    ending_before: datetime | None = None


class UsageFiltersV1View(Struct, omit_defaults=True, kw_only=True):
    """The usage filters of a contract in the shape of V1."""

    initial: UsageFilterView
    updates: list[UsageFilterView]
    current: UsageFilterView | None = None


def usage_filter(asked: UsageFilterIn, start: datetime, place: str) -> UsageFilter:
    """Return the filter of a new contract that starts then. Raises `InvalidError`."""
    since = start if asked.starting_at is None else fields.hour(asked.starting_at, f"{place}.starting_at")
    return UsageFilter(asked.group_key, tuple(asked.group_values), since)


def filter_views(contract: Contract) -> list[UsageFilterView]:
    """Return the usage filters of a contract for the wire, by time."""
    every = contract.filters()
    return [
        filter_view(each, following.starting_at if following else None)
        for each, following in zip_longest(every, every[1:])
    ]


def filter_view(made: UsageFilter, end: datetime | None = None) -> UsageFilterView:
    """Return a usage filter for the wire, which holds until then."""
    return UsageFilterView(
        group_key=made.group_key, group_values=made.group_values, starting_at=made.starting_at, ending_before=end
    )


def filters_v1(contract: Contract, at: datetime) -> UsageFiltersV1View | None:
    """Return the usage filters of a contract in the shape of V1, with the one that holds at the instant."""
    every = filter_views(contract)
    if not every:
        return None
    begun = [each for each in every if each.starting_at <= at]
    return UsageFiltersV1View(initial=every[0], updates=every[1:], current=begun[-1] if begun else None)
