"""Files as rows of exact text."""

import csv
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import polars as pl
import pytest

from winkel.cli.replay.rows import columns, extent, rows


def test_csv_is_text_and_a_broken_row_is_told_of(tmp_path: Path) -> None:
    """Cells stay as they are; a row of another length does not end the file; empty cells and lines are nothing."""
    file = tmp_path / "a.csv"
    file.write_bytes(b'\xef\xbb\xbfat,n\r\n2026-01-15,1.10\r\n\r\n"x,y",\r\n1,2,3\r\n2026-01-16,007\r\n')
    found = list(rows(file))
    assert [each.values for each in found] == [
        {"at": "2026-01-15", "n": "1.10"},
        {"at": "x,y"},
        {},
        {"at": "2026-01-16", "n": "007"},
    ]
    assert [each.number for each in found] == [1, 2, 3, 4]
    assert found[2].problem == "3 cells, but the header has 2"
    assert columns(file) == ["at", "n"]
    assert found[-1].position == extent(file)


def test_csv_that_is_broken_ends_at_its_row(tmp_path: Path) -> None:
    """A field beyond all measure, text behind a closing quote, one never closed: each is a row with a reason."""
    file = tmp_path / "a.csv"
    long = "x" * (csv.field_size_limit() + 1)
    file.write_text(f'at,n\n1,a\n2,"{long}"\n3,b\n4,"c"d\n5,e\n6,"f\n7,g\n')
    found = list(rows(file))
    assert [each.values.get("n") for each in found] == ["a", None, "b", None, "e", None]
    reasons = [each.problem for each in found if each.problem]
    assert [each.partition(":")[0] for each in reasons] == ["not CSV"] * 3
    assert [word in each for word, each in zip(("limit", "expected", "end of data"), reasons, strict=True)] == [
        True
    ] * 3
    file.write_text('"at,n\n')
    with pytest.raises(ValueError, match="its first line is not CSV"):
        columns(file)


def test_bytes_that_are_no_utf8_do_not_hide_the_columns(tmp_path: Path) -> None:
    """They become surrogates, by which the row is recognised."""
    file = tmp_path / "a.csv"
    file.write_bytes(b"at,n\n2026-01-15,\xff\n")
    assert columns(file) == ["at", "n"]
    assert [each.values["n"] for each in rows(file)] == ["\udcff"]


def test_json_lines_without_any_or_too_deep_are_no_trouble(tmp_path: Path) -> None:
    """A file of blank lines has no rows; a line that nests without end is one that cannot be read."""
    file = tmp_path / "a.jsonl"
    file.write_text("\n  \n")
    assert (list(rows(file)), columns(file)) == ([], [])
    deep = 100_000
    file.write_text(f'{{"n": {"[" * deep}{"]" * deep}}}\n{{"n": 1}}\n')
    first, second = rows(file)
    assert first.problem is not None
    assert second.values == {"n": msgspec.Raw(b"1")}


def test_json_lines_keep_numbers_as_written(tmp_path: Path) -> None:
    """Numbers are JSON text, strings are text, null is nothing; a broken line does not end the file."""
    file = tmp_path / "a.jsonl"
    file.write_text('{"n": 0.10000000000000000001, "s": "\\u00e9", "z": null}\n\nnope\n{"n": 1e400}\n')
    first, broken, last = rows(file)
    assert first.values == {"n": msgspec.Raw(b"0.10000000000000000001"), "s": "é"}
    assert broken.problem is not None
    assert broken.number == 2
    assert last.values == {"n": msgspec.Raw(b"1e400")}
    assert last.position == extent(file)


def test_parquet_keeps_decimals_integers_and_instants(tmp_path: Path) -> None:
    """Decimals and 64-bit integers keep every digit; instants are UTC and exact to the microsecond."""
    file = tmp_path / "a.parquet"
    pl.DataFrame(
        {
            "at": pl.Series(
                [datetime(2026, 1, 15, 12, 0, 0, 123456, UTC), None], dtype=pl.Datetime("us", "Europe/Berlin")
            ),
            "d": pl.Series([Decimal("12345678901234567890.123456789"), None], dtype=pl.Decimal(38, 9)),
            "i": pl.Series([2**63 - 1, 0], dtype=pl.Int64),
            "s": ["a", None],
        }
    ).write_parquet(file)
    first, second = rows(file)
    assert first.values == {
        "at": "2026-01-15T12:00:00.123456", "d": "12345678901234567890.123456789", "i": "9223372036854775807", "s": "a",
    }  # fmt: skip
    assert second.values == {"i": "0"}
    assert columns(file) == ["at", "d", "i", "s"]
    assert extent(file) == 2


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    """The sentence lists what can be read."""
    with pytest.raises(ValueError, match=r"\.parquet"):
        rows(tmp_path / "a.xlsx")
