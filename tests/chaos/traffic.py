"""Clients of a system under faults: they send until a gateway has accepted, and remember exactly what was accepted."""

import hashlib
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import httpx
import msgspec

from chaos.system import System

SEED = 20260101
DEADLINE_SECONDS = 60.0
"""A client does not give up earlier; a request that is not accepted by then fails the test."""
TRY_SECONDS = 4.0
"""How long a client waits for an answer before it turns to another gateway."""
PAUSE_SECONDS = 0.05
ROUTE, BULK_ROUTE = "/v1/ingest", "/winkel/v1/events"
ROUTE_MAX = 100
"""The most events of a request to the one; what is larger goes to the other."""
EVENT_TYPE = "use"


class Event(msgspec.Struct, frozen=True, gc=False):
    """An event as it is sent."""

    transaction_id: str
    customer_id: str
    timestamp: datetime
    properties: dict[str, Any]
    event_type: str = EVENT_TYPE

    @property
    def digest(self) -> bytes:
        """A fingerprint of all that an event says."""
        return fingerprint(self.transaction_id, self.timestamp, msgspec.json.encode(self.properties))


def fingerprint(transaction_id: str, timestamp: datetime, properties: bytes) -> bytes:
    """Return the SHA-256 of an event's content; the numbers in `properties` count as they are written."""
    text = f"{transaction_id}\n{timestamp.astimezone(UTC).isoformat()}\n".encode() + properties
    return hashlib.sha256(text).digest()


class Sent(msgspec.Struct):
    """What was accepted of one customer, in order: each event once, however often it was sent."""

    count: int = 0
    total: Decimal = Decimal(0)
    latest: tuple[datetime, str, Decimal] | None = None
    requests: list[list[tuple[str, bytes]]] = []
    """Transaction ids and fingerprints of each request, in the order in which these were first accepted."""

    @property
    def ids(self) -> list[str]:
        """The transaction ids of all events."""
        return [each for some in self.requests for each, _ in some]

    def note(self, events: Iterable[Event]) -> None:
        """Remember the events of one more request."""
        self.requests.append([(each.transaction_id, each.digest) for each in events])
        for event in events:
            amount = Decimal(event.properties["amount"])
            self.count += 1
            self.total += amount
            this = event.timestamp, event.transaction_id, amount
            self.latest = this if self.latest is None else max(self.latest, this, key=lambda each: each[:2])


class Clients:
    """What clients know of a system: its gateways; and what came of their requests."""

    def __init__(self, system: System, customers: Sequence[str], *, route: str = ROUTE) -> None:
        self.system = system
        self.route = route
        self.customers = customers
        """Ingest aliases of the customers whose events they send."""
        self.patience = DEADLINE_SECONDS
        """How many seconds they try to have a request accepted, if not told otherwise."""
        self.sent: dict[str, Sent] = {}
        """What was accepted, by ingest alias."""
        self.repeated = 0
        """Events that were sent again on purpose."""
        self.answers = Counter[str]()
        """What came back: accepted, or why it was sent again."""
        self.waits: list[float] = []
        """Seconds from the first try to acceptance, of requests that needed more than one."""
        self._lock = threading.Lock()

    @property
    def accepted(self) -> int:
        """How many unique events were accepted so far."""
        return sum(each.count for each in list(self.sent.values()))

    @property
    def refused(self) -> int:
        """How many requests were told to come again."""
        return self.answers["status 429"] + self.answers["status 503"]

    def send(self, client: httpx.Client, events: Sequence[Event], *, first: int = 0, again: bool = False) -> None:
        """Send events until they are accepted, and remember them; `again`: they were accepted before."""
        if not self.deliver(client, msgspec.json.encode(events), first=first, deadline=self.patience):
            raise AssertionError(f"not accepted within {self.patience} s: {dict(self.answers)}")
        with self._lock:
            if again:
                self.repeated += len(events)
            else:
                for customer in dict.fromkeys(each.customer_id for each in events):
                    own = [each for each in events if each.customer_id == customer]
                    self.sent.setdefault(customer, Sent()).note(own)

    def deliver(self, client: httpx.Client, body: bytes, *, first: int = 0, deadline: float = DEADLINE_SECONDS) -> bool:
        """Send a request until it is accepted, each time to the next gateway; False when the deadline came first.

        Any answer but 200, 429 and 503 is a fault of Winkel's.
        """
        began = time.monotonic()
        for number in itertools.count(first):
            urls = self.system.urls
            problem = self._once(client, urls[number % len(urls)], body)
            now = time.monotonic()
            if problem is None:
                self.answers["accepted"] += 1
                if number > first:
                    self.waits.append(now - began)
                return True
            self.answers[problem] += 1
            if now - began > deadline:
                return False
            time.sleep(PAUSE_SECONDS)
        raise AssertionError("counting never ends")

    def _once(self, client: httpx.Client, url: str, body: bytes) -> str | None:
        """Send a request; return why it has to be sent again, None: it was accepted."""
        try:
            answer = client.post(url + self.route, content=body, headers=self.system.headers)
        except httpx.TransportError as error:
            return type(error).__name__
        if answer.status_code == 200:
            assert self.route == ROUTE or not answer.json()["invalid"], answer.text
            return None
        assert answer.status_code in {429, 503}, f"{answer.status_code} {answer.text}"
        return f"status {answer.status_code}"


