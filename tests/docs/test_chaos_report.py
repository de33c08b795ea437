"""The page of the chaos tests: the same run gives the same files."""

from pathlib import Path

from chaos import report
from chaos.figures import Series


def test_a_drawing_has_the_same_bytes_each_time(tmp_path: Path) -> None:
    """Written twice, a report differs where the figures do and nowhere else."""
    series = Series("Lag", "seconds", points=[(0.0, 1.0), (1.0, 3.0), (2.0, 2.0)], marks=[(1.0, "killed")])
    for name in ("one.svg", "two.svg"):
        report.draw(series, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
