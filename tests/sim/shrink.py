"""The smallest case that still fails, found by leaving parts out, and how it looks to people."""

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo, fields, replace

from sim.compare import short
from sim.world import Case


def smallest(case: Case, fails: Callable[[Case], bool]) -> Case:
    """Return a case from which nothing can be left out without making it pass."""
    found = case
    again = True
    while again:
        again = False
        for other in _smaller(found):
            if fails(other):
                found, again = other, True
                break
    return found


def _smaller(value: Any) -> Iterator[Any]:
    """Yield the value with one part left out, or put back to its default, at any depth; large parts first."""
    if isinstance(value, Struct):
        for field in fields(value):
            own = getattr(value, field.name)
            default = _default(field)
            if default is not NODEFAULT and own != default and not isinstance(own, list):
                yield replace(value, **{field.name: default})
            elif own is not None and field.name == "ending_before":
                yield replace(value, **{field.name: None})
            for other in _smaller(own):
                yield replace(value, **{field.name: other})
    elif isinstance(value, (list, tuple)):
        made, parts = type(value), list(value)
        for index in range(len(parts)):
            yield made(parts[:index] + parts[index + 1 :])
        for index, part in enumerate(parts):
            for other in _smaller(part):
                yield made([*parts[:index], other, *parts[index + 1 :]])


def _default(field: FieldInfo) -> Any:
    return field.default if field.default_factory is NODEFAULT else field.default_factory()


def dump(case: Case) -> str:
    """Return a case as text: a line for each thing, without what is empty."""
    looks = ", ".join(map(short, case.looks))
    found = [f"seed {case.seed}, looked at {looks}; grace {case.grace}; cards {short(case.tenant.cards)}"]
    lists = [getattr(case.tenant, field.name) for field in fields(case.tenant)]
    found += [short(each) for some in lists if isinstance(some, list) for each in some]
    return "\n".join([*found, *map(short, case.counted)]) + "\n"
