"""Compares what clients had accepted with what Winkel says: usage, books and the log itself. No event more or less."""

import asyncio
import hashlib
import itertools
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import reduce
from typing import Any

import httpx
import msgspec

from chaos.system import System
from chaos.traffic import EVENT_TYPE, TRY_SECONDS, Clients, Sent, fingerprint
from winkel.config import Settings
from winkel.fleet.actions import open_log
from winkel.ingest.rows import events_at
from winkel.log import codec
from winkel.log.log import Log

CATCH_UP_SECONDS = 90.0
_decoder = msgspec.json.Decoder(float_hook=Decimal)


class Api:
    """The API of a system whose gateways come and go: what one does not answer, the next is asked."""

    def __init__(self, system: System, *, try_seconds: float = TRY_SECONDS) -> None:
        """`try_seconds`: how long to wait for one gateway."""
        self.system = system
        self._http = httpx.Client(timeout=try_seconds, trust_env=False)

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def post(self, path: str, body: Any, seconds: float = 60) -> Any:
        """Send a body to whichever gateway answers; return what it says."""
        content = msgspec.json.encode(body)
        until = time.monotonic() + seconds
        for number in itertools.count():
            urls = self.system.urls
            try:
                answer = self._http.post(urls[number % len(urls)] + path, content=content, headers=self.system.headers)
            except httpx.TransportError as error:
                problem = repr(error)
            else:
                if answer.status_code == 200:
                    return _decoder.decode(answer.content)
                problem = f"{answer.status_code} {answer.text}"
                assert answer.status_code in {429, 503}, problem
            assert time.monotonic() < until, f"{path}: no answer within {seconds} s: {problem}"
            time.sleep(0.05)
        raise AssertionError("counting never ends")

    def make(self, path: str, **fields: Any) -> str:
        """Make an object; return its id."""
        made: str = self.post(path, fields)["data"]["id"]
        return made

    def usage(self, metric_id: str, since: datetime, until: datetime) -> dict[str, Decimal]:
        """Return a metric's usage between two midnights, by customer id."""
        body = {
            "starting_on": since,
            "ending_before": until,
            "window_size": "NONE",
            "billable_metrics": [{"id": metric_id}],
        }
        return {row["customer_id"]: row["value"] for row in self.pages("/v1/usage", body) if row["value"] is not None}

    def pages(self, path: str, body: Any) -> Iterator[Any]:
        """Yield the rows of a list, page after page."""
        cursor: str | None = ""
        while cursor is not None:
            page = self.post(path + (f"?next_page={cursor}" if cursor else ""), body)
            yield from page["data"]
            cursor = page["next_page"]

    def refused(self, events: Any) -> str:
        """Send events that must be refused; return the sentence that says why."""
        url, content = self.system.urls[0], msgspec.json.encode(events)
        answer = self._http.post(url + "/v1/ingest", content=content, headers=self.system.headers)
        assert answer.status_code == 400, f"{answer.status_code} {answer.text}"
        return answer.text


