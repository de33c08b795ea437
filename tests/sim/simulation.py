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

from sim import build
from sim.compare import differences, foretold, merged, told
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
from winkel.model.routing import first
from winkel.store import customers, database, invoices, metrics, progress, routing, usage
from winkel.store.database import Connection

ZONES = (UTC, timezone(timedelta(hours=5, minutes=45)), timezone(timedelta(hours=-8)))
PARTITIONS = (1, 2, 3)
ROUNDS = 40
"""In so many attempts a worker meters all that there is, or something is stuck."""


class DifferenceError(AssertionError):
    """Winkel and the oracle do not agree."""


class Stage:
    """Connections that one simulation after the other uses."""

    NAMES = ("reader", "compactor", "bill_a", "bill_b")

    def __init__(self, url: str) -> None:
        self.url = url

    async def __aenter__(self) -> "Stage":
        self.owner = await database.connect(self.url)
        self.others = {name: await database.connect(self.url) for name in self.NAMES}
        return self

    async def __aexit__(self, *_: object) -> None:
        for connection in (self.owner, *self.others.values()):
            await connection.close()

    async def clear(self) -> None:
        """Leave nothing behind that a worker of the next simulation would see."""
        for table in ("usage_delta", "billing_due", "dedupe_run", "log_progress", "billable_metric"):
            await self.owner.execute(f"DELETE FROM {table}")


