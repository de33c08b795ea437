"""How many meters there should be, and why (streaming.md §1.5): pure; whoever asks brings the figures and the time.

With c the events that one meter gets done in a second of work, a the events that arrive in a second, L those that wait,
r the seconds a change costs, T the seconds within which a backlog is to be gone, and u the part of its time that a
meter should work:

    needed = (a + (L + a·r) / T) / (c·u)          expected latency = L / (c·meters)

More meters come when more are needed, in a few looks one after the other; fewer, when even the smaller number would
keep the latency below the goal with something to spare, in many. What is seen while partitions change hands says
nothing and is ignored. When transactions take longer the more meters there are, and so adding brings little, the store
is the limit: then none is added for a while.
"""

from math import ceil

from msgspec import Struct

from winkel.fleet.observation import Observation, rates


class Policy(Struct, frozen=True, kw_only=True):
    """What is wanted, and how carefully to get there. Times are in seconds."""

    goal_seconds: float = 2.0
    """The latency that waiting events may have."""
    catch_up_seconds: float = 60.0
    """Within what time a backlog should be gone."""
    utilisation: float = 0.7
    """Which part of its time a meter should work, so that there is room for a peak."""
    least: int = 1
    most: int = 1024
    step_up: int = 4
    """How many meters are added at once, at most."""
    step_down: int = 1
    up_cooldown_seconds: float = 6.0
    """After a change, how long until more are added."""
    down_cooldown_seconds: float = 20.0
    """After a change, how long until some are taken away."""
    grace_seconds: float = 4.0
    """After partitions changed hands, how long what is seen says nothing."""
    patience_seconds: float = 60.0
    """How long to wait until as many meters run as were asked for, or until partitions stay where they are."""
    restart_seconds: float = 5.0
    """What a change costs: how long until a meter that is asked for works."""
    up_windows: int = 2
    """In how many looks, one after the other, more must be needed."""
    down_windows: int = 10
    """In how many looks, one after the other, fewer must do."""
    tolerance: float = 0.1
    """How far needs may be beyond what there is, or must be below a smaller number, before something changes."""
    buffer_seconds: float = 0.5
    """How much better than the goal a smaller number must be."""
    saturated_growth: float = 1.25
    """Transactions that take so many times as long an event, since meters were added, …"""
    saturated_gain: float = 0.6
    """… while less than this part of the expected was gained, say that the store is the limit."""
    ceiling_seconds: float = 600.0
    """How long nobody is added then; after that it is tried again."""


class Sample(Struct, frozen=True):
    """What was seen between two looks."""

    at: float
    """The time of the later look, of a monotonic clock."""
    fleet: frozenset[tuple[str, tuple[int, ...]]]
    """The processes that meter and the partitions that each owns."""
    useful: int
    """How many meters would find something to do."""
    waiting: float
    """Events that wait."""
    arriving: float
    """Events a second."""
    speed: float | None
    """Events that one meter gets done in a second of work; None: none of them worked."""
    commit_seconds: float | None
    """Seconds that an event spent in transactions."""
    busy: float
    """Which part of their time the meters worked."""

    @property
    def meters(self) -> int:
        """How many meters are alive."""
        return len(self.fleet)


class Decision(Struct, frozen=True):
    """How many meters there should be from now on."""

    meters: int
    """How many were alive."""
    desired: int
    reason: str
    """A sentence for people."""


class _Mark(Struct, frozen=True):
    """What a number of meters, well at work, got done."""

    meters: int
    capacity: float
    """Events a second, all together."""
    commit_seconds: float


class _Ceiling(Struct, frozen=True):
    """No more meters than this until then."""

    meters: int
    until: float
    why: str


BUSY = 0.5
"""Meters that worked this part of their time show what they can do: their batches are large ones."""


