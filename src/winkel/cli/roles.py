"""The long-running roles: what `winkel gateway`, `winkel meter` and `winkel bill` do once they know their database."""

import asyncio
import gc
import importlib
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from winkel.cli import logs, prepare
from winkel.cli.watch import Process, watched
from winkel.config import Settings
from winkel.model.errors import WinkelError

if TYPE_CHECKING:
    from granian.server.embed import Server

    from winkel.log.log import Log

_NEEDS = {
    "gateway": ("granian.server.embed", "winkel.api.app", "winkel.fleet.actions"),
    "meter": ("winkel.fleet.worker", "winkel.fleet.actions"),
    "bill": ("winkel.fleet.actions", "winkel.bill.worker"),
}
BACKLOG = 1024
"""Connections that wait while a gateway is being restarted."""
log = structlog.get_logger(__name__)


def preload(role: str) -> None:
    """Import what the role needs, while it waits for its orders."""
    for module in _NEEDS[role]:
        importlib.import_module(module)


def run(
    role: str,
    database_url: str,
    *,
    listen_fd: int | None = None,
    cache: Path | None = None,
    source: tuple[str, str] | None = None,
    metrics: socket.socket | None = None,
) -> int:
    """Be a role until SIGTERM or Ctrl-C; return the exit code. What ends it otherwise is in its log.

    No role starts on the schema of another version of Winkel. `source` is a topic that a meter reads instead of the
    log, and its tenant. `metrics` is a listening socket on which to answer /metrics, /healthz and /readyz.
    """
    settings = Settings.from_environment()
    logs.configure(settings.log_level, role)
    work = {
        "gateway": lambda stop: gateway(database_url, settings, listen_fd, stop),
        "meter": lambda stop: meter(database_url, settings, cache, source, stop),
        "bill": lambda stop: bill(database_url, settings, stop),
    }[role]
    try:
        _loop_runner()(_until_stopped(role, work, metrics))
    except Exception as error:
        if reason := _sentence(error):
            log.error("stopped", reason=reason)  # noqa: TRY400 (the sentence says it; bugs get a traceback below)
        else:
            log.exception("stopped by an unexpected error")
        return 1
    return 0


def _sentence(error: BaseException) -> str:
    """Return what an error, or a group of some, says to a person; empty: it is not meant for one."""
    if not isinstance(error, BaseExceptionGroup):
        return str(error) if isinstance(error, WinkelError) else ""
    found = dict.fromkeys(_sentence(each) for each in error.exceptions)
    return "" if "" in found else "; ".join(found)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 picks a free one. Raises `ValueError` that says what to do."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ValueError(f"cannot listen on {host}:{port} ({reason}): choose another with --host or --port") from error


def metrics(host: str, port: int | None) -> AbstractContextManager[socket.socket | None]:
    """Return a listening socket for the figures, or none without a port. Raises `ValueError` that says what to do."""
    if port is None:
        return nullcontext()
    try:
        return listen(host, port)
    except ValueError as error:
        raise ValueError(str(error).replace("--", "--metrics-")) from error


async def gateway(database_url: str, settings: Settings, listen_fd: int | None, stop: asyncio.Event) -> None:
    """Serve HTTP on an inherited listening socket."""
    from winkel.api.app import create
    from winkel.api.state import Api
    from winkel.api.timing import timed
    from winkel.clock import now
    from winkel.fleet import actions as fleet
    from winkel.ingest import worker as ingest
    from winkel.ingest.pressure import Pressure
    from winkel.ingest.quota import Quotas
    from winkel.ingest.routes import Routes
    from winkel.store.database import Database

    assert listen_fd is not None, "whoever starts a gateway listens for it"
    await _check_schema(database_url, settings)
    event_log = await fleet.open_log(database_url, settings)
    routes = Routes()
    quotas = Quotas(settings.tenant_events_per_second)
    pressure = Pressure(settings.lag_limit_seconds, settings.disk_reserve_bytes)
    further = tuple(Database(each) for each in settings.further_databases)
    app = create(Api(settings, Database(database_url), event_log, routes, now, quotas, pressure, further))
    gc.collect()
    gc.freeze()  # what is imported now stays for ever: never look at it again
    gc.set_threshold(50_000, 20, 20)
    server = _server(timed(app), listen_fd)
    waiting = asyncio.create_task(_interrupt(server, stop))
    served = asyncio.Event()
    # Containers on one host may share its name and still number their processes each for itself.
    name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    keeping = asyncio.create_task(ingest.keep(database_url, event_log, routes, gateway=name, stop=served))
    databases = (database_url, *settings.further_databases)
    watching = asyncio.create_task(ingest.watch(databases, event_log, pressure, quotas, stop=stop))
    try:
        await server.serve()
    finally:
        waiting.cancel()
        watching.cancel()
        served.set()
        await keeping
        await asyncio.wait([watching])
    if not stop.is_set():
        raise RuntimeError("the HTTP server ended by itself; the lines before this one say why")


