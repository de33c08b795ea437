"""The figures of several processes as one page: each has a label that names its process; and their health as one."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from winkel.figures.registry import LOOP

ASK_SECONDS = 3.0
"""A process that does not answer within this time is shown as down."""
_AT_ONCE = 16


class Together:
    """Processes on this machine, each of which answers on a port of its own.

    `ports` says which there are now: by name, the port, or None for one that is being started again.
    """

    def __init__(self, ports: Callable[[], Mapping[str, int | None]]) -> None:
        self._ports = ports

    def metrics(self) -> bytes:
        """Return the figures of all, and whether each could be asked."""
        texts = {name: body.decode() if status == 200 else None for name, (status, body) in self._ask("/metrics")}
        registry = CollectorRegistry()
        registry.register(Merged(texts))
        return generate_latest(registry)

    def unhealthy(self) -> list[str]:
        """Return which processes should be started again, and why."""
        return self._troubles("/healthz")

    def unready(self) -> list[str]:
        """Return which processes do not do their work, and why."""
        return self._troubles("/readyz")

    def _troubles(self, path: str) -> list[str]:
        own = [f"supervisor: {LOOP.missing}"] if LOOP.missing else []
        wrong = [(name, body) for name, (status, body) in self._ask(path) if status != 200]
        return own + [f"{name}: {line}" for name, body in wrong for line in body.decode().splitlines()]

    def _ask(self, path: str) -> list[tuple[str, tuple[int, bytes]]]:
        """Ask all of them at once."""
        ports = dict(self._ports())
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(zip(ports, pool.map(lambda port: ask(port, path), ports.values()), strict=True))


def ask(port: int | None, path: str) -> tuple[int, bytes]:
    """Return what a process of this machine answers; status 0, and a sentence, when it does not."""
    if port is None:
        return 0, b"it is being started again"
    connection = HTTPConnection("127.0.0.1", port, timeout=ASK_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, HTTPException):
        return 0, b"it does not answer"
    finally:
        connection.close()


class Merged(Collector):
    """Pages of figures (by process; None: it gave none) as one. The same figure of several is one family."""

    def __init__(self, texts: Mapping[str, str | None]) -> None:
        self._texts = texts

    def collect(self) -> Iterator[Metric]:
        """Return every family once, with the samples of all processes."""
        up = GaugeMetricFamily(
            "winkel_process_up", "Whether a process of this machine could be asked.", labels=["process"]
        )
        families: dict[str, Metric] = {}
        for process, text in self._texts.items():
            up.add_metric([process], float(text is not None))
            for family in text_string_to_metric_families(text or ""):
                one = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                _add(one, family.samples, process)
        yield up
        yield from families.values()


def _add(family: Metric, samples: Iterable[Sample], process: str) -> None:
    for sample in samples:
        family.add_sample(sample.name, {**sample.labels, "process": process}, sample.value)