class Simulation:
    """The world of one seed on a stage that nobody else uses meanwhile."""

    def __init__(self, seed: int, stage: Stage) -> None:
        self.world: World = generate(seed)
        self.rng = Random(f"schedule {seed}")
        self.stage = stage
        self.db = stage.owner
        self.topic = f"sim {seed}"
        self.at = self.world.opens_at
        memory = MemoryLog(self.rng.choice(PARTITIONS), self.clock, self.rng.randbytes(16), self.topic)
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
                await routing.begin(self.db, self.log.name, first(self.log.partitions))
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
        self.intakes = [Intake(self.log, Routes.always(first(self.log.partitions)), flush_seconds=0) for _ in range(2)]
        self.rivals = [
            Rival(self.stage.url, self.log, self.conductor, Random(f"{name} {self.world.seed}"), name)
            for name in ("meter_a", "meter_b")
        ]
        settings = Settings(grace_hours=int(self.world.grace / timedelta(hours=1)))
        self.biller = Worker(self.stage.url, self.log, settings, self.clock)
        self.others = {name: self.conductor.conduct(each) for name, each in self.stage.others.items()}
        try:
            yield
        finally:
            for rival in self.rivals:
                await rival.close()
                self.happened.update(rival.happened)
            await self.stage.clear()

    def _begin(self, tenant: Tenant) -> None:
        oracle = self.oracles[id(tenant)]
        oracle.metrics = [each for each in tenant.metrics if each.made_at <= self.at]
        oracle.products = [each for each in tenant.products if each.made_at <= self.at]
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
        await self._feed(await self._positions(self.db))
        await metrics.insert(self.db, tenant.id, build.made_metric(metric))
        self.oracles[id(tenant)].metrics.append(metric)

    async def _make_product(self, tenant: Tenant, product: Product) -> None:
        """Make a product with its rates: it is billed for all that its metric has counted."""
        async with self.db.transaction():
            await build.product_with_rates(self.db, tenant, product, self.at)
        self.oracles[id(tenant)].products.append(product)

    async def _add_alias(self, tenant: Tenant, customer: Customer, alias: str) -> None:
        """Give a customer another alias: usage of the past comes with it."""
        known = self.oracles[id(tenant)].aliases[customer.id]
        known.append(alias)
        async with self.db.transaction():
            await customers.set_aliases(self.db, tenant.id, customer.id, known[1:], self.at)

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
        await usage.compact(self.others["compactor"], self.rng.choice((1, 7, 1000)))

    async def _look(self) -> None:
        """Read the drafts of a customer while the others work: they are what has been metered until then."""
        tenant = self.rng.choice(self.world.tenants)
        await self._compare_drafts(self.others["reader"], tenant, self.rng.choice(tenant.customers), "amid work")

    async def _quiet(self) -> None:
        """Let everything be metered, bill what is due with two rivals, and compare all that can be seen."""
        for _ in range(ROUNDS):
            await self.rng.choice(self.rivals).catch_up()
            if await self._positions(self.db) == [each.end for each in await self.log.bounds()]:
                break
        else:
            raise DifferenceError("the meter does not catch up")
        await self._feed(await self._positions(self.db))
        if self.rng.random() < 0.5:
            await self._compact()
        await self.conductor.run(
            bill_a=self.biller.bill(self.others["bill_a"]), bill_b=self.biller.bill(self.others["bill_b"])
        )
        for tenant in self.world.tenants:
            rows = await self.db.execute("SELECT problem FROM billing_due WHERE tenant_id = %s", (tenant.id,))
            problems = [row["problem"] for row in await rows.fetchall() if row["problem"]]
            if problems:
                raise DifferenceError(f"billing failed: {problems}")
        if self.rng.random() < 0.3:
            await self.biller.trim(self.db)
        for tenant in self.world.tenants:
            for customer in tenant.customers:
                self.oracles[id(tenant)].finalize(customer.id, self.at, self.world.grace, self.at)
                await self._compare_drafts(self.db, tenant, customer, "when quiet")
                await self._compare_final(tenant, customer)
                if self.rng.random() < 0.5 or self.at == self.world.closes_at:
                    await self._compare_usage(tenant, customer)

    # ── what is compared ──

    async def _positions(self, connection: Connection) -> list[int]:
        return await progress.positions(connection, self.topic, self.log.partitions)

    async def _feed(self, positions: Sequence[int]) -> None:
        """Tell the oracles what arrived up to these positions."""
        of_id = {tenant.id: self.oracles[id(tenant)] for tenant in self.world.tenants}
        for partition, end in enumerate(positions):
            for offset in range(self.fed[partition], end):
                for tenant_id, event, at in self.log.arrivals[partition, offset]:
                    of_id[tenant_id].meter(event, at)
            self.fed[partition] = max(end, self.fed[partition])

    async def _compare_drafts(self, connection: Connection, tenant: Tenant, customer: Customer, when: str) -> None:
        """Compare drafts and remainders, on what has been metered at the instant of reading."""
        at = self.at
        async with connection.transaction():
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            positions = await self._positions(connection)
            real = await standing(connection, tenant.id, customer.id, at)
        await self._feed(positions)
        oracle = self.oracles[id(tenant)]
        self._same(
            f"drafts {when}", told(each.invoice for each in real.drafts), foretold(oracle.drafts(customer.id, at))
        )
        left = {
            segment.id: oracle.left(segment)
            for balance in tenant.balances
            if balance.customer_id == customer.id
            for segment in balance.segments
        }
        self._same(f"remainders {when}", all_remaining(real.account), left)

    async def _compare_final(self, tenant: Tenant, customer: Customer) -> None:
        """Compare finalized invoices."""
        wanted = invoices.Filter(status=InvoiceStatus.FINALIZED)
        real = await invoices.page(self.db, tenant.id, customer.id, wanted, None, 1000)
        bills = self.oracles[id(tenant)].final.values()
        own = {each.id for each in tenant.contracts if each.customer_id == customer.id}
        self._same("final invoices", told(real), foretold(each for each in bills if each.contract_id in own))

    async def _compare_usage(self, tenant: Tenant, customer: Customer) -> None:
        """Compare usage by hour, under every group key."""
        oracle = self.oracles[id(tenant)]
        low = hour_number(self.world.opens_at - timedelta(days=60))
        high = hour_number(self.world.closes_at + timedelta(days=60))
        for metric in tenant.metrics:
            for index in range(max(1, len(metric.group_keys))):
                keys = oracle.aliases[customer.id]
                found = await usage.hours(self.db, tenant.id, keys, [metric.id], {metric.id: index}, low, high)
                real = merged(Aggregation(metric.aggregation), found[metric.id])
                self._same(f"usage of {metric}", real, oracle.usage(customer.id, metric.id))

    async def _final_books(self) -> None:
        """Compare the books: every event is counted, a duplicate, or refused by a metric."""
        for tenant in self.world.tenants:
            oracle = self.oracles[id(tenant)]
            rows = await self.db.execute(
                "SELECT sum(counted) AS counted, sum(duplicates) AS duplicates, sum(conflicts) AS conflicts,"
                " sum(dead_letters) AS dead FROM event_count WHERE tenant_id = %s AND topic = %s",
                (tenant.id, self.topic),
            )
            real = await rows.fetchone()
            expected = {"counted": oracle.counted, "duplicates": oracle.duplicates, "conflicts": oracle.conflicts}
            expected["dead"] = oracle.dead.total()
            self._same("books", {name: int(number or 0) for name, number in (real or {}).items()}, expected)
            rows = await self.db.execute(
                "SELECT transaction_id, metric_id::text, reason, count(*) AS times FROM dead_letter"
                " WHERE tenant_id = %s AND topic = %s GROUP BY 1, 2, 3",
                (tenant.id, self.topic),
            )
            letters = {
                (row["transaction_id"], row["metric_id"], row["reason"]): row["times"] for row in await rows.fetchall()
            }
            self._same("dead letters", letters, dict(oracle.dead))

    def _same(self, what: str, real: Any, expected: Any) -> None:
        self.compared[what.partition(" of ")[0]] += 1
        found = differences(real, expected)
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
