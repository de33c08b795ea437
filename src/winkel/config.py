"""What can be set from outside, read once from the environment."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

LOG_LEVELS = ("debug", "info", "warning", "error")
SCHEME = "kafka://"
TOPIC = "winkel-events"
"""The topic that is the log unless the address names another one."""
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
"""What Kafka takes as the name of a topic."""
_HOURS_MOST = 10 * 366 * 24
"""Ten years: further away than any period, and near enough to be a date."""
_RANGES = {
    "partitions": (1, 4096),  # each has a bucket at least (model/batch.py)
    "log_retention_hours": (0, _HOURS_MOST),
    "grace_hours": (0, _HOURS_MOST),
}
_RANGE = (0, 2**63 - 1)
"""Of all other numbers: what they count cannot be negative."""


class Settings(Struct, frozen=True, kw_only=True):
    """The settings of one Winkel process.

    Every field is read from the environment variable `WINKEL_` + its name in capitals.
    """

    database_url: str = ""
    """libpq address of a PostgreSQL ≥ 15; empty: Winkel starts its own, in the data folder."""
    shards: str = ""
    """Addresses of further databases that usage is spread over, separated by white space (store/shards.py)."""
    bootstrap_token: str = ""
    """Value of the first admin token; empty: a random one, printed once."""
    log: str = ""
    """Where events are durable; empty: a table of PostgreSQL; `kafka://host:port[,host:port…][/topic]`: Kafka."""
    kafka_config: str = ""
    """File of further settings of librdkafka, one `name=value` a line: encryption, user name, password."""
    partitions: int = 4
    """Partitions of the event log when it is first made."""
    log_retention_hours: int = 168
    """How long metered events stay readable in the log, in hours."""
    tenant_events_per_second: int = 0
    """Quota of accepted events of each tenant that has none of its own (`winkel tenant quota`); 0: none."""
    lag_limit_seconds: int = 600
    """Gateways refuse events while metering is further behind than so many seconds; 0: never."""
    disk_reserve_bytes: int = 1024**3
    """Gateways refuse events while less than so many bytes are free on the database's disk, if it is here; 0: never."""
    flush_milliseconds: int = 5
    """How long the gateway waits for company before it makes accepted events durable together."""
    grace_hours: int = 24
    """Hours between the end of a billing period and the finalization of its invoice."""
    meters_min: int = 1
    """The fewest meters that the autoscaler asks for."""
    meters_max: int = 0
    """The most; 0: one for each partition, and under `winkel up` for each core."""
    latency_goal_milliseconds: int = 2000
    """How long waiting events may take until they are metered; beyond it, the autoscaler asks for more meters."""
    catch_up_seconds: int = 60
    """Within what time a backlog should be gone: the shorter, the more meters the autoscaler asks for."""
    log_level: str = "info"
    """debug, info, warning or error."""

    @property
    def further_databases(self) -> tuple[str, ...]:
        """The addresses of the databases beside the first. Raises `ValueError` for what is no address."""
        found = tuple(self.shards.split())
        for each in found:
            if not each.startswith(("postgresql://", "postgres://")):
                raise ValueError(f"WINKEL_SHARDS must hold addresses like postgresql://host/name, not {each!r}")
        return found

    @property
    def log_address(self) -> str:
        """Where the log is, spelled out with its topic; empty: a table of PostgreSQL. Raises `ValueError`."""
        return "{}{}/{}".format(SCHEME, *kafka_address(self.log)) if self.log else ""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings; raise `ValueError` that names the variable whose value does not fit.

        What can be seen without asking anybody is checked: ranges, the log level, the form of the log's address.
        """
        values: dict[str, str | int] = {}
        for field, kind in cls.__annotations__.items():
            name = f"WINKEL_{field.upper()}"
            if name in environ:
                values[field] = (
                    _number(name, environ[name], *_RANGES.get(field, _RANGE)) if kind is int else environ[name]
                )
        made = cls(**values)  # type: ignore[arg-type]
        check_level(made.log_level)
        _ = made.log_address
        return made


def check_level(level: str) -> None:
    """Raise `ValueError` for a log level that there is not."""
    if level not in LOG_LEVELS:
        raise ValueError(f"WINKEL_LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}, but is {level!r}")


def kafka_address(url: str, setting: str = "WINKEL_LOG", default: str = TOPIC) -> tuple[str, str]:
    """Read `kafka://host:port[,host:port…][/topic]`; return the brokers and the topic.

    `setting` is where the address stands, `default` the topic of an address without any; empty: it must name one.
    Raises `ValueError` that says what does not fit.
    """
    if "@" in url:  # it is noted and shown (store/logs.py): it must hold no secret
        raise ValueError(
            f"{setting} must hold no user and no password: they belong into the file of WINKEL_KAFKA_CONFIG"
        )
    if not url.startswith(SCHEME):
        raise ValueError(f"{setting} must be like {SCHEME}host:port[,host:port…][/topic], but is {url!r}")
    servers, _, topic = url.removeprefix(SCHEME).partition("/")
    if not all(_is_address(each) for each in servers.split(",")):
        raise ValueError(f"{setting} must name brokers as host:port, with commas between them: {url!r} does not")
    if topic and not _TOPIC.fullmatch(topic):
        raise ValueError(f"{setting} must name a topic by letters, digits and . _ - alone: {url!r} does not")
    if not topic and not default:
        raise ValueError(f"{setting} must name a topic: {SCHEME}{servers}/the-topic")
    return servers, topic or default


def kafka_properties(path: str) -> dict[str, str]:
    """Read a file of lines of `name=value`; empty ones and those that begin with # say nothing. No path: no settings.

    Raises `ValueError` that says what does not fit, and never what stands in the file.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines() if path else []
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ValueError(f"WINKEL_KAFKA_CONFIG names a file that cannot be read: {reason}: {path}") from None
    found = {}
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals:
            raise ValueError(f"line {number} of {path} is not name=value")
        found[name.strip()] = value.strip()
    return found


def _is_address(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and port.isdigit() and 0 < int(port) < 65536


def _number(name: str, text: str, least: int, most: int) -> int:
    try:
        number = int(text)
    except ValueError:
        raise ValueError(f"{name} must be a whole number, but is {text!r}") from None
    if not least <= number <= most:
        raise ValueError(f"{name} must be between {least} and {most}, but is {number}")
    return number
