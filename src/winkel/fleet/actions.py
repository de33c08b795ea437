"""Opens the log with its routing, and changes the routing while events come in (streaming.md §2.4)."""

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from winkel.config import Settings
from winkel.log.log import Log
from winkel.log.postgres import PostgresLog
from winkel.model import routing as plan
from winkel.model.errors import ConflictError, UnavailableError
from winkel.model.routing import Routing
from winkel.store import progress, routing
from winkel.store.database import Connection, connect

PREPARE_SECONDS = 12.0
"""A change that is not done by then is given up: longer than a dead gateway's lease, shorter than senders wait."""
LOOK_SECONDS = 0.05


async def open_log(database_url: str, settings: Settings) -> Log:
    """Open the log that the settings name; the first time, make it and its routing."""
    events = await PostgresLog.open(database_url, settings.partitions)
    connection = await connect(database_url)
    try:
        await routing.begin(connection, events.name, plan.first(events.partitions))
    finally:
        await connection.close()
    return events


async def repartition(
    connection: Connection,
    events: Log,
    partitions: int,
    *,
    shards: int = 1,
    waiting_for: Callable[[Sequence[str]], None] = lambda _: None,
) -> Routing:
    """Route events to another number of partitions from now on, without refusing any; return the new version.

    `waiting_for` is told which gateways have not given way yet. Raises `ConflictError` when another change is under
    way, `ValueError` for a number that does not fit, `UnavailableError` when the gateways did not give way in time;
    then everything is as before.
    """
    await events.refresh()
    active = (await routing.current(connection, events.name)).active
    version = await routing.next_version(connection, events.name)
    wanted = msgspec.structs.replace(plan.change(active, partitions, shards), version=version)
    await events.grow(max(wanted.partitions) + 1)
    await routing.prepare(connection, events.name, wanted, PREPARE_SECONDS)
    try:
        await _all_gave_way(connection, events.name, version, waiting_for)
        seals = [each.end for each in await events.bounds()]
        in_force = await routing.activate(connection, events.name, version, seals)
    except BaseException:
        await routing.abort(connection, events.name)
        raise
    if not in_force:
        raise ConflictError("the change was aborted: everything is as before")
    return msgspec.structs.replace(wanted, seals=tuple(seals))


async def _all_gave_way(
    connection: Connection, topic: str, version: int, waiting_for: Callable[[Sequence[str]], None]
) -> None:
    """Wait until no gateway can append by an older version any more."""
    try:
        async with asyncio.timeout(PREPARE_SECONDS):
            while True:
                behind = [each.gateway for each in await routing.gateways(connection, topic) if each.version < version]
                if not behind:
                    return
                waiting_for(behind)
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        raise UnavailableError(
            f"{', '.join(behind)} did not give way within {PREPARE_SECONDS:.0f} s: everything is as before"
        ) from None


async def undrained(connection: Connection, topic: str, current: Routing) -> dict[int, int]:
    """Return by partition how many offsets before its seal are not metered yet: what the newest routing waits for."""
    stand = {each.partition: each.next_offset for each in await progress.everything(connection, topic)}
    left = {partition: seal - stand.get(partition, 0) for partition, seal in enumerate(current.seals)}
    return {partition: offsets for partition, offsets in left.items() if offsets > 0}
