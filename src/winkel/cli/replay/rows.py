"""Files as rows of exact text: CSV, JSON lines and Parquet, a slice at a time."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    import polars as pl

Value = str | msgspec.Raw
"""A value as it stands in the file: text, or for JSON lines the JSON text of a number, truth value or object."""
SLICE = 50_000
"""Rows of a Parquet file that are in memory at once."""
csv.field_size_limit(16 * 1024 * 1024)


class Row(msgspec.Struct, frozen=True, gc=False):
    """One row. `number` counts from 1, without the header; `position` is how much of the file was read by then."""

    number: int
    position: int
    values: dict[str, Value]
    """Columns that have a value; an empty cell and a null have none."""
    problem: str | None = None
    """Why the row cannot be read at all."""


def extent(path: Path) -> int:
    """Return the size of the file in the unit of `Row.position`: rows of Parquet, else bytes."""
    if path.suffix == ".parquet":
        import polars as pl

        return int(pl.scan_parquet(path).select(pl.len()).collect().item())
    return path.stat().st_size


def columns(path: Path) -> list[str]:
    """Return the names of the columns; of a file of JSON lines, those of its first row. Raises as `rows` does."""
    if path.suffix == ".parquet":
        import polars as pl

        return pl.scan_parquet(path).collect_schema().names()
    if path.suffix == ".csv":
        with path.open("rb") as raw, _as_text(raw) as file:
            return _header(csv.reader(file, strict=True), path)
    first = next(rows(path), None)
    return list(first.values) if first is not None else []


def rows(path: Path) -> Iterator[Row]:
    """Yield all rows, in the order of the file. Raises `ValueError` for another kind of file."""
    kinds = {".csv": _csv, ".jsonl": _jsonl, ".ndjson": _jsonl, ".parquet": _parquet}
    if path.suffix not in kinds:
        raise ValueError(f"{path.name}: replay reads .csv, .jsonl, .ndjson and .parquet")
    return kinds[path.suffix](path)


def _csv(path: Path) -> Iterator[Row]:
    with path.open("rb") as raw, _as_text(raw) as file:
        reader = csv.reader(file, strict=True)
        names = _header(reader, path)
        if len(set(names)) < len(names):
            raise ValueError(f"{path.name}: two columns have the same name")
        for number, cells in enumerate(_records(reader), 1):
            position = raw.tell()
            if isinstance(cells, csv.Error):
                yield Row(number, position, {}, f"not CSV: {cells}")
            elif len(cells) != len(names):
                yield Row(number, position, {}, f"{len(cells)} cells, but the header has {len(names)}")
            else:
                yield Row(number, position, {name: cell for name, cell in zip(names, cells, strict=True) if cell})


def _as_text(raw: IO[bytes]) -> io.TextIOWrapper:
    """Return a file's text; bytes that are no UTF-8 become surrogates, so that the row that has them can be told of."""
    return io.TextIOWrapper(raw, "utf-8-sig", "surrogateescape", newline="")


def _header(reader: "Iterator[list[str]]", path: Path) -> list[str]:
    """Return the first line of a CSV file; empty for an empty one. Raises `ValueError`."""
    try:
        return next(reader, [])
    except csv.Error as error:
        raise ValueError(f"{path.name}: its first line is not CSV: {error}") from error


def _records(reader: "Iterator[list[str]]") -> Iterator[list[str] | csv.Error]:
    """Yield lines that have cells; an error in the place of one that is not CSV, after which the next line follows."""
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield error
            continue
        if cells is None:
            return
        if cells:
            yield cells


def _jsonl(path: Path) -> Iterator[Row]:
    decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
    position = number = 0
    with path.open("rb") as file:
        for line in file:
            position += len(line)
            if not line.strip():
                continue
            number += 1
            try:
                values = {name: _value(raw) for name, raw in decoder.decode(line).items()}
                yield Row(number, position, {name: value for name, value in values.items() if value is not None})
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                yield Row(number, position, {}, f"not a JSON object: {error}")


def _value(raw: msgspec.Raw) -> Value | None:
    """Return text for a JSON string, None for null, and the JSON text itself for everything else."""
    text = bytes(raw)
    if text.startswith(b'"'):
        return msgspec.json.decode(text, type=str)
    return None if text == b"null" else msgspec.Raw(text)


def _parquet(path: Path) -> Iterator[Row]:
    import polars as pl

    lazy = pl.scan_parquet(path)
    for offset in range(0, extent(path), SLICE):
        frame = lazy.slice(offset, SLICE).collect()
        texts = frame.select([_text(frame[name]) for name in frame.columns])
        for number, cells in enumerate(texts.iter_rows(), offset + 1):
            values = {name: cell for name, cell in zip(texts.columns, cells, strict=True) if cell is not None}
            yield Row(number, number, values)


def _text(series: "pl.Series") -> "pl.Series":
    """Return the column as text. Decimals and integers keep every digit, instants every microsecond, in UTC."""
    import polars as pl

    kind: Any = series.dtype
    if isinstance(kind, pl.Datetime):
        zoned = series.dt.convert_time_zone("UTC") if kind.time_zone else series
        return zoned.dt.strftime("%Y-%m-%dT%H:%M:%S%.6f")
    return series.cast(pl.String)
