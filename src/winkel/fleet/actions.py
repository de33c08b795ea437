"""Opens the log with its routing, and changes the routing while events come in (streaming.md §2.4)."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from time import monotonic

import msgspec
import psycopg
import structlog

from winkel.config import Settings
from winkel.fleet.autoscale import Autoscaler, Policy, sample
from winkel.fleet.observation import ALIVE_SECONDS, Observation, Standing
from winkel.fleet.overview import Overview
from winkel.log.log import Log
from winkel.log.postgres import PostgresLog
from winkel.model import routing as plan
from winkel.model.errors import ConflictError, InvalidError, ReplacedError, UnavailableError
from winkel.model.log_in_use import TABLE, LogInUse, is_another
from winkel.model.routing import Routing
from winkel.store import autoscale, logs, meters, routing, shards, tenants
from winkel.store.database import Connection
from winkel.waiting import wait

PREPARE_SECONDS = 12.0
"""A change that is not done by then is given up: longer than a dead gateway's lease, shorter than senders wait."""
LOOK_SECONDS = 0.05
SETTLING_SECONDS = 0.5
"""How often to look how far the log before is."""
MEMORY_SECONDS = 3600.0
"""From how far back the average events of a record are known."""
log = structlog.get_logger(__name__)


async def open_log(database_url: str, settings: Settings, *, moving: bool = True) -> Log:
    """Open the log that the settings name; the first time, make it and its routing.

    `moving`: for a process that appends, meters or bills. It notes this log as the one in use; a command works on the
    one in use, and never says which that is. Raises `ConflictError` when another log is in use (model/log_in_use.py,
    `refusal`) or the topic is another installation's, `ReplacedError` when the topic in use was made anew or is not
    there any more, `InvalidError` for a number of partitions that does not fit the databases.
    """
    async with shards.connections((database_url, *settings.further_databases)) as databases:
        await shards.agree(databases)
        home = databases[0]
        in_use = await logs.agree(home, settings.log_address, moving=moving)
        events = await (
            _topic(databases, settings, in_use) if settings.log else _table(databases, database_url, settings)
        )
        async with _closed_in_failure(events):
            if not await routing.newest(home, events.name):
                await routing.begin(home, events.name, _first(events.partitions, len(databases)))
            if moving:
                await logs.note(home, LogInUse(events.name, settings.log_address))
        return events


async def may_open(home: Connection, settings: Settings) -> None:
    """Raise what `open_log` would for settings that do not fit, as far as that shows without asking the log."""
    if await logs.agree(home, settings.log_address, moving=True) is None:
        _first(settings.partitions, 1 + len(settings.further_databases))


async def _table(databases: Sequence[Connection], database_url: str, settings: Settings) -> Log:
    """Open the log in PostgreSQL. A number of partitions that does not fit is refused before any is made."""
    if not await routing.newest(databases[0], TABLE):
        _first(settings.partitions, len(databases))
    return await PostgresLog.open(database_url, settings.partitions)


async def _topic(databases: Sequence[Connection], settings: Settings, in_use: LogInUse | None) -> Log:
    """Open the log in Kafka, with the secret of the home database, and claim it; the first time, make the topic."""
    from winkel.log.broker import Broker  # librdkafka: 20 MB that nobody needs without Kafka
    from winkel.log.kafka import KafkaLog

    broker, secret = Broker.of(settings.log, settings.kafka_config), await logs.identity_key(databases[0])
    events = await KafkaLog.find(broker, secret)
    if events is None and not is_another(in_use, None):
        _first(settings.partitions, len(databases))
        events = await KafkaLog.open(broker, settings.partitions, secret)
    if events is None or is_another(in_use, events.name):
        raise ReplacedError(
            f"{broker} has not the topic to which events of this installation go: one of that name, but of another id, "
            f"or none. Name the brokers that have it, or, if it is lost for good, `winkel fleet leave-log`"
        )
    async with _closed_in_failure(events):
        await events.claim(await logs.owner(databases[0]))
    return events


