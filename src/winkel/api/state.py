"""What every request handler works with."""

from msgspec import Struct

from winkel.clock import Clock
from winkel.config import Settings
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
