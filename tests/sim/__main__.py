"""Compares pricing with the oracle, as often as asked for, on every core: PYTHONPATH=tests python -m sim --help."""

import os
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sim.features import EXPECTED
from sim.pricing import DifferenceError, check

CHUNK = 200
"""Seeds of one task."""


def main() -> int:
    """Run, and return how many differ."""
    parser = ArgumentParser(prog="python -m sim", description="Compare Winkel's pricing with a slow oracle.")
    parser.add_argument("--contracts", type=int, default=int(os.environ.get("WINKEL_CONTRACTS", "1000000")))
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="this seed only")
    asked = parser.parse_args()
    console = Console()
    if asked.seed is not None:
        seen, problems = some([asked.seed])
    else:
        seen, problems = all_of_them(asked.first, asked.contracts, console)
    for problem in problems:
        console.print(problem, markup=False, highlight=False)
    _summary(console, seen, problems, whole=asked.seed is None)
    return len(problems)


def some(seeds: Iterable[int]) -> tuple[Counter[str], list[str]]:
    """Check seeds; return their features, and what differs."""
    seen, problems = Counter[str](), []
    for seed in seeds:
        try:
            seen += check(seed)
        except DifferenceError as error:
            problems.append(f"{error}\n{error.__cause__ or ''}")
    return seen, problems


def all_of_them(first: int, contracts: int, console: Console) -> tuple[Counter[str], list[str]]:
    """Check seeds from the first one on, until there were so many contracts."""
    seen, problems = Counter[str](), []
    columns = TextColumn("contracts"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    cores = os.cpu_count() or 1
    with Progress(*columns, console=console) as progress, ProcessPoolExecutor(cores) as pool:
        bar = progress.add_task("", total=contracts)
        running: set[Future[tuple[Counter[str], list[str]]]] = set()
        while running or seen["contracts"] < contracts:
            while len(running) < 2 * cores and seen["contracts"] < contracts:
                running.add(pool.submit(some, range(first, first + CHUNK)))
                first += CHUNK
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for each in done:
                features, found = each.result()
                seen += features
                problems += found
                progress.update(bar, completed=min(seen["contracts"], contracts))
    return seen, problems


def _summary(console: Console, seen: Counter[str], problems: list[str], *, whole: bool) -> None:
    """Print what was compared, rarest first."""
    rare = sorted(((seen[name], name) for name in EXPECTED), reverse=not whole)[: 10 if whole else None]
    console.print(("Rarest: " if whole else "Seen: ") + ", ".join(f"{name} ({n})" for n, name in rare if n or whole))
    console.print(f"{seen['contracts']:,} contracts, {len(problems)} differences")


if __name__ == "__main__":
    sys.exit(bool(main()))
