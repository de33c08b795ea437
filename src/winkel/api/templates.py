"""Templates: bodies of requests whose dates count from a start that is not known yet (metronome-api.md §4.15).

The template of a struct has the same fields, but offsets in place of dates. It is derived, so that whatever can be
agreed in a contract can be agreed in a package too, and is checked in the same words.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache, reduce
from operator import or_
from types import GenericAlias, UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Struct, structs
from msgspec.structs import FieldInfo

from winkel.api.schedules import ItemIn
from winkel.api.terms import CommitIn
from winkel.model.errors import InvalidError
from winkel.model.package import Duration, Offset

K = TypeVar("K", bound=Struct)

DATES: dict[str, tuple[str, type[Offset]]] = {
    "starting_at": ("starting_at_offset", Offset),
    "ending_before": ("duration", Duration),
    "timestamp": ("date_offset", Offset),
    "invoice_generation_starting_at": ("invoice_generation_starting_at_offset", Offset),
}
"""What a template has in place of a date. Other dates it does not have."""

LEFT_OUT = frozenset({"hierarchy_configuration", "initial_seat_ids", "netsuite_sales_order_id", "recurring_schedule"})
"""Fields that no template has, because they are about one customer, or because the Metronome API has none."""
LEGACY: frozenset[tuple[type[Struct], str]] = frozenset({(CommitIn, "amount"), (ItemIn, "amount")})
"""Fields that a template's schedule says better."""

_annotated: Any = Annotated  # for type checkers: what is annotated is only known at run time
_PLACE = re.compile(rf"\.({'|'.join(DATES)})\b(?=[^`]*`$)")


@cache
def template(kind: type[Struct]) -> type[Struct]:
    """Return the template of a struct, with offsets for dates, also in what it is made of.

    A struct without dates is its own template.
    """
    kept = [each for each in structs.fields(kind) if not _left_out(kind, each)]
    if len(kept) == len(structs.fields(kind)) and all(_type(each) == each.type for each in kept):
        return kind
    return derived(kind, kept, Struct)


def derived(kind: type[Struct], kept: Iterable[FieldInfo], base: type[K]) -> type[K]:
    """Return a template with the templates of these fields of a struct, beside the fields of the base."""
    some = list(kept)
    made = msgspec.defstruct(
        f"{kind.__name__}Template",
        [(name(each), _type(each), _default(each)) for each in some],
        bases=(base,),
        namespace={"of": kind, "names": {name(each): each.name for each in some}},
        forbid_unknown_fields=True,
        frozen=True,
        kw_only=True,
    )
    return cast("type[K]", made)


def name(field: FieldInfo) -> str:
    """Return what the field of a struct is called in its template."""
    return DATES[field.name][0] if _is_date(field.type) else field.name


def dated(made: Any, start: datetime, **more: Any) -> Any:
    """Return what a template, or a part of one, says for a contract that starts then; `more` are further fields."""
    if isinstance(made, list):
        return [dated(each, start) for each in made]
    kind = getattr(made, "of", None)
    if kind is None:
        return made
    values = {own: _value(made, getattr(made, each), start) for each, own in made.names.items()}
    return kind(**values, **more)


def offsets(made: Any) -> Iterator[Offset]:
    """Yield all offsets and durations of a template."""
    if isinstance(made, Offset):
        yield made
    elif isinstance(made, list):
        for each in made:
            yield from offsets(each)
    elif hasattr(made, "of"):
        for each in made.names:
            yield from offsets(getattr(made, each))


def in_template(error: InvalidError) -> InvalidError:
    """Return the error with its place as it is called in a template."""
    return InvalidError(_PLACE.sub(lambda found: f".{DATES[found[1]][0]}", str(error)))


def _value(made: Any, value: Any, start: datetime) -> Any:
    if isinstance(value, Duration):
        return value.end(start, getattr(made, "starting_at_offset", None))
    return value.after(start) if isinstance(value, Offset) else dated(value, start)


def _left_out(kind: type[Struct], field: FieldInfo) -> bool:
    if field.name in LEFT_OUT or (_is_date(field.type) and field.name not in DATES):
        return True
    return (kind, field.name) in LEGACY


def _is_date(kind: Any) -> bool:
    """Whether it is the type of a date, perhaps None."""
    return kind is datetime or any(_is_date(each) for each in _parts(kind))


def _parts(kind: Any) -> tuple[Any, ...]:
    """Return what an annotated type or a union is made of; nothing of any other type."""
    if get_origin(kind) is Annotated:
        return get_args(kind)[:1]
    return get_args(kind) if get_origin(kind) in {Union, UnionType} else ()


def _type(field: FieldInfo) -> Any:
    """Return the type that the field of a struct has in its template."""
    if not _is_date(field.type):
        return _templated(field.type)
    offset = DATES[field.name][1]
    return offset | None if type(None) in _parts(field.type) else offset


def _templated(kind: Any) -> Any:
    """Return the type with templates in place of structs."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _annotated[(_templated(arguments[0]), *arguments[1:])]
    if origin is list:
        return GenericAlias(list, (_templated(arguments[0]),))
    if origin in {Union, UnionType}:
        return reduce(or_, [_templated(each) for each in arguments])
    return template(kind) if isinstance(kind, type) and issubclass(kind, Struct) else kind


def _default(field: FieldInfo) -> Any:
    """Return the default of a field in the template."""
    default = field.default
    if isinstance(default, Struct):
        made = cast("Any", template(type(default)))
        if made is not type(default):
            default = made(**{each: getattr(default, own) for each, own in made.names.items()})
    if field.default_factory is not NODEFAULT:
        return msgspec.field(default_factory=field.default_factory)
    return msgspec.field(default=default)
