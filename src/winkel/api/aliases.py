"""Aliases of rate cards and packages: request bodies → names over time, and what a name stands for (§4.6, §4.15)."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from winkel.api import fields
from winkel.model.alias import Alias, AliasOwner
from winkel.store import aliases as kept
from winkel.store.database import Connection


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


async def named(
    tx: Connection, tenant_id: int, owner: AliasOwner, its_id: UUID | None, alias: str | None, start: datetime
) -> tuple[str, str]:
    """Return the id of what a new contract names by its id or by its alias at the contract's start, and the place.

    Exactly one of both must be given. Raises `InvalidError`.
    """
    place = f"$.{owner.lower()}_alias"
    if alias is None:
        return str(its_id), f"$.{owner.lower()}_id"
    if its_id is not None:
        fields.refuse(f"give {owner.lower()}_id or {owner.lower()}_alias, not both", place)
    found = await kept.resolve(tx, tenant_id, owner, alias, start)
    if found is None:
        fields.refuse(f"no {owner.called} has the alias {alias!r} when the contract starts", place)
    return found, place


def _meet(one: Alias, other: Alias) -> bool:
    """Whether two assignments of one name hold at the same time."""
    if one.name != other.name:
        return False
    one_first = one.ending_before and other.starting_at and one.ending_before <= other.starting_at
    other_first = other.ending_before and one.starting_at and other.ending_before <= one.starting_at
    return not (one_first or other_first)
