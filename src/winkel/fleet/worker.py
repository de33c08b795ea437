"""Which partitions this process meters, and when: shares, leases, batches, and the tidying beside them."""

import asyncio
import gc
import secrets
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic

import psycopg
import structlog

from winkel.fleet.ahead import Ahead, wait
from winkel.log.log import Log
from winkel.meter import actions
from winkel.meter.worker import LostPartitionsError, Meter
from winkel.model.errors import FencedError, UnavailableError
from winkel.store import progress
from winkel.store.database import Connection, connect

LEASE_SECONDS = 5.0
"""An owner that gave no sign for so long may be replaced."""
TICK_SECONDS = 1.0
"""How often a worker gives a sign, and looks for partitions without an owner."""
GATED_SECONDS = 0.02
"""How often to look whether a partition may go on under a new routing."""
COLLECT_SECONDS = 60.0
"""How often Python's cycle collector runs: it is the largest single cost of a worker that it may interrupt."""
log = structlog.get_logger(__name__)


async def run(
    database_url: str,
    events: Log,
    *,
    owner: str,
    partitions: Sequence[int] | None = None,
    cache: Path | None = None,
    stop: asyncio.Event,
) -> None:
    """Meter until `stop` is set: the given partitions, or a fair share of all.

    Workers of one log share its partitions: each takes those that nobody alive owns, up to its share, and gives up
    what is beyond it. When the database is lost, it connects again and again. `cache` is a folder for files that vanish
    with the process: large runs of keys, mapped instead of fetched. Raises `LookupError` when the log no longer has
    what was not metered yet: somebody must know.
    """
    name = f"{owner}:{secrets.token_hex(4)}"  # two processes of one name must not take each other for themselves
    pause = 0.1
    collecting = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        while not stop.is_set():
            began = monotonic()
            try:
                await _session(database_url, events, name, partitions, cache, stop)
            except* (psycopg.OperationalError, UnavailableError) as lost:
                log.warning("database or log lost; connecting again", error=str(lost.exceptions[0]))
                pause = 0.1 if monotonic() - began > 10 else min(2 * pause, 5.0)
                await wait(stop, pause)
    finally:
        gc.unfreeze()
        if collecting:
            gc.enable()


async def _session(
    database_url: str,
    events: Log,
    owner: str,
    partitions: Sequence[int] | None,
    cache: Path | None,
    stop: asyncio.Event,
) -> None:
    """Meter over one pair of connections until `stop` is set or one of them breaks."""
    async with AsyncExitStack() as stack:
        connection, beside = await connect(database_url), await connect(database_url)
        stack.push_async_callback(connection.close)
        stack.push_async_callback(beside.close)
        meter = Meter(connection, events, owner=owner, cache=cache)
        async with asyncio.TaskGroup() as group:
            group.create_task(_drive(meter, partitions, stop))
            group.create_task(_tidy(meter, beside, stop))


async def _drive(meter: Meter, partitions: Sequence[int] | None, stop: asyncio.Event) -> None:
    """Meter what comes, and tick; at the end, give the partitions up so that others need not wait for the lease."""
    await progress.introduce(meter.connection, meter.topic)
    ahead = Ahead(meter)
    ticked = collected = monotonic()
    await _tick(meter, partitions)
    try:
        while not stop.is_set():
            records = await ahead.next(stop)
            if records:
                try:
                    if not await meter.process(records):
                        await wait(stop, GATED_SECONDS)
                except FencedError as error:
                    log.warning("partitions lost", reason=str(error))
                    if not isinstance(error, LostPartitionsError):
                        meter.drop(list(meter.holdings))  # what it remembers is not what there is: start again
            if monotonic() - ticked >= TICK_SECONDS:
                await _tick(meter, partitions)
                ticked = monotonic()
            if monotonic() - collected >= COLLECT_SECONDS:
                gc.collect()
                collected = monotonic()
        for holding in meter.holdings.values():
            await progress.release(meter.connection, meter.topic, holding.partition, holding.epoch)
    finally:
        await ahead.close()


async def _tick(meter: Meter, partitions: Sequence[int] | None) -> None:
    """Give a sign, notice what was lost, and take what nobody alive owns, up to a fair share."""
    connection, topic = meter.connection, meter.topic
    epochs = {each.partition: each.epoch for each in meter.holdings.values()}
    alive = await progress.heartbeat(connection, topic, epochs)
    meter.drop([partition for partition in epochs if partition not in alive])
    await meter.events.refresh()
    wanted = range(meter.events.partitions) if partitions is None else partitions
    share = len(wanted)
    if partitions is None:
        share = -(-share // max(1, await progress.meters(connection, topic)))
    for holding in list(meter.holdings.values())[share:]:
        await progress.release(connection, topic, holding.partition, holding.epoch)
        meter.drop([holding.partition])
    for partition in wanted:
        if len(meter.holdings) >= share:
            break
        if partition in meter.holdings:
            continue
        if await progress.free(connection, topic, partition, meter.owner, lease=LEASE_SECONDS):
            await meter.assign(partition)
            log.info("partition taken", partition=partition, epoch=meter.holdings[partition].epoch)


async def _tidy(meter: Meter, connection: Connection, stop: asyncio.Event) -> None:
    """Merge and expire runs of keys beside the metering, on a connection of its own."""
    while not stop.is_set():
        for holding in list(meter.holdings.values()):
            memory = holding.memory
            if memory is None:
                continue
            try:
                while not stop.is_set() and await actions.merge(
                    connection, memory, holding.partition, holding.epoch, meter.failpoint
                ):
                    pass
                await actions.expire(connection, memory, holding.partition, holding.epoch)
                await memory.warm(connection)
            except FencedError as error:
                log.warning("partition lost while merging", partition=holding.partition, reason=str(error))
                if meter.holdings.get(holding.partition) is holding:
                    meter.drop([holding.partition])
        await wait(stop, TICK_SECONDS)
