"""A meter worker that crashes, comes back, is robbed of its partitions, and goes on when it should not."""

from collections import Counter
from collections.abc import Sequence
from random import Random

import psycopg

from sim.conductor import Conductor
from sim.flaky import FlakyLog
from winkel.meter import actions
from winkel.meter.worker import Meter
from winkel.model.errors import FencedError, UnavailableError
from winkel.model.routing import shard_of
from winkel.store import database, progress
from winkel.store.database import Connection


class Crash(BaseException):
    """The worker's process ends here. Not an `Exception`: nothing in the worker may handle it."""


class Rival:
    """One of several workers on the same partitions: those that live in the database at this place."""

    def __init__(
        self, urls: Sequence[str], place: int, log: FlakyLog, conductor: Conductor, rng: Random, name: str, shards: int
    ) -> None:
        self._urls = urls
        self.place = place
        self._shards = shards
        self._home: Connection | None = None
        self._log = log
        self._conductor = conductor
        self._rng = rng
        self.name = name
        self._lives = 0
        self._meter: Meter | None = None
        self._zombies: list[Meter] = []
        self.crashes = 0.04
        """How likely it is to crash at each step of the protocol."""
        self.happened = Counter[str]()
        """What happened how often."""

    @property
    def _partitions(self) -> list[int]:
        return [each for each in range(self._log.partitions) if shard_of(each, self._shards) == self.place]

    async def act(self, times: int) -> None:
        """Do some of what workers do, each with whatever comes of it."""
        for _ in range(times):
            try:
                await self._act()
            except Crash:
                await self._crashed()
            except FencedError:
                self._note("fenced")
            except LookupError:
                await self._check_stale()
            except (psycopg.OperationalError, UnavailableError):
                self._note("lost the connection")
                await self._revive()

    async def _act(self) -> None:
        meter = self._meter or await self._revive()
        kind = self._rng.random()
        if self._zombies and kind < 0.1:
            meter = self._rng.choice(self._zombies)
            await meter.step(events=100)
        elif not meter.holdings or kind < 0.3:
            await meter.assign(self._rng.choice(self._partitions))
        elif kind < 0.36:
            holding = meter.holdings[self._rng.choice(sorted(meter.holdings))]
            if holding.memory is None:
                return
            place = (holding.memory, holding.partition, holding.epoch)
            if await actions.merge(meter.connection, *place, self._failpoint):
                self._note("merged")
            if await actions.expire(meter.connection, *place):
                self._note("expired")
        else:
            await meter.step(events=self._rng.choice((1, 10, 1000)))

    async def catch_up(self) -> None:
        """Take all partitions and meter all that there is; crash no more."""
        before, self.crashes = self.crashes, 0.0
        try:
            await self._all(await self._revive(connect=False))
        except psycopg.OperationalError:  # another one has ended the connection long ago
            await self._all(await self._revive())
        self.crashes = before

    async def _all(self, meter: Meter) -> None:
        for partition in self._partitions:
            await meter.assign(partition)
        while await meter.step():
            pass

    async def close(self) -> None:
        """Let go of all connections."""
        if self._home is not None:
            await self._home.close()
        for meter in [*self._zombies, *([self._meter] if self._meter else [])]:
            await meter.connection.close()

    async def _revive(self, *, connect: bool = True) -> Meter:
        """Begin a new life, as a new process would; perhaps on the old connection, because new ones take time."""
        old = self._meter.connection if self._meter is not None else None
        if old is not None and not connect and not old.closed:
            connection = old
        else:
            if old is not None:
                await old.close()
            connection = self._conductor.conduct(await database.connect(self._urls[self.place]))
        if self.place and self._home is None:
            self._home = self._conductor.conduct(await database.connect(self._urls[0]))
        self._lives += 1
        owner = f"{self.name}.{self._lives}"
        self._meter = Meter(connection, self._log, owner=owner, home=self._home, failpoint=self._failpoint)
        return self._meter

    async def _check_stale(self) -> None:
        """Begin anew after a look for records that are gone. Raises unless others have metered them long ago."""
        meters = [*self._zombies, *([self._meter] if self._meter else [])]
        connection = await database.connect(self._urls[self.place])
        positions = await progress.positions(connection, self._log.name, self._log.partitions)
        await connection.close()
        behind = [
            meter
            for meter in meters
            if any(each.next_offset < positions[each.partition] for each in meter.holdings.values())
        ]
        assert behind, "records are gone that nobody has metered"
        self._note("came too late")
        for meter in behind:
            meter.drop(list(meter.holdings))

    async def _crashed(self) -> None:
        """End, or leave a zombie behind, or go on without knowing whether the last batch was committed."""
        kind = self._rng.random()
        if kind < 0.3 and len(self._zombies) < 2 and self._meter is not None:
            self._note("left a zombie")
            self._zombies.append(self._meter)
            self._meter = None
        elif kind < 0.7:
            self._note("crashed")
            await self._revive(connect=kind < 0.4)
        else:
            self._note("went on")

    def _failpoint(self, name: str) -> None:
        if self._rng.random() < self.crashes:
            self._note(f"ended at {name}")
            if name == "before_commit" and self._meter is not None and self._rng.random() < 0.5:
                self._meter.connection.pgconn.finish()  # COMMIT is never sent; who knows that?
                return
            raise Crash(name)

    def _note(self, what: str) -> None:
        self.happened[what] += 1
