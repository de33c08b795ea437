"""What can be set from outside, read once from the environment."""

import os
from collections.abc import Mapping

from msgspec import Struct


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

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings; raise `ValueError` that names the variable whose value does not fit."""
        values: dict[str, str | int] = {}
        for field, kind in cls.__annotations__.items():
            name = f"WINKEL_{field.upper()}"
            if name not in environ:
                continue
            try:
                values[field] = int(environ[name]) if kind is int else environ[name]
            except ValueError:
                raise ValueError(f"{name} must be a whole number, but is {environ[name]!r}") from None
        return cls(**values)  # type: ignore[arg-type]