def sample(before: Observation, after: Observation) -> Sample | None:
    """Return what was seen between two looks of one process; None when no time passed."""
    seen = rates(before, after)
    if seen is None:
        return None
    return Sample(
        at=after.at,
        fleet=frozenset(after.processes.items()),
        useful=after.useful_meters,
        waiting=after.records * seen.events_per_record,
        arriving=seen.arriving,
        speed=seen.speed,
        commit_seconds=seen.commit_seconds,
        busy=seen.busy,
    )


class Autoscaler:
    """Decides look by look. `desired` is where to go on from; None: as many as are alive."""

    def __init__(self, policy: Policy, desired: int | None = None) -> None:
        self.policy = policy
        self._desired = desired
        self._fleet: frozenset[tuple[str, tuple[int, ...]]] | None = None
        self._speed: float | None = None
        self._changed_at = self._rested_at = self._quiet_until = float("-inf")
        self._short: list[float] = []
        self._calm = 0
        self._mark: _Mark | None = None
        self._mark_before: _Mark | None = None
        self._ceiling: _Ceiling | None = None

    def look(self, seen: Sample) -> Decision:
        """Decide by what was seen since the look before."""
        policy = self.policy
        if self._desired is None:
            self._desired = seen.meters
        self._desired = min(max(self._desired, policy.least), policy.most)
        reason = self._not_now(seen)
        if reason is None:
            reason = self._judge(seen)
        else:
            self._short, self._calm = [], 0
        return Decision(seen.meters, self._desired, reason)

    def _not_now(self, seen: Sample) -> str | None:
        """Return why this look says nothing; None when it does."""
        policy, desired, first = self.policy, self._desired, self._fleet is None
        if seen.fleet != self._fleet:
            self._fleet = seen.fleet
            self._quiet_until = seen.at + policy.grace_seconds
        if first or seen.at >= self._quiet_until:
            self._rested_at = seen.at
        if not seen.meters:
            return f"{desired}: no meter is alive"
        if seen.meters != desired and seen.at - self._changed_at < policy.patience_seconds:
            return f"{desired}: waiting, {seen.meters} meters are alive"
        if seen.at < self._quiet_until and seen.at - self._rested_at < policy.patience_seconds:
            return f"{desired}: waiting until partitions have stayed where they are for {policy.grace_seconds:.0f} s"
        return None

    def _judge(self, seen: Sample) -> str:
        """Change what is desired if the figures say so, and say why or why not."""
        policy, desired = self.policy, self._wanted
        self._speed = seen.speed or self._speed
        if self._speed is None and (seen.waiting or seen.arriving):
            return f"{desired}: nothing was metered yet, so nobody knows what one meter gets done"
        needed = self._needed(seen)
        self._learn(seen)
        self._short = [*self._short, needed][-policy.up_windows :] if self._is_short(seen, needed) else []
        self._calm = self._calm + 1 if self._does(seen, needed, self._fewer) else 0
        if len(self._short) >= policy.up_windows:
            return self._more(seen, min(self._short))
        if self._may_go_down(seen):
            return self._less(seen, needed)
        latency = f"what waits is metered in {self._latency(seen, seen.meters):.1f} s"
        return f"{desired}: {needed:.1f} are needed, {latency}"

    @property
    def _wanted(self) -> int:
        assert self._desired is not None, "the first look sets it"
        return self._desired

    @property
    def _fewer(self) -> int:
        return max(self._wanted - self.policy.step_down, self.policy.least)

    def _needed(self, seen: Sample) -> float:
        """Return how many meters are needed (the formula above)."""
        policy = self.policy
        backlog = seen.waiting + seen.arriving * policy.restart_seconds
        load = seen.arriving + backlog / policy.catch_up_seconds
        return load / (self._speed * policy.utilisation) if self._speed else 0.0

    def _latency(self, seen: Sample, meters: int) -> float:
        """Return after how many seconds so many meters would have metered what waits."""
        return seen.waiting / (self._speed * meters) if self._speed else 0.0

    def _is_short(self, seen: Sample, needed: float) -> bool:
        return needed > max(self._wanted, seen.meters) * (1 + self.policy.tolerance)

    def _does(self, seen: Sample, needed: float, meters: int) -> bool:
        """Whether so many meters would do, with something to spare."""
        policy = self.policy
        spare = needed * (1 + policy.tolerance) <= meters
        return spare and self._latency(seen, meters) + policy.buffer_seconds < policy.goal_seconds

    def _more(self, seen: Sample, needed: float) -> str:
        policy, before = self.policy, self._wanted
        speed = self._speed or 0.0
        figures = (
            f"{seen.waiting:,.0f} events wait, {seen.arriving:,.0f} come every second, one meter does {speed:,.0f} a "
            f"second: {needed:.1f} are needed"
        )
        limits = [
            (ceil(needed), ""),
            (policy.most, f"no more than {policy.most} are allowed"),
            (seen.useful, f"only {seen.useful} partitions have events"),
            *self._limit_of_the_store(seen),
        ]
        target, limit = min(limits, key=lambda each: each[0])
        if limit:
            figures = f"{figures}, but {limit}"
        cooldown = policy.up_cooldown_seconds if target > before else policy.down_cooldown_seconds
        if target == before or seen.at - self._changed_at < cooldown:
            return f"{before}: {figures}"
        return self._change(seen, max(self._fewer, min(target, before + policy.step_up)), figures)

    def _may_go_down(self, seen: Sample) -> bool:
        if self._wanted <= self.policy.least or seen.at - self._changed_at < self.policy.down_cooldown_seconds:
            return False
        return self._calm >= self.policy.down_windows or self._wanted > seen.useful

    def _less(self, seen: Sample, needed: float) -> str:
        if self._wanted > seen.useful:
            why = f"only {seen.useful} partitions have events"
        else:
            why = (
                f"{needed:.1f} are needed, and {self._fewer} would meter what waits in "
                f"{self._latency(seen, self._fewer):.1f} s"
            )
        return self._change(seen, self._fewer, why)

    def _change(self, seen: Sample, target: int, why: str) -> str:
        reason = f"{self._wanted} → {target}: {why}"
        self._mark_before = self._mark if target > self._wanted else None
        self._mark = None
        self._desired = target
        self._changed_at = seen.at
        self._short, self._calm = [], 0
        return reason

    def _learn(self, seen: Sample) -> None:
        """Remember what this number of meters gets done, if they were well at work."""
        if seen.speed is None or seen.commit_seconds is None or seen.busy < BUSY:
            return
        capacity, commit_seconds = seen.speed * seen.meters, seen.commit_seconds
        if self._mark is not None and self._mark.meters == seen.meters:
            capacity = (capacity + self._mark.capacity) / 2
            commit_seconds = (commit_seconds + self._mark.commit_seconds) / 2
        self._mark = _Mark(seen.meters, capacity, commit_seconds)

    def _limit_of_the_store(self, seen: Sample) -> list[tuple[int, str]]:
        """Return how many meters the store can bear, and why, if those that were added last were of little use."""
        policy = self.policy
        if self._ceiling is not None:
            if seen.at < self._ceiling.until:
                return [(self._ceiling.meters, self._ceiling.why)]
            self._ceiling = self._mark_before = None
        then, now = self._mark_before, self._mark
        if then is None or now is None or now.meters <= then.meters:
            return []
        gain = (now.capacity / then.capacity - 1) / (now.meters / then.meters - 1)
        if now.commit_seconds < then.commit_seconds * policy.saturated_growth or gain >= policy.saturated_gain:
            return []
        why = (
            f"the store is the limit: since {then.meters} became {now.meters}, 1,000 events take "
            f"{now.commit_seconds * 1e6:,.1f} instead of {then.commit_seconds * 1e6:,.1f} ms of its time, and all "
            f"together do {now.capacity:,.0f} instead of {then.capacity:,.0f} a second"
        )
        of_no_use = now.capacity < then.capacity * (1 + policy.tolerance)
        best = then.meters if of_no_use else now.meters
        self._ceiling = _Ceiling(best, seen.at + policy.ceiling_seconds, why)
        return [(best, why)]
