"""All that an operator wants to know of a fleet at one moment, and its figures for Prometheus."""

from collections.abc import Iterator
from time import monotonic

from msgspec import Struct
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from winkel.figures.registry import REGISTRY
from winkel.fleet.observation import Observation

STALE_SECONDS = 60.0
"""Figures that are older are not shown: none is better than a wrong one."""


class Overview(Struct, frozen=True):
    """One look at everything (`overview` in fleet/actions.py)."""

    observation: Observation
    routing: int
    """The version in force."""
    routed: int
    """To how many partitions events go by it."""
    preparing: int | None
    """The version to which the fleet is changing."""
    gateways: tuple[str, ...]
    """Those that hold a lease."""
    desired: int | None
    """How many processes that meter the autoscaler asks for; None: none runs."""
    reason: str
    """Why so many, for people."""


class Pipeline(Collector):
    """The last overview as figures; nothing while there is none."""

    def __init__(self) -> None:
        self._shown: Overview | None = None

    def show(self, overview: Overview) -> None:
        """Show this one from now on."""
        self._shown = overview

    def collect(self) -> Iterator[Metric]:
        """Return the figures of the last overview, unless that is old."""
        shown = self._shown
        if shown is None or monotonic() - shown.observation.at > STALE_SECONDS:
            return
        seen = shown.observation
        records, events, owned = _families()
        alive = {each.meter for each in seen.meters}
        for each in seen.partitions:
            labels = [str(each.partition)]
            records.add_metric(labels, each.records)
            events.add_metric(labels, seen.events_of(each))
            owned.add_metric(labels, float(each.owner in alive))
        yield from (records, events, owned)
        yield GaugeMetricFamily("winkel_partitions", "Partitions to which events go now.", shown.routed)
        yield GaugeMetricFamily("winkel_meters", "Processes that meter and are alive.", len(seen.processes))
        yield GaugeMetricFamily("winkel_gateways", "Gateways that hold a lease on the routing.", len(shown.gateways))
        yield GaugeMetricFamily("winkel_routing_version", "The version of the routing in force.", shown.routing)
        changing = float(shown.preparing is not None)
        yield GaugeMetricFamily("winkel_routing_changing", "1 while the fleet changes to another routing.", changing)
        if shown.desired is not None:
            yield GaugeMetricFamily(
                "winkel_desired_meters", "How many meters the autoscaler asks for; absent without one.", shown.desired
            )


PIPELINE = Pipeline()
"""What this process knows of the pipeline; the billing role looks (bill/worker.py)."""
REGISTRY.register(PIPELINE)


def _families() -> tuple[GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily]:
    """Return the figures that there are by partition."""
    labels = ["partition"]
    return (
        GaugeMetricFamily("winkel_lag_records", "Records that wait to be metered.", labels=labels),
        GaugeMetricFamily(
            "winkel_lag_events", "Events that wait to be metered, estimated by the average record.", labels=labels
        ),
        GaugeMetricFamily("winkel_partition_owned", "Whether a meter that is alive owns it.", labels=labels),
    )
