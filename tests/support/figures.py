"""Every figure that Winkel shows, as Prometheus would see it."""

from datetime import UTC, datetime
from time import monotonic

from prometheus_client.metrics_core import Metric

from winkel.cli.together import Merged
from winkel.figures import bill, gateway, meter
from winkel.figures.registry import REGISTRY
from winkel.fleet.observation import Observation, Standing
from winkel.fleet.overview import Overview, Pipeline
from winkel.model.meter import MeterStatus

ROLES = (gateway, meter, bill)
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def standing(partition: int, **values) -> Standing:
    """Return a partition with nothing in it."""
    empty = {"routed": True, "next_offset": 0, "metered_offset": 0, "owner": "a:1:x", "updated_at": NOW}
    return Standing(partition=partition, **{**empty, **values})


def status(meter_name: str = "a:1:x", **values) -> MeterStatus:
    """Return what a meter says that did nothing yet."""
    names = ("records", "events", "duplicates", "dead_letters", "forwarded", "batches")
    zeros = dict.fromkeys(names, 0) | dict.fromkeys(("busy_seconds", "commit_seconds", "age_seconds"), 0.0)
    rest = {"started_at": NOW, "seen_at": NOW, "silent_seconds": 0.5, "partitions": ()}
    return MeterStatus(meter=meter_name, **{**zeros, **rest, **values})


def overview(*partitions: Standing, meters=(), at: float | None = None, **values) -> Overview:
    """Return a look at these partitions, ten events a record."""
    observation = Observation(
        at=monotonic() if at is None else at,
        topic="events",
        partitions=partitions,
        meters=tuple(meters),
        events_per_record=10.0,
    )
    rest = {"routing": 1, "routed": len(partitions), "preparing": None, "gateways": ("g:1",), "desired": 2}
    return Overview(observation=observation, **{**rest, "reason": "", **values})


def families() -> dict[str, Metric]:
    """Return every family by its name in PromQL: with `_total` where it counts."""
    pipeline = Pipeline()
    pipeline.show(overview(standing(0)))
    found = [*REGISTRY.collect(), *pipeline.collect(), *Merged({"gateway": None}).collect()]
    return {f"{each.name}_total" if each.type == "counter" else each.name: each for each in found}


def names() -> set[str]:
    """Return every name that PromQL may use."""
    found = set()
    for name, family in families().items():
        found |= {f"{name}_{end}" for end in ("bucket", "count", "sum")} if family.type == "histogram" else {name}
    return found


def rows(start: str) -> list[str]:
    """Return the rows of docs/guides/watch-it.md for figures whose names begin so."""
    found = []
    for name, family in families().items():
        if name.startswith(start):
            kind = f"{family.type}, by {', '.join(_labels(name))}" if _labels(name) else family.type
            found.append(f"| `{name}` | {kind} | {family.documentation} |")
    return sorted(found)


def _labels(name: str) -> tuple[str, ...]:
    made = {
        each._name: each._labelnames for role in ROLES for each in vars(role).values() if hasattr(each, "_labelnames")
    }
    pipeline = {"winkel_lag_records", "winkel_lag_events", "winkel_partition_owned"}
    return made.get(name.removesuffix("_total"), ("partition",) if name in pipeline else ())
