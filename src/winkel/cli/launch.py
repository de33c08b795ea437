"""What `winkel up` does: a database, the roles, and somebody who watches over them."""

import asyncio
import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from winkel.cli import prepare
from winkel.cli.child import Child, rotate
from winkel.cli.datafolder import DataFolder
from winkel.cli.leash import Orders
from winkel.cli.scaling import Meters, cores
from winkel.cli.supervisor import Supervisor
from winkel.clock import now
from winkel.config import Settings
from winkel.model.errors import UnavailableError
from winkel.store.embedded import Server

READY_SECONDS = 120.0
"""How long the gateway may take until it answers /readyz."""
IMPATIENT_SECONDS = 1.0
"""A second Ctrl-C after this time means: at once."""


class Started:
    """What there is to tell once everything runs. `secret` is the first token, None when there was one already."""

    def __init__(self, url: str, secret: str | None, seconds: float) -> None:
        self.url = url
        self.secret = secret
        self.seconds = seconds


class Launch:
    """One run of everything in one data folder, from start to stop."""

    def __init__(
        self,
        data: DataFolder,
        settings: Settings,
        listener: socket.socket,
        host: str,
        say: Callable[[str], None],
        *,
        workers: int | None = 1,
        metrics: socket.socket | None = None,
    ) -> None:
        self.data = data
        self.settings = settings
        self.listener = listener
        self.host = host
        self.metrics_url = url(*metrics.getsockname()[:2]) + "/metrics" if metrics is not None else None
        self.port: int = listener.getsockname()[1]
        self.server = None if settings.database_url else Server(data.postgres, _log(data, "postgres"))
        self.stop_asked = asyncio.Event()
        self.hurry = asyncio.Event()
        self._say = say
        self._answers = False
        self._stop_asked_at = 0.0
        self._began = time.monotonic()
        self._started_at = datetime.now(UTC).isoformat()
        self._meters = Meters(lambda name: _log(data, name), say)
        self._auto = workers is None
        self._scaling: asyncio.Task[None] | None = None
        children = [
            Child("gateway", "gateway", _log(data, "gateway"), say),
            *(self._meters.child(number) for number in range(1, (workers or 1) + 1)),
            Child("bill", "bill", _log(data, "bill"), say, settings={"WINKEL_METERS_MAX": str(self._most())}),
        ]
        self.supervisor = Supervisor(
            children, keep_open=(listener.fileno(),), say=say, changed=self._note, watched=metrics is not None
        )

    async def run(self, tell: Callable[[Started], None]) -> None:
        """Start everything, tell it once it answers, keep it alive until asked to stop, stop it.

        Raises `UnavailableError` when it does not come to run.
        """
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup
            asyncio.get_running_loop().add_signal_handler(number, self._asked_to_stop)
        try:
            await self.supervisor.start()
            secret = await self._unless_stopped(self._prepare(), wait_for_end=True)
            if not self.stop_asked.is_set():
                await self._unless_stopped(self._ready())
            if not self.stop_asked.is_set():
                tell(Started(url(self.host, self.port), secret, time.monotonic() - self._began))
                self._answers = True
                self.supervisor.note()
            await self.stop_asked.wait()
        finally:
            await self._stop()

    def stop_with_standard_input(self) -> None:
        """Stop when whoever started us is gone: the demo, or a test."""
        loop = asyncio.get_running_loop()

        def watch() -> None:
            while os.read(0, 4096):
                pass
            with contextlib.suppress(RuntimeError):  # stopped already
                loop.call_soon_threadsafe(self.stop_asked.set)

        threading.Thread(target=watch, name="leash", daemon=True).start()

    async def _prepare(self) -> str | None:
        """Make the database ready and let the roles begin; return the first token's secret if one was made."""
        from winkel.fleet.actions import may_open

        address = self.settings.database_url
        if self.server is not None:
            await self._unless_stopped(asyncio.to_thread(self.server.ensure_running, self._say))
            if self.stop_asked.is_set():
                return None
            self.supervisor.watch(self.server)
            address = self.server.url
        async with prepare.everything((address, *self.settings.further_databases)) as (connection, _):
            await may_open(connection, self.settings)
            secret = await prepare.bootstrap(connection, self.settings.bootstrap_token, now())
        self.supervisor.note()
        await self.supervisor.order(
            Orders(database_url=address, listen_fd=self.listener.fileno(), cache=str(self.data.cache))
        )
        if self._auto:
            self._scaling = asyncio.create_task(self._meters.follow(self.supervisor, address))
        return secret

    async def _ready(self) -> None:
        """Wait until the gateway answers. Raises `UnavailableError`."""
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until:
            try:
                async with asyncio.timeout(5.0):
                    if await answers(self.port, self.listener.getsockname()[0]):
                        return
            except (TimeoutError, OSError):
                pass
            await asyncio.sleep(0.05)
        raise UnavailableError(f"the gateway does not answer; {self.data.logs / 'gateway.log'} says why")

    async def _unless_stopped(self, work: Any, *, wait_for_end: bool = False) -> Any:
        """Await the work, or give it up when somebody asks to stop (twice, when giving up would leave a mess)."""
        task = asyncio.ensure_future(work)
        event = self.hurry if wait_for_end else self.stop_asked
        asked = asyncio.create_task(event.wait())
        await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if task.done():
            return task.result()
        task.cancel()
        return None

    async def _stop(self) -> None:
        """Stop the roles, then the database."""
        if self._scaling is not None:
            self._scaling.cancel()
            await asyncio.gather(self._scaling, return_exceptions=True)
        await self.supervisor.stop(self.hurry)
        self.listener.close()
        if self.server is not None:
            await asyncio.to_thread(self.server.stop)
        self.data.run_file.unlink(missing_ok=True)

    def _asked_to_stop(self) -> None:
        """Stop; hurry when somebody asks again (not when one wish comes as several signals, as `timeout` sends it)."""
        now = time.monotonic()
        if not self.stop_asked.is_set():
            self._stop_asked_at = now
            self.stop_asked.set()
        elif now - self._stop_asked_at > IMPATIENT_SECONDS:
            self.hurry.set()

    def _most(self) -> int:
        """Return how many meters the autoscaler may ask for: what is set, or one for each core of this machine."""
        return self.settings.meters_max or max(cores(), self.settings.meters_min)

    def _note(self) -> None:
        """Write run.json. Raises `OSError` when the disk is full; the supervisor tries again."""
        self.data.note(
            {
                "pid": os.getpid(),
                "started_at": self._started_at,
                "host": self.host,
                "port": self.port,
                "url": url(self.host, self.port),
                "roles": {child.name: child.pid for child in self.supervisor.children},
                "metrics": self.metrics_url,
                "answers": self._answers,
                "postgres": self.server.pid if self.server is not None else None,
                "log": self.settings.log_address,
                "kafka_config": str(Path(self.settings.kafka_config).absolute()) if self.settings.kafka_config else "",
            }
        )


def url(host: str, port: int) -> str:
    """Return the address under which this machine reaches the gateway."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 (read, not bound)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def answers(port: int, host: str) -> bool:
    """Whether the gateway says that it is ready."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(b"GET /readyz HTTP/1.1\r\nhost: winkel\r\nconnection: close\r\n\r\n")
        return b" 200 " in await reader.readline()
    finally:
        writer.close()


def _log(data: DataFolder, name: str) -> Path:
    """Return a fresh log file; the one of the last run is kept beside it."""
    file = data.logs / f"{name}.log"
    rotate(file)
    return file
