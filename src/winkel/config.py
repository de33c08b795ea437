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
    bootstrap_token: str = ""
    """Value of the first admin token; empty: a random one, printed once."""
    partitions: int = 4
    """Partitions of the event log when it is first made."""
    log_retention_hours: int = 168
    """How long metered events stay readable in the log, in hours."""
    tenant_events_per_second: int = 0
    """Quota of accepted events per tenant and gateway process; 0: none."""
    flush_milliseconds: int = 5
    """How long the gateway waits for company before it makes accepted events durable together."""
    grace_hours: int = 24
    """Hours between the end of a billing period and the finalization of its invoice."""
    log_level: str = "info"
    """debug, info, warning or error."""

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