def _first(partitions: int, databases: int) -> Routing:
    """Return the first routing. Raises `InvalidError` for a number that cannot be shared evenly."""
    try:
        return plan.first(partitions, databases)
    except ValueError as error:
        raise InvalidError(f"{error}: set WINKEL_PARTITIONS to a multiple of their number") from None


@asynccontextmanager
async def _closed_in_failure(events: Log) -> AsyncIterator[None]:
    """Let a log go when what makes it ready fails."""
    try:
        yield
    except BaseException:
        await events.close()
        raise


async def open_source(database_url: str, settings: Settings, source: str, tenant: str) -> Log:
    """Open somebody else's topic of plain events, all of one tenant; the first time, make its routing.

    Raises `UnavailableError` when the brokers do not answer or have no such topic, `NotFoundError` when there is no
    such tenant, `InvalidError` when the address does not fit.
    """
    from winkel.log.broker import Broker
    from winkel.log.kafka_events import EventTopic

    try:
        broker = Broker.of(source, settings.kafka_config, setting="--source", topic="")
    except ValueError as error:
        raise InvalidError(str(error)) from error
    async with shards.connections((database_url, *settings.further_databases)) as databases:
        await shards.agree(databases)
        owner = await tenants.find_tenant(databases[0], tenant)
        events = await EventTopic.of(broker, owner.id, await logs.identity_key(databases[0]))
        if not await routing.newest(databases[0], events.name):
            await routing.begin(databases[0], events.name, plan.first(events.partitions, len(databases)))
    return events


async def open_before(database_url: str, settings: Settings, *, moving: bool = True) -> Log | None:
    """Open the log that was in use before `WINKEL_LOG` named another one, the table; None: there was none.

    Raises `ConflictError` as `open_log` does, before anybody waits for that log.
    """
    if not settings.log:
        return None
    async with shards.connections([database_url]) as (home,):
        await logs.agree(home, settings.log_address, moving=moving)
        if not await routing.newest(home, TABLE):
            return None
    return await PostgresLog.open(database_url, settings.partitions)


async def unfinished(databases: Sequence[Connection], before: Log) -> str:
    """Return what has to happen to a log that is not used any more before the next one is metered; empty: nothing.

    Of an event that came by both logs the first counts, and a bill needs all of both.
    """
    gateways = [each.gateway for each in await routing.gateways(databases[0], before.name)]
    bounds = await before.bounds()
    positions = await shards.positions(databases, before.name, len(bounds))
    left = sum(max(0, bound.end - max(bound.start, at)) for bound, at in zip(bounds, positions, strict=True))
    if gateways:
        return f"gateways that append to it must end or be restarted: {', '.join(gateways)}"
    return f"{left} records are to be metered" if left else ""


async def settled(urls: Sequence[str], before: Log, stop: asyncio.Event) -> None:
    """Wait until nothing is unfinished in a log that is not used any more, or `stop` is set; say what is, and when not.

    A database that does not answer is asked again.
    """
    said = ""
    while not stop.is_set():
        try:
            async with shards.connections(urls) as databases:
                found = await unfinished(databases, before)
        except (psycopg.OperationalError, UnavailableError) as error:
            found = f"it does not answer: {error}"
        if not found:
            if said:
                log.info("the log that was in use before is done with", log=before.name)
            return
        if not said:
            log.warning("the log that was in use before comes first", log=before.name, reason=found)
        said = found
        await wait(stop, SETTLING_SECONDS)


