"""Named SQL statements: `store/usage.sql` beside `store/usage.py`."""

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import LiteralString, TypeVar, cast

K = TypeVar("K")
V = TypeVar("V")
_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


@cache
def statements(package: str, file: str) -> dict[str, LiteralString]:
    """Return the statements of an SQL file by name.

    The file is a series of `-- name: <word>` lines, each followed by a comment that says what the statement is for,
    and the statement. Parameters are `%(name)s`; text never becomes SQL in any other way.
    """
    text = resources.files(package).joinpath(file).read_text(encoding="utf-8")
    parts = _NAME.split(text)[1:]
    names = parts[::2]
    assert len(names) == len(set(names)), f"{file} names a statement twice"
    return {name: cast("LiteralString", body.strip()) for name, body in zip(names, parts[1::2], strict=True)}


class Queries:
    """The statements of one file as attributes: `sql = Queries(__name__)`, then `sql.find`."""

    def __init__(self, module: str) -> None:
        package, _, name = module.rpartition(".")
        self._statements = statements(package, f"{name}.sql")

    def __getattr__(self, name: str) -> LiteralString:
        try:
            return self._statements[name]
        except KeyError:
            raise AttributeError(name) from None


def grouped(pairs: Iterable[tuple[K, V]]) -> dict[K, tuple[V, ...]]:
    """Return the values by key, in their order."""
    found: dict[K, list[V]] = defaultdict(list)
    for key, value in pairs:
        found[key].append(value)
    return {key: tuple(values) for key, values in found.items()}
