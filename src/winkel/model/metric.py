"""Billable metric: how events become a number."""

from datetime import datetime

from msgspec import Struct

from winkel.model.errors import InvalidError
from winkel.model.word import Word


class Aggregation(Word):
    """How the matching events of an hour become one value (metronome-api.md §4.2)."""

    COUNT = "COUNT"
    SUM = "SUM"
    MAX = "MAX"
    LATEST = "LATEST"
    UNIQUE = "UNIQUE"


class EventTypeFilter(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which event types count."""

    in_values: tuple[str, ...] | None = None
    not_in_values: tuple[str, ...] | None = None


class PropertyFilter(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A condition on one property; all conditions of a metric must hold.

    `exists` True: the property must be there; False: it must be absent; None: either. A JSON null is absent.
    Values compare as text: the number 5 and the string "5" are the same value.
    """

    name: str
    exists: bool | None = None
    in_values: tuple[str, ...] | None = None
    not_in_values: tuple[str, ...] | None = None


class BillableMetric(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Filters, one aggregation and the group keys under which usage is kept apart (metronome-api.md §4.2).

    Only `name` ever changes. Each inner tuple of `group_keys` is one (compound) key; usage is kept for each of them.
    """

    id: str
    name: str
    aggregation_type: Aggregation
    aggregation_key: str | None = None
    event_type_filter: EventTypeFilter | None = None
    property_filters: tuple[PropertyFilter, ...] = ()
    group_keys: tuple[tuple[str, ...], ...] = ()
    custom_fields: dict[str, str] = {}
    created_at: datetime | None = None
    archived_at: datetime | None = None

    def check(self) -> None:
        """Raise `InvalidError`, with its place, if the definition contradicts itself (metronome-api.md §4.2)."""
        if self.aggregation_type is not Aggregation.COUNT and not self.aggregation_key:
            raise InvalidError(f"aggregation_key is required for {self.aggregation_type} - at `$.aggregation_key`")
        filters = {f"property_filters[{index}]": each for index, each in enumerate(self.property_filters)}
        for place, where in {"event_type_filter": self.event_type_filter, **filters}.items():
            if where is not None and (where.in_values == () or where.not_in_values == ()):
                raise InvalidError(f"a list of values must not be empty: leave it out instead - at `$.{place}`")
        named = [each.name for each in self.property_filters]
        if len(named) != len(set(named)):
            raise InvalidError("property_filters must name each property once - at `$.property_filters`")
        if self.aggregation_key and self.aggregation_key not in named:
            message = "The specified aggregation key must be one of the property filter names"
            raise InvalidError(f"{message} - at `$.aggregation_key`")
        for index, key in enumerate(self.group_keys):
            place = f"$.group_keys[{index}]"
            if not key or len(key) != len(set(key)):
                raise InvalidError(f"each of group_keys must name one or more properties, each once - at `{place}`")
            for name in key:
                if name not in named:
                    message = f"the group key {name!r} must be one of the property filter names"
                    raise InvalidError(f"{message} - at `{place}`")

    @property
    def added_key(self) -> str | None:
        """The name of the property that is added up; None for COUNT, where `aggregation_key` is not applicable.

        So the Metronome API has it: an event without that property is counted.
        """
        return None if self.aggregation_type is Aggregation.COUNT else self.aggregation_key

    @property
    def looks_at(self) -> tuple[str, ...]:
        """The names of the properties that decide what an event adds to it; none: every event of its types counts."""
        return tuple(each.name for each in self.property_filters)

    @property
    def keys(self) -> tuple[tuple[str, ...], ...]:
        """The group keys under which usage is kept: at least one, perhaps the empty key."""
        return self.group_keys or ((),)
