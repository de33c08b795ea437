"""What a meter counts: batches, what was in them, and how fresh they were."""

from prometheus_client import Counter, Gauge, Histogram

from winkel.figures.registry import QUICK, REGISTRY, Sign

RECORDS = Counter("winkel_meter_records_total", "Records of the log that were metered.", registry=REGISTRY)
EVENTS = Counter("winkel_meter_events_total", "Events in them, duplicates included.", registry=REGISTRY)
DUPLICATES = Counter(
    "winkel_meter_duplicates_total", "Events that were known already, and not counted again.", registry=REGISTRY
)
CONFLICTS = Counter(
    "winkel_meter_conflicts_total", "Duplicates whose content was another than that which counts.", registry=REGISTRY
)
DEAD_LETTERS = Counter(
    "winkel_meter_dead_letters_total",
    "Events and records that could not be counted and were set aside.",
    registry=REGISTRY,
)
FORWARDED = Counter(
    "winkel_meter_forwarded_records_total",
    "Records of an old routing, appended anew to where they belong.",
    registry=REGISTRY,
)
BUSY_SECONDS = Counter(
    "winkel_meter_busy_seconds_total", "Time spent on batches; waiting for records does not count.", registry=REGISTRY
)
BATCH_EVENTS = Histogram(
    "winkel_meter_batch_events",
    "Events of one batch.",
    buckets=(1, 10, 100, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000),
    registry=REGISTRY,
)
COMMIT_SECONDS = Histogram(
    "winkel_meter_commit_seconds",
    "From the beginning of a batch's transaction until it was committed.",
    buckets=QUICK,
    registry=REGISTRY,
)
FRESHNESS_SECONDS = Histogram(
    "winkel_meter_freshness_seconds",
    "How old the oldest record of a batch was when it was committed: from then on it shows in usage.",
    buckets=(0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 7_200.0, 86_400.0),
    registry=REGISTRY,
)
PARTITIONS = Gauge(
    "winkel_meter_partitions", "Partitions that this meter owns, by database.", ["database"], registry=REGISTRY
)

HEARTBEAT = Sign("the meter gives its sign of life in the database", within=10.0)
"""Given at every tick (fleet/worker.py); it may be late when a large batch is under way."""
SIGNS = (HEARTBEAT,)
