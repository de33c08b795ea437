"""What every request handler works with."""

from msgspec import Struct, field

from winkel.clock import Clock
from winkel.config import Settings
from winkel.ingest.pressure import Pressure
from winkel.ingest.quota import Quotas
from winkel.ingest.routes import Routes
from winkel.log.log import Log
from winkel.store.database import Database


class Api(Struct, frozen=True):
    """The outside world of the API; tests hand in their own clock and log."""

    settings: Settings
    database: Database
    log: Log
    routes: Routes
    clock: Clock
    quotas: Quotas = field(default_factory=lambda: Quotas(0))
    pressure: Pressure = field(default_factory=Pressure)
    further: tuple[Database, ...] = ()
    """The databases beside the first that usage is spread over (store/shards.py)."""