async def repartition(
    connection: Connection,
    events: Log,
    partitions: int,
    *,
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
    databases = await shards.count(connection)
    wanted = msgspec.structs.replace(plan.change(active, partitions, databases), version=version)
    await events.grow(max(wanted.partitions) + 1)
    await routing.prepare(connection, events.name, wanted, PREPARE_SECONDS)
    try:
        await _all_gave_way(connection, events.name, version, waiting_for)
        seals = [each.end for each in await events.bounds()]
        in_force = await routing.activate(connection, events.name, version, seals)
    except BaseException:
        await routing.abort(connection, events.name, version)  # once its time is over, another one may be prepared
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


async def undrained(databases: Sequence[Connection], topic: str, current: Routing) -> dict[int, int]:
    """Return by partition how many offsets before its seal are not metered yet: what the newest routing waits for."""
    stand = {each.partition: each.next_offset for each in await shards.everything(databases, topic)}
    left = {partition: seal - stand.get(partition, 0) for partition, seal in enumerate(current.seals)}
    return {partition: offsets for partition, offsets in left.items() if offsets > 0}


async def observe(databases: Sequence[Connection], events: Log) -> Observation:
    """Look how far metering is behind, and at the meters. Raises `UnavailableError` when the log does not answer.

    `databases` are those that usage is spread over, the home one first.
    """
    await events.refresh()
    bounds = await events.bounds()
    at = monotonic()
    stand = {each.partition: each for each in await shards.everything(databases, events.name)}
    known = await meters.alive(databases[0], events.name, MEMORY_SECONDS)
    history = await routing.history(databases[0], events.name)
    records = sum(each.records for each in known)
    standings = []
    for partition, bound in enumerate(bounds):
        found = stand.get(partition)
        standings.append(
            Standing(
                partition=partition,
                routed=not history or partition in history[-1].partitions,
                next_offset=bound.end,
                metered_offset=max(bound.start, found.next_offset) if found else bound.start,
                owner=found.owner if found else None,
                updated_at=found.updated_at if found else None,
            )
        )
    return Observation(
        at=at,
        topic=events.name,
        partitions=tuple(standings),
        meters=tuple(each for each in known if each.silent_seconds < ALIVE_SECONDS),
        events_per_record=sum(each.events for each in known) / records if records else 1.0,
    )


async def overview(databases: Sequence[Connection], events: Log) -> Overview:
    """Look at everything that an operator watches; as `observe`, with routing, gateways and the autoscaler's wish."""
    home, seen = databases[0], await observe(databases, events)
    now = await routing.current(home, events.name)
    gateways = await routing.gateways(home, events.name)
    wanted = await autoscale.last(home, events.name)
    decided = wanted is not None and wanted.valid
    return Overview(
        observation=seen,
        routing=now.active.version,
        routed=len(set(now.active.partitions)),
        preparing=now.preparing.version if now.preparing is not None else None,
        gateways=tuple(each.gateway for each in gateways),
        desired=wanted.desired if wanted is not None and decided else None,
        reason=wanted.reason if wanted is not None and decided else "",
    )


class Scaling:
    """The autoscaler at work: looks, decides, and keeps what it decided, unless another process does.

    One process per log decides, the one that holds the lock; when it dies, the next one goes on from its decision.
    """

    def __init__(self, events: Log, settings: Settings) -> None:
        self.events = events
        least = max(1, settings.meters_min)
        goal = settings.latency_goal_milliseconds / 1000
        self._policy = Policy(
            goal_seconds=goal,
            buffer_seconds=goal / 4,
            catch_up_seconds=max(1, settings.catch_up_seconds),
            least=least,
            most=max(least, settings.meters_max or Policy().most),
        )
        self._leading: Connection | None = None
        self._scaler = Autoscaler(self._policy)
        self._before: Observation | None = None

    async def look(self, *databases: Connection) -> None:
        """Look once, and decide; the databases are those that usage is spread over, the home one first."""
        home, topic = databases[0], self.events.name
        if self._leading is not home and not await self._lead(home):  # the lock is the connection's
            return
        now = await observe(databases, self.events)
        seen = sample(self._before, now) if self._before is not None else None
        self._before = now
        if seen is None:
            return
        decision = self._scaler.look(seen)
        await autoscale.keep(home, topic, decision.desired, decision.reason)
        if "→" in decision.reason:
            log.info("another number of meters is wanted", desired=decision.desired, reason=decision.reason)

    async def _lead(self, home: Connection) -> bool:
        """Begin to decide, from where whoever did so before left off; False: somebody else does."""
        topic, self._leading = self.events.name, None
        if not await autoscale.lead(home, topic):
            return False
        last = await autoscale.last(home, topic)
        self._scaler = Autoscaler(self._policy, last.desired if last is not None and last.valid else None)
        self._leading, self._before = home, None
        return True