async def meter(
    database_url: str,
    settings: Settings,
    cache: Path | None,
    source: tuple[str, str] | None,
    stop: asyncio.Event,
) -> None:
    """Turn logged events into usage; with a source, those of another topic (its address, the name of the tenant)."""
    from winkel.fleet import worker
    from winkel.fleet.actions import open_before, open_log, open_source

    await _check_schema(database_url, settings)
    owner = f"{socket.gethostname()}:{os.getpid()}"
    further = settings.further_databases
    before = await open_before(database_url, settings) if source is None else None
    if before is not None:
        try:
            await worker.finish(database_url, before, owner=owner, shards=further, cache=cache, stop=stop)
        finally:
            await before.close()
    if source is None:
        event_log = await open_log(database_url, settings)
    else:
        event_log = await open_source(database_url, settings, *source)
    try:
        await worker.run(database_url, event_log, owner=owner, shards=further, cache=cache, stop=stop)
    finally:
        await event_log.close()


async def bill(database_url: str, settings: Settings, stop: asyncio.Event) -> None:
    """Merge usage, finalize invoices that are due, and let go of events that are no longer needed."""
    from winkel.bill import worker
    from winkel.clock import now

    async with log_to_bill(database_url, settings, stop) as event_log:
        await worker.run(database_url, event_log, settings=settings, clock=now, stop=stop)


@asynccontextmanager
async def log_to_bill(
    database_url: str, settings: Settings, stop: asyncio.Event, *, moving: bool = True
) -> AsyncIterator["Log"]:
    """Lend the log, once nothing is unfinished in the one that was in use before: a bill needs all of both.

    `moving`: for a process that stays, not for a command (fleet/actions.py, `open_log`). Raises `SchemaError` when the
    databases have the schema of another version.
    """
    from winkel.fleet.actions import open_before, open_log, settled

    await _check_schema(database_url, settings)
    before = await open_before(database_url, settings, moving=moving)
    if before is not None:
        try:
            await settled((database_url, *settings.further_databases), before, stop)
        finally:
            await before.close()
    event_log = await open_log(database_url, settings, moving=moving)
    try:
        yield event_log
    finally:
        await event_log.close()


async def _check_schema(database_url: str, settings: Settings) -> None:
    """Raise `SchemaError` when one of the databases has the schema of another version, newer or older."""
    async with prepare.ready((database_url, *settings.further_databases)):
        pass


def _server(app: Any, listen_fd: int) -> "Server":
    from granian import net
    from granian.server.embed import Server

    class OnSocket(Server):
        """Granian in this process, on a socket that somebody else holds open."""

        def _init_shared_socket(self) -> None:
            self._shd: Any = net.SocketHolder(listen_fd, False, BACKLOG)  # type: ignore[attr-defined, call-arg]

    return OnSocket(
        app,
        interface="asgi",  # type: ignore[arg-type]
        http="1",  # type: ignore[arg-type]
        websockets=False,
        log_enabled=False,
        backlog=BACKLOG,
    )


async def _interrupt(server: "Server", stop: asyncio.Event) -> None:
    """Tell the HTTP server to finish the requests under way and end."""
    await stop.wait()
    server.interrupt_signal = True
    server.main_loop_interrupt.set()


async def _until_stopped(
    role: str, work: Callable[[asyncio.Event], Coroutine[Any, Any, None]], metrics: socket.socket | None
) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    signs = importlib.import_module(f"winkel.figures.{role}").SIGNS
    async with watched(metrics, Process(signs)):
        await work(stop)


def _loop_runner() -> Callable[[Coroutine[Any, Any, None]], None]:
    """Return uvloop's runner where there is one, else asyncio's."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    return uvloop.run
