"""A role of Winkel as a process of its own, ended with the tests, and, if asked, with something wrong with it.

    python tests/chaos/role.py meter --cache …

is `winkel meter`, but it ends when its standard input closes. The environment says what is wrong:

- `CHAOS_AT=step:3:SIGKILL`: a meter sends itself this signal when it comes to this step of the protocol for the third
  time;
- `CHAOS_SLOW=0.5:5000`: a meter takes batches of so many events, and half a second longer for each;
- `CHAOS_CLOCK=1,3600,-7200`: every so many seconds (the first number) the clock steps to the next of these skews;
- `CHAOS_SLEEP_BEFORE_APPEND=file`: a gateway stops itself before an append, once, when the file is there.
"""

import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any


def hold_leash() -> None:
    """End when whoever started this process ends, even by kill -9."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os._exit(1)

    threading.Thread(target=watch, name="leash", daemon=True).start()


def at_step(failpoint: Callable[[str], None]) -> None:
    """Have this called before every step of the protocol, by the meters of this process."""
    from functools import partial

    from winkel.fleet import worker

    plain: Any = worker.Meter
    worker.Meter = partial(plain, failpoint=failpoint)  # type: ignore[misc]


def signal_at(step: str, times: int, number: signal.Signals) -> None:
    """Make meters of this process kill or stop themselves at a step of the protocol."""
    left = itertools.count(1)

    def failpoint(name: str) -> None:
        if name == step and next(left) == times:
            os.kill(os.getpid(), number)

    at_step(failpoint)


def slow_down(seconds: float, events: int) -> None:
    """Make meters of this process slow, as with a store that is far away: so much longer for so many events."""
    from winkel.fleet import ahead

    ahead.EVENTS_MAX = events

    def failpoint(name: str) -> None:
        if name == "decided":
            time.sleep(seconds)

    at_step(failpoint)


def skew_clock(period: float, skews: list[float]) -> None:
    """Make the clock of this process wrong: it steps from one skew, in seconds, to the next, forwards and backwards."""
    from winkel import clock

    began, true_time = time.monotonic(), time.time

    def skew() -> float:
        return skews[int((time.monotonic() - began) / period) % len(skews)]

    clock.now = lambda: datetime.now(UTC) + timedelta(seconds=skew())
    time.time = lambda: true_time() + skew()


def sleep_before_append(file: Path) -> None:
    """Make this process stop itself just before it appends, once the file is there; it removes the file."""
    from winkel.fleet import actions

    open_log: Callable[..., Any] = actions.open_log

    async def opened(*arguments: Any, **named: Any) -> Any:
        events = await open_log(*arguments, **named)
        plain = events.append

        async def append(records: Sequence[Any]) -> None:
            if file.exists():
                file.unlink()
                os.kill(os.getpid(), signal.SIGSTOP)
            await plain(records)

        events.append = append
        return events

    actions.open_log = opened


def main() -> None:
    """Be `winkel`, with what the environment asks for."""
    hold_leash()
    if asked := os.environ.get("CHAOS_AT"):
        step, times, name = asked.split(":")
        signal_at(step, int(times), signal.Signals[name])
    if asked := os.environ.get("CHAOS_SLOW"):
        seconds, events = asked.split(":")
        slow_down(float(seconds), int(events))
    if asked := os.environ.get("CHAOS_CLOCK"):
        period, *skews = map(float, asked.split(","))
        skew_clock(period, skews)
    if asked := os.environ.get("CHAOS_SLEEP_BEFORE_APPEND"):
        sleep_before_append(Path(asked))
    sys.path.pop(0)  # this script's folder: none of its neighbours is to be imported by accident
    from winkel.cli.main import main as winkel

    sys.argv[0] = "winkel"
    winkel()


if __name__ == "__main__":
    main()
