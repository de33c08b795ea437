"""What the billing role counts: merged usage, invoices, and what did not work."""

from prometheus_client import Counter, Gauge, Histogram

from winkel.figures.registry import REGISTRY, Sign

OPEN_DELTAS = Gauge(
    "winkel_bill_open_deltas",
    "Additions to usage that are not merged yet; counting stops at 100,000.",
    registry=REGISTRY,
)
COMPACTED = Counter("winkel_bill_compacted_rows_total", "Additions to usage that were merged.", registry=REGISTRY)
COMPACTION_SECONDS = Histogram(
    "winkel_bill_compaction_seconds",
    "How long one transaction took that merged additions to usage.",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
    registry=REGISTRY,
)
FINALIZED = Counter("winkel_bill_invoices_finalized_total", "Invoices that were finalized.", registry=REGISTRY)
FAILURES = Counter(
    "winkel_bill_failures_total", "Times that billing contracts failed; it is tried again.", registry=REGISTRY
)

COMPACTING = Sign("usage is being merged", within=120.0)
BILLING = Sign("customers who are due are being billed", within=120.0)
SIGNS = (COMPACTING, BILLING)
"""Given after every step of the two jobs (bill/worker.py)."""