class Checker:
    """The customers and metrics of some clients, and what their usage must be.

    Make it before they begin to send: an event counts towards the metrics that there are when it is metered.
    """

    wrong: int
    """How many events were lost or counted twice, as it was measured last: there once somebody has looked."""

    def __init__(self, system: System, *clients: Clients) -> None:
        self.system = system
        self.clients = clients
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self.since, self.until = today - timedelta(days=36), today + timedelta(days=3)
        with Api(system) as api:
            self.ids = {alias: api.make("/v1/customers", name=alias, ingest_aliases=[alias])
                        for each in clients for alias in each.customers}  # fmt: skip
            self.metrics = {
                kind: api.make("/v1/billable-metrics/create", name=kind, aggregation_type=kind,
                               event_type_filter={"in_values": [EVENT_TYPE]}, **_key(kind))
                for kind in ("COUNT", "SUM", "LATEST")
            }  # fmt: skip

    @property
    def sent(self) -> dict[str, Sent]:
        """What was accepted of all clients, by ingest alias."""
        return {alias: sent for each in self.clients for alias, sent in each.sent.items()}

    def usage(self, api: Api, kind: str) -> dict[str, Decimal]:
        """Return the usage of one metric by ingest alias."""
        aliases = {customer_id: alias for alias, customer_id in self.ids.items()}
        found = api.usage(self.metrics[kind], self.since, self.until)
        return {aliases[customer_id]: value for customer_id, value in found.items()}

    def hours(self, api: Api, kind: str) -> dict[str, dict[str, Decimal]]:
        """Return the usage of one metric by ingest alias and hour."""
        body = {
            "starting_on": self.since,
            "ending_before": self.until,
            "window_size": "HOUR",
            "billable_metrics": [{"id": self.metrics[kind]}],
        }
        aliases = {customer_id: alias for alias, customer_id in self.ids.items()}
        found: dict[str, dict[str, Decimal]] = {}
        for row in api.pages("/v1/usage", body):
            if row["value"]:
                found.setdefault(aliases[row["customer_id"]], {})[row["start_timestamp"]] = row["value"]
        return found

    def exact(self, *, seconds: float = CATCH_UP_SECONDS, books: bool = True, aside: int = 0) -> float:
        """Assert that everything accepted is counted, once, in time; return the seconds until it was.

        `books`: that the meter's books say the same, and no more events were set aside than these; not where others
        send too.
        """
        sent = self.sent
        expected = {alias: Decimal(each.count) for alias, each in sent.items()}
        began = time.monotonic()
        with Api(self.system) as api:
            while self.measure(found := self.usage(api, "COUNT"), expected):
                if time.monotonic() - began > seconds:
                    raise AssertionError(f"after {seconds} s {differences(found, expected)}{self._where()}")
                time.sleep(0.05)
            took = time.monotonic() - began
            totals = {alias: each.total for alias, each in sent.items()}
            found = self.usage(api, "SUM")
            assert found == totals, f"sums {differences(found, totals)}"
            latest = {alias: each.latest[2] for alias, each in sent.items() if each.latest}
            found = self.usage(api, "LATEST")
            assert found == latest, f"latest {differences(found, latest)}"
            if books:
                self._books_balance(aside)
                found = self.usage(api, "COUNT")
                assert not self.measure(found, expected), f"repeats counted: {differences(found, expected)}"
        return took

    def measure(self, found: dict[str, Decimal], expected: dict[str, Decimal]) -> int:
        """Hold how many events too few or too many were found."""
        self.wrong = amiss(found, expected)
        return self.wrong

    def chains_equal(self) -> int:
        """Assert that the log has every accepted event, unchanged, in the order of acceptance; return how many.

        The order is that of one client and one partition: each (customer, partition) has a chain of SHA-256, in which
        the first records of a request are a link. (Among themselves they may stand in any order: of a request that was
        tried twice, the first try may have left some.) Returns the number of chains.
        """
        firsts = asyncio.run(_from_log(self.system))
        places = {first.transaction_id: first.partition for first in firsts}
        for alias, sent in self.sent.items():
            missing = [each for each in sent.ids if each not in places]
            assert not missing, f"{alias}: {len(missing)} accepted events are not in the log, such as {missing[0]}"
        request_of = {each: number for sent in self.sent.values() for number, some in enumerate(sent.requests)
                      for each, _ in some}  # fmt: skip
        found = _chains((each.customer, each.partition, request_of.get(each.transaction_id), each.digest)
                        for each in firsts if each.customer in self.sent)  # fmt: skip
        expected = _chains((alias, places[each], number, digest) for alias, sent in self.sent.items()
                           for number, some in enumerate(sent.requests) for each, digest in some)  # fmt: skip
        assert found == expected, (
            f"these chains differ: {[place for place in expected if found.get(place) != expected[place]]}"
        )
        return len(expected)

    def in_log(self) -> dict[str, Decimal]:
        """Return by ingest alias how many different events the log has."""
        there = {each.transaction_id for each in asyncio.run(_from_log(self.system))}
        return {alias: Decimal(sum(each in there for each in sent.ids)) for alias, sent in self.sent.items()}

    def _books_balance(self, aside: int) -> None:
        """Assert that the meter's own books say the same, and that no more events went to the dead letters.

        Repeats add nothing to usage: that it is complete does not say that the last of them were metered.
        """
        query = "SELECT sum(counted)::int, sum(duplicates)::int, sum(dead_letters)::int FROM event_count"
        repeated = sum(each.repeated for each in self.clients)
        self.system.wait_until(lambda: (self.system.ask(query)[0][1] or 0) >= repeated, CATCH_UP_SECONDS)
        ((counted, _, dead_letters),) = self.system.ask(query)
        assert counted == sum(each.accepted for each in self.clients)
        assert dead_letters == aside

    def _where(self) -> str:
        progress = self.system.ask(
            "SELECT partition, owner, epoch, next_offset, now() - updated_at FROM log_progress ORDER BY partition"
        )
        books = self.system.ask("SELECT sum(counted), sum(duplicates), sum(dead_letters) FROM event_count")
        sent = [sum(each.accepted for each in self.clients), sum(each.repeated for each in self.clients)]
        facts = [f"counted, repeats, dead letters: {books}; accepted, sent again: {sent}", *map(str, progress)]
        return "\n".join(["", *facts, self.system.last_words()])