class Traffic(Clients):
    """Clients that send until they are told to stop, each its own customers' events, one request after the other."""

    def __init__(
        self,
        system: System,
        name: str = "customer",
        *,
        senders: int = 3,
        customers: int = 2,
        events: int = 20,
        pause: float = 0.02,
        repeats: float = 0.1,
        at: Callable[[Random, int], datetime] | None = None,
        seed: int = SEED,
    ) -> None:
        """Of each sender: its customers, the events of a request, the seconds between two, the share sent again.

        `at` gives an event's own time from its number; as it stands, time goes on by a millisecond an event.
        """
        names = [f"{name}-{sender}-{number}" for sender in range(senders) for number in range(customers)]
        super().__init__(system, names, route=ROUTE if events <= ROUTE_MAX else BULK_ROUTE)
        self.name = name
        self.pause = pause
        self.requests = [0] * senders
        """How many requests of each sender were accepted, those sent again on purpose not counted."""
        self._shape = senders, customers, events
        self._repeats = repeats
        began = datetime.now(UTC)
        self._at = at or (lambda _, number: began + timedelta(milliseconds=number))
        self._seed = seed
        self._stop = threading.Event()
        self._threads = ThreadPoolExecutor(senders)
        self._running: list[Future[None]] = []

    def start(self) -> "Traffic":
        """Begin to send."""
        self._running = [self._threads.submit(self._send_forever, sender) for sender in range(self._shape[0])]
        return self

    def stop(self) -> None:
        """Finish the requests under way; raises what went wrong in any client."""
        self._stop.set()
        for each in self._running:
            each.result(self.patience + 30)
        self._threads.shutdown()

    def __enter__(self) -> "Traffic":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def check(self) -> None:
        """Raise what went wrong in any client so far."""
        for each in self._running:
            if each.done():
                each.result()

    def _send_forever(self, sender: int) -> None:
        rng = Random(self._seed + sender)
        with httpx.Client(timeout=TRY_SECONDS, trust_env=False) as client:
            for number in itertools.count():
                if self._stop.is_set():
                    return
                self.send(client, list(self.events_of(sender, number)), first=sender)
                self.requests[sender] = number + 1
                if rng.random() < self._repeats:
                    before = list(self.events_of(sender, rng.randint(0, number)))
                    self.send(client, before, first=rng.randrange(100), again=True)
                self._stop.wait(self.pause)

    def resend_all(self) -> None:
        """Send every request again that was accepted, through other gateways."""
        with httpx.Client(timeout=TRY_SECONDS, trust_env=False) as client:
            for sender, requests in enumerate(self.requests):
                for number in range(requests):
                    self.send(client, list(self.events_of(sender, number)), first=sender + 1, again=True)

    def events_of(self, sender: int, number: int) -> Iterator[Event]:
        """Yield the events of a sender's request: always the same for the same number."""
        _, customers, events = self._shape
        rng = Random(f"{self._seed} {sender} {number}")
        for index in range(events):
            place = number * events + index
            amount = f"{place % 997}.{place % 10**6:06}"
            yield Event(
                f"{self.name} {sender}-{number}-{index}",
                f"{self.name}-{sender}-{place % customers}",
                self._at(rng, place),
                {"amount": amount, "place": place},
            )
