"""What a gateway counts: requests, events, refusals, and how long making events durable takes."""

from prometheus_client import Counter, Gauge, Histogram

from winkel.figures.registry import QUICK, REGISTRY, Sign

REQUESTS = Counter(
    "winkel_ingest_requests_total", "Requests whose events were made durable and acknowledged.", registry=REGISTRY
)
EVENTS = Counter("winkel_ingest_events_total", "Events made durable and acknowledged.", registry=REGISTRY)
REFUSED = Counter(
    "winkel_ingest_refused_total",
    "Requests with events that were told to come again later, by reason.",
    ["reason"],
    registry=REGISTRY,
)
APPEND_SECONDS = Histogram(
    "winkel_append_seconds",
    "How long one append to the log took, for all the requests that shared it, until it was durable.",
    buckets=QUICK,
    registry=REGISTRY,
)
QUEUE_BYTES = Gauge("winkel_ingest_queue_bytes", "Bytes of requests that wait to become durable.", registry=REGISTRY)
HTTP_SECONDS = Histogram(
    "winkel_http_request_seconds",
    "How long requests took until their answer began; route is ingest or other, status the HTTP status.",
    ["route", "status"],
    buckets=QUICK,
    registry=REGISTRY,
)

LEASE = Sign("the gateway holds a lease on the routing, over a session with the database", within=5.0)
"""Given whenever the lease is renewed, also while the routing changes (ingest/worker.py)."""
SIGNS = (LEASE,)