def amiss(found: dict[str, Decimal], expected: dict[str, Decimal]) -> int:
    """Return how many events too few or too many there are, over all customers."""
    return int(sum(abs(found.get(each, 0) - expected.get(each, 0)) for each in {*found, *expected}))


def differences(found: dict[str, Decimal], expected: dict[str, Decimal]) -> str:
    """Return what differs, for people."""
    names = [each for each in sorted({*found, *expected}) if found.get(each) != expected.get(each)]
    shown = [f"{each}: {found.get(each)} instead of {expected.get(each)}" for each in names[:5]]
    return f"{len(names)} of {len(expected)} customers differ: {'; '.join(shown)}"


def _key(kind: str) -> dict[str, Any]:
    if kind == "COUNT":
        return {}
    return {"aggregation_key": "amount", "property_filters": [{"name": "amount", "exists": True}]}


class First(msgspec.Struct, frozen=True):
    """The first record of an event."""

    transaction_id: str
    customer: str
    partition: int
    digest: bytes


def drain(system: System) -> None:
    """Wait until everything that is in the log now is metered."""
    ends = asyncio.run(_ends(system))

    def passed() -> bool:
        stand = dict(system.ask("SELECT partition, next_offset FROM log_progress"))
        return all(stand.get(partition, 0) >= end for partition, end in enumerate(ends))

    system.wait_until(passed, CATCH_UP_SECONDS)


async def _ends(system: System) -> list[int]:
    async with _log_of(system) as events:
        return [each.end for each in await events.bounds()]


@asynccontextmanager
async def _log_of(system: System) -> AsyncIterator[Log]:
    settings = Settings.from_environment(system.settings)
    events = await open_log(settings.database_url, settings)
    try:
        yield events
    finally:
        await events.close()


async def _from_log(system: System) -> list[First]:
    """Return the first record of each event in the log, in the order in which they came."""
    links: list[tuple[datetime, int, list[tuple[str, str, bytes]]]] = []
    async with _log_of(system) as events:
        for partition, bounds in enumerate(await events.bounds()):
            offset = bounds.start
            while offset < bounds.end:
                records = await events.read(partition, offset, events=50_000, wait_seconds=1)
                assert records, f"partition {partition} ends at {offset}, before {bounds.end}"
                links += [(each.appended_at, partition, _said(each.data)) for each in records]
                offset = records[-1].next_offset
    firsts: dict[str, First] = {}
    for _, partition, said in sorted(links, key=lambda each: each[0]):  # stable: the order of a partition stays
        for transaction_id, customer, digest in said:
            firsts.setdefault(transaction_id, First(transaction_id, customer, partition, digest))
    return list(firsts.values())


def _said(data: bytes) -> list[tuple[str, str, bytes]]:
    block = codec.decode(data)
    events = events_at(block, range(len(block)))
    prints = [fingerprint(each.transaction_id, each.timestamp, bytes(each.properties or b"")) for each in events]
    return [(each.transaction_id, each.customer_id, print_) for each, print_ in zip(events, prints, strict=True)]


def _chains(links: Iterable[tuple[str, int, int | None, bytes]]) -> dict[tuple[str, int], bytes]:
    """Return by customer and partition the chain of what their requests left there: SHA-256(chain so far ‖ link)."""
    requests: dict[tuple[str, int], list[tuple[int | None, list[bytes]]]] = defaultdict(list)
    for customer, partition, request, digest in links:
        some = requests[customer, partition]
        if not some or some[-1][0] != request:
            some.append((request, []))
        some[-1][1].append(digest)
    return {place: reduce(_linked, (sorted(digests) for _, digests in some), b"") for place, some in requests.items()}


def _linked(chain: bytes, digests: Iterable[bytes]) -> bytes:
    return hashlib.sha256(chain + b"".join(digests)).digest()
