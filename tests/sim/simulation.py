"""One seed → a month and a half of billing, with everything that goes wrong, compared with the oracle.

Real: decoding and checking of requests, group commit, hashing, blocks, metering with its protocol, compaction, rating,
drafts, finalization, and PostgreSQL. Simulated: time, the log's failures, crashes, and who is next.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any
from unittest.mock import patch

import msgspec

from sim import build
from sim.compare import bill_differences, bill_of, differences, merged
from sim.conductor import Conductor
from sim.flaky import FlakyLog
from sim.generate import World, generate
from sim.oracle import Oracle
from sim.rival import Rival
from sim.world import Customer, Event, Metric, Product, Request, Tenant
from winkel.bill.actions import standing
from winkel.bill.balance import all_remaining
from winkel.bill.worker import Worker
from winkel.config import Settings
from winkel.ingest.actions import Intake
from winkel.ingest.check import ARRAY, all_or_none, check
from winkel.ingest.routes import Routes
from winkel.log.memory import MemoryLog
from winkel.model.errors import InvalidError, UnavailableError
from winkel.model.invoice import InvoiceStatus
from winkel.model.metric import Aggregation
from winkel.model.period import hour_number
from winkel.model.progress import Progress
from winkel.model.routing import change, first
from winkel.store import customers, database, invoices, metrics, progress, routing, shards, usage
from winkel.store.database import Connection
from winkel.store.shards import Held

ZONES = (UTC, timezone(timedelta(hours=5, minutes=45)), timezone(timedelta(hours=-8)))
PARTITIONS = (1, 2, 3)
TWICE = 4
"""Every so many seeds, usage is spread over two databases."""
PATIENCE = (0.02, 0.02, 0.02, 0.2)
"""How long a new owner waits for a batch of the one before, in seconds: shorter than whoever has it gets its turn, or,
in some worlds because it takes its time, so long that it does."""
ROUNDS = 40
"""In so many attempts a worker meters all that there is, or something is stuck."""


class DifferenceError(AssertionError):
    """Winkel and the oracle do not agree."""


class Stage:
    """Connections that one simulation after the other uses."""

    NAMES = ("reader", "compactor", "bill_a", "bill_b")

    def __init__(self, *urls: str) -> None:
        self.urls = urls

    async def __aenter__(self) -> "Stage":
        self.owners = [await database.connect(url) for url in self.urls]
        self.others = [{name: await database.connect(url) for name in self.NAMES} for url in self.urls]
        return self

    async def __aexit__(self, *_: object) -> None:
        for owner, others in zip(self.owners, self.others, strict=True):
            for connection in (owner, *others.values()):
                await connection.close()

    async def clear(self) -> None:
        """Leave nothing behind that a worker of the next simulation would see."""
        for owner in self.owners:
            for table in ("usage_delta", "billing_due", "dedupe_run", "log_progress", "billable_metric"):
                await owner.execute(f"DELETE FROM {table}")


class Watched(Held):
    """A further database that notes, in the snapshot that it lends, how far it has been metered."""

    def __init__(self, connection: Connection, topic: str) -> None:
        super().__init__(connection)
        self._topic = topic
        self.seen: list[Progress] = []

    @asynccontextmanager
    async def transaction(self, tenant_id: int, *, snapshot: bool = False) -> AsyncIterator[Connection]:
        """Lend it."""
        async with super().transaction(tenant_id, snapshot=snapshot) as tx:
            self.seen = await progress.everything(tx, self._topic)
            yield tx


class Simulation:
    """The world of one seed on a stage that nobody else uses meanwhile."""

    def __init__(self, seed: int, stage: Stage) -> None:
        self.world: World = generate(seed)
        self.rng = Random(f"schedule {seed}")
        self.stage = stage
        self.shards = len(stage.urls) if seed % TWICE == TWICE - 1 else 1
        self.databases = stage.owners[: self.shards]
        self.db = stage.owners[0]
        self.topic = f"sim {seed}"
        self.at = self.world.opens_at
        memory = MemoryLog(self.shards * self.rng.choice(PARTITIONS), self.clock, self.rng.randbytes(16), self.topic)
        self.log = FlakyLog(memory, self.rng, self.rng.choice((0.0, 0.05, 0.15)))
        self.conductor = Conductor(self.rng)
        self.oracles = {id(tenant): Oracle(tenant) for tenant in self.world.tenants}
        self.fed = [0] * memory.partitions
        """By partition: up to which offset the oracles know what arrived."""
        self.compared = Counter[str]()
        """How often what was compared."""
        self.happened = Counter[str]()
        """What happened to the rivals, how often."""

    def clock(self) -> datetime:
        """Return the present of the simulation."""
        return self.at

    async def run(self) -> None:
        """Live through all of it. Raises `DifferenceError`, or whatever else goes wrong."""
        async with self._cast():
            async with self.db.transaction():
                await routing.begin(self.db, self.log.name, first(self.log.partitions, self.shards))
                for tenant in self.world.tenants:
                    await build.tenant(self.db, tenant, self.at)
                    self._begin(tenant)
            for happening in self._agenda():
                await self._live(*happening)
            self.at = self.world.closes_at
            await self._quiet()
            await self._final_books()

    @asynccontextmanager
    async def _cast(self) -> AsyncIterator[None]:
        """Bring everybody on the stage, and clear it afterwards."""
        seed = self.world.seed
        self.routes = [Routes.always(first(self.log.partitions, self.shards)) for _ in range(2)]
        self.intakes = [Intake(self.log, each, flush_seconds=0) for each in self.routes]
        self.rivals = [
            Rival(self.stage.urls, place, self.log, self.conductor, Random(f"{name} {seed}"), name, self.shards)
            for place, names in list(enumerate((("meter_a", "meter_b"), ("meter_c", "meter_d"))))[: self.shards]
            for name in names
        ]
        settings = Settings(grace_hours=int(self.world.grace / timedelta(hours=1)))
        self.biller = Worker(self.stage.urls[0], self.log, settings, self.clock)
        self.others = {name: self.conductor.conduct(each) for name, each in self.stage.others[0].items()}
        self.further = {name: [others[name] for others in self.stage.others[1 : self.shards]] for name in Stage.NAMES}
        """Connections to the other database. What reads there does not wait for its turn: it does so beside others."""
        patience = Random(f"patience {seed}").choice(PATIENCE)
        try:
            with patch.object(progress, "PATIENCE_SECONDS", patience):
                yield
        finally:
            for rival in self.rivals:
                await rival.close()
                self.happened.update(rival.happened)
            await self.stage.clear()

    def _begin(self, tenant: Tenant) -> None:
        oracle = self.oracles[id(tenant)]
        oracle.metrics += [each for each in tenant.metrics if each.made_at <= self.at]
        oracle.products += [each for each in tenant.products if each.made_at <= self.at]
        for customer in tenant.customers:
            oracle.aliases[customer.id] += [alias for alias, known_at in customer.aliases if known_at <= self.at]

    def _agenda(self) -> list[tuple[datetime, str, Any]]:
        """Return all that happens, in order."""
        found: list[tuple[datetime, str, Any]] = []
        for tenant in self.world.tenants:
            found += [(each.at, "request", (tenant, each)) for each in tenant.requests]
            found += [(each.made_at, "metric", (tenant, each)) for each in tenant.metrics if each.made_at > self.at]
            found += [(each.made_at, "product", (tenant, each)) for each in tenant.products if each.made_at > self.at]
            for customer in tenant.customers:
                later = [(alias, at) for alias, at in customer.aliases if at > self.at]
                found += [(at, "alias", (tenant, customer, alias)) for alias, at in later]
        return sorted(found, key=lambda each: each[0])

    async def _live(self, at: datetime, kind: str, what: tuple[Any, ...]) -> None:
        """Let something happen, and then some work be done."""
        self.at = max(self.at, at)
        match kind:
            case "request":
                await self._send([what])
            case "metric":
                await self._make_metric(*what)
            case "product":
                await self._make_product(*what)
            case "alias":
                await self._add_alias(*what)
        if self.rng.random() < 0.02:
            await self._repartition()
        if self.rng.random() < 0.28:
            await self._work()
        if self.rng.random() < 0.04:
            await self._quiet()

    # ── what clients do ──

    async def _send(self, requests: Sequence[tuple[Tenant, Request]]) -> None:
        """Send requests at once until all are accepted, or refused as the oracle says."""
        open_ = []
        for tenant, request in requests:
            body = _body(request.events)
            try:
                events = all_or_none(check(body, ARRAY, self.at, 1000))
            except InvalidError as error:
                if not self.oracles[id(tenant)].refuses(request.events, self.at):
                    raise DifferenceError(f"refused, but the oracle takes it: {error}\n{body.decode()}") from error
                continue
            if self.oracles[id(tenant)].refuses(request.events, self.at):
                raise DifferenceError(f"accepted, but the oracle refuses it:\n{body.decode()}")
            open_.append((tenant, request, events))
        while open_:
            for tenant, request, _ in open_:
                for event in request.events:
                    self.log.expect(tenant.id, event)
            intake = self.rng.choice(self.intakes)
            attempts = [intake.accept(tenant.id, events, 1000) for tenant, _, events in open_]
            results = await asyncio.gather(*attempts, return_exceptions=True)
            durable = self.log.settle()
            failed = [one for one, result in zip(open_, results, strict=True) if result is not None]
            for result in results:
                if result is not None and not isinstance(result, UnavailableError):
                    raise result
            if len(failed) < len(open_) and not durable:
                raise DifferenceError("accepted, but not in the log")
            open_ = failed

    async def _make_metric(self, tenant: Tenant, metric: Metric) -> None:
        """Make a metric: it counts what is metered from now on."""
        await self._feed(await self._positions())
        await metrics.insert(self.db, tenant.id, build.metric_of(metric))
        self.oracles[id(tenant)].metrics.append(metric)

    async def _make_product(self, tenant: Tenant, product: Product) -> None:
        """Make a product with its rates: it is billed for all that its metric has counted."""
        async with self.db.transaction():
            await build.product_with_rates(self.db, tenant, product)
        self.oracles[id(tenant)].products.append(product)

    async def _add_alias(self, tenant: Tenant, customer: Customer, alias: str) -> None:
        """Give a customer another alias: usage of the past comes with it."""
        known = self.oracles[id(tenant)].aliases[customer.id]
        known.append(alias)
        async with self.db.transaction():
            await customers.set_aliases(self.db, tenant.id, customer.id, known[1:], self.at)

    # ── what operators do ──

    async def _repartition(self) -> None:
        """Route events to another number of partitions from now on."""
        active = (await routing.current(self.db, self.log.name)).active
        wanted = change(active, self.shards * self.rng.choice(PARTITIONS), self.shards)
        await self.log.grow(max(wanted.partitions) + 1)
        await routing.prepare(self.db, self.log.name, wanted, 60)
        seals = [each.end for each in await self.log.bounds()]
        assert await routing.activate(self.db, self.log.name, wanted.version, seals)
        new = msgspec.structs.replace(wanted, seals=tuple(seals))
        for routes in self.routes:
            routes.allow(new, 1.0)
        self.fed += [0] * (self.log.partitions - len(self.fed))
        self.happened["repartitioned"] += 1

    # ── what workers do ──

    async def _work(self) -> None:
        """Let rivals, and some others, work beside each other, statement by statement."""
        cast = {rival.name: rival.act(self.rng.randint(1, 3)) for rival in self.rivals}
        if self.rng.random() < 0.3:
            cast["compactor"] = self._compact()
        if self.rng.random() < 0.25:
            cast["reader"] = self._look()
        await self.conductor.run(**cast)

    async def _compact(self) -> None:
        """Merge some deltas."""
        connection = self.rng.choice([self.others["compactor"], *self.further["compactor"]])
        await usage.compact(connection, self.rng.choice((1, 7, 1000)))

    async def _look(self) -> None:
        """Read the drafts of a customer while the others work: they are what has been metered until then."""
        tenant = self.rng.choice(self.world.tenants)
        databases = [self.others["reader"], *self.further["reader"]]
        await self._compare_drafts(databases, tenant, self.rng.choice(tenant.customers), "amid work")

    async def _quiet(self) -> None:
        """Let everything be metered, bill what is due with two rivals, and compare all that can be seen."""
        for _ in range(ROUNDS):
            for place in range(self.shards):
                await self.rng.choice([each for each in self.rivals if each.place == place]).catch_up()
            if await self._positions() == [each.end for each in await self.log.bounds()]:
                break
        else:
            raise DifferenceError("the meter does not catch up")
        await self._feed(await self._positions())
        if self.rng.random() < 0.5:
            await self._compact()
        await self.conductor.run(
            **{name: self.biller.bill(self.others[name], *self.further[name]) for name in ("bill_a", "bill_b")}
        )
        for tenant in self.world.tenants:
            rows = await self.db.execute("SELECT problem FROM billing_due WHERE tenant_id = %s", (tenant.id,))
            problems = [row["problem"] for row in await rows.fetchall() if row["problem"]]
            if problems:
                raise DifferenceError(f"billing failed: {problems}")
        if self.rng.random() < 0.3:
            await self.biller.trim(*self.databases)
        for tenant in self.world.tenants:
            for customer in tenant.customers:
                self.oracles[id(tenant)].finalize(customer.id, self.at, self.world.grace, self.at)
                await self._compare_drafts(self.databases, tenant, customer, "when quiet")
                await self._compare_final(tenant, customer)
                if self.rng.random() < 0.5 or self.at == self.world.closes_at:
                    await self._compare_usage(tenant, customer)

    # ── what is compared ──

    async def _positions(self) -> list[int]:
        return await shards.positions(self.databases, self.topic, self.log.partitions)

    async def _feed(self, positions: Sequence[int]) -> None:
        """Tell the oracles what arrived up to these positions."""
        of_id = {tenant.id: self.oracles[id(tenant)] for tenant in self.world.tenants}
        new = [
            (partition, offset) for partition, end in enumerate(positions) for offset in range(self.fed[partition], end)
        ]
        for place in sorted(new, key=self.log.places.__getitem__):
            for tenant_id, event, at in self.log.arrivals[place]:
                of_id[tenant_id].meter(event, at)
        self.fed = [max(fed, end) for fed, end in zip(self.fed, positions, strict=True)]

    async def _compare_drafts(
        self, databases: Sequence[Connection], tenant: Tenant, customer: Customer, when: str
    ) -> None:
        """Compare drafts and remainders, on what has been metered at the instant of reading."""
        at, home = self.at, databases[0]
        further = [Watched(each, self.topic) for each in databases[1:]]
        async with home.transaction():
            await home.execute(database.SNAPSHOT)
            seen = await progress.everything(home, self.topic)
            real = await standing(home, further, tenant.id, customer.id, at)
        seen += [one for each in further for one in each.seen]
        positions = {each.partition: each.next_offset for each in seen}
        await self._feed([positions.get(each, 0) for each in range(self.log.partitions)])
        oracle = self.oracles[id(tenant)]
        drafts = oracle.drafts(customer.id, at)
        self._agree(f"drafts {when}", bill_differences([bill_of(each.invoice) for each in real.drafts], drafts))
        self._same(f"remainders {when}", all_remaining(real.account), oracle.books[customer.id].left(at))

    async def _compare_final(self, tenant: Tenant, customer: Customer) -> None:
        """Compare finalized invoices."""
        wanted = invoices.Filter(status=InvoiceStatus.FINALIZED)
        real = await invoices.page(self.db, tenant.id, customer.id, wanted, None, 1000)
        final = self.oracles[id(tenant)].books[customer.id].final
        self._agree("final invoices", bill_differences(map(bill_of, real), final))

    async def _compare_usage(self, tenant: Tenant, customer: Customer) -> None:
        """Compare usage by hour, under every group key."""
        oracle = self.oracles[id(tenant)]
        low = hour_number(self.world.opens_at - timedelta(days=60))
        high = hour_number(self.world.closes_at + timedelta(days=60))
        for metric in tenant.metrics:
            for index in range(max(1, len(metric.group_keys))):
                keys = oracle.aliases[customer.id]
                further = [Held(each) for each in self.databases[1:]]
                async with shards.reading(self.db, further, tenant.id) as reader:
                    found = await reader.hours(keys, [metric.id], {metric.id: index}, low, high)
                real = merged(Aggregation(metric.aggregation), found[metric.id])
                self._same(f"usage of {metric}", real, oracle.usage(customer.id, metric.id))

    async def _final_books(self) -> None:
        """Compare the books: every event is counted, a duplicate, or refused by a metric."""
        for tenant in self.world.tenants:
            oracle = self.oracles[id(tenant)]
            real = Counter[str]()
            letters = Counter[tuple[str, str, str]]()
            for connection in self.databases:
                rows = await connection.execute(
                    "SELECT sum(counted) AS counted, sum(duplicates) AS duplicates, sum(conflicts) AS conflicts,"
                    " sum(dead_letters) AS dead FROM event_count WHERE tenant_id = %s AND topic = %s",
                    (tenant.id, self.topic),
                )
                real.update({name: int(number or 0) for name, number in (await rows.fetchone() or {}).items()})
                rows = await connection.execute(
                    "SELECT transaction_id, metric_id::text, reason FROM dead_letter"
                    " WHERE tenant_id = %s AND topic = %s",
                    (tenant.id, self.topic),
                )
                letters.update([tuple(row.values()) for row in await rows.fetchall()])
            expected = {"counted": oracle.counted, "duplicates": oracle.duplicates, "conflicts": oracle.conflicts}
            expected["dead"] = oracle.dead.total()
            self._same("books", dict(real), expected)
            self._same("dead letters", dict(letters), dict(oracle.dead))

    def _same(self, what: str, real: Any, expected: Any) -> None:
        self._agree(what, differences(real, expected))

    def _agree(self, what: str, found: list[str]) -> None:
        self.compared[what.partition(" of ")[0]] += 1
        if found:
            raise DifferenceError(f"{what} differ at {self.at}:" + "".join(found[:20]))


def _body(events: Sequence[Event]) -> bytes:
    """Return the request that a client sends."""
    return ("[" + ", ".join(map(_json, events)) + "]").encode()


def _json(event: Event) -> str:
    fields = {
        "transaction_id": json.dumps(event.transaction_id),
        "customer_id": json.dumps(event.customer),
        "event_type": json.dumps(event.type),
        "timestamp": json.dumps(event.at.astimezone(ZONES[event.at.microsecond % len(ZONES)]).isoformat()),
        "properties": event.properties,
    }
    if event.source:
        fields["source"] = json.dumps(event.source)
    return "{" + ", ".join(f'"{name}": {value}' for name, value in fields.items()) + "}"
