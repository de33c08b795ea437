"""The autoscaler against a simulated fleet: start-up, rebalances, noise, a store that saturates; time is simulated."""

import math
import random
import re
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from winkel.fleet.autoscale import Autoscaler, Decision, Policy, Sample

STEP = 0.5
"""Seconds of one step of the simulation."""
LOOK = 2.0
"""Seconds between two looks."""
Load = Callable[[float], float]
"""Events a second at a time."""

KPIS: list[tuple[str, str, str]] = []
"""Scenario, figure, value: printed at the end."""


@pytest.fixture(scope="module", autouse=True)
def _table() -> Iterator[None]:
    """Print the figures at the end."""
    yield
    for row in [("scenario", "figure", "value"), *KPIS]:
        print(f"  {row[0]:<34} {row[1]:<44} {row[2]:>12}")


class Fleet:
    """Meters that share a log, and an operator that starts and stops them as the policy says.

    A meter needs `start_seconds` to begin. When one comes or goes, everybody rests for `rebalance_seconds`. All
    together never do more than `store` events a second; what they would do beyond that is time spent in transactions.
    """

    def __init__(
        self,
        policy: Policy,
        load: Load,
        *,
        meters: int = 1,
        speed: float = 50_000,
        partitions: int = 64,
        store: float = math.inf,
        noise: float = 0.0,
        seed: int = 0,
        backlog: float = 0.0,
        start_seconds: float = 3.0,
        rebalance_seconds: float = 1.0,
    ) -> None:
        self.policy, self.load, self.speed, self.store = policy, load, speed, store
        self.partitions, self.noise = partitions, noise
        self.random = random.Random(seed)
        self.start_seconds, self.rebalance_seconds = start_seconds, rebalance_seconds
        self.scaler = Autoscaler(policy)
        self.at, self.resting_until, self.backlog = 0.0, 0.0, backlog
        self.alive, self.starting = meters, list[float]()
        self.decisions: list[tuple[float, Decision]] = []
        self.latencies: list[tuple[float, float]] = []

    def run(self, seconds: float) -> "Fleet":
        end = self.at + seconds
        while self.at < end:
            self._window()
        return self

    def drain(self) -> "Fleet":
        """Run until nothing waits but what just came."""
        while self.backlog > self.load(self.at) * STEP and self.at < 3600:
            self._window()
        return self

    def _window(self) -> None:
        arrived = done = busy = commit = 0.0
        before = self.backlog
        for _ in range(int(LOOK / STEP)):
            self._join()
            some = self.load(self.at) * self._noise() * STEP
            self.backlog += some
            arrived += some
            if self.at >= self.resting_until and self.alive:
                could = self.alive * self.speed * self._noise()
                work = min(self.backlog, min(could, self.store) * STEP)
                self.backlog -= work
                done += work
                busy += self.alive * STEP * min(1.0, work / (min(could, self.store) * STEP))
                commit += work * 2e-6 * max(1.0, could / self.store)
            self.at += STEP
        fleet = frozenset((f"meter-{index}", (index, self.alive)) for index in range(self.alive))
        seen = Sample(
            at=self.at, fleet=fleet, useful=self.partitions, waiting=self.backlog, arriving=arrived / LOOK,
            speed=done / busy if busy else None, commit_seconds=commit / done if done else None,
            busy=busy / (LOOK * self.alive) if self.alive else 0.0,
        )  # fmt: skip
        assert self.backlog <= before + arrived
        decision = self.scaler.look(seen)
        self.decisions.append((self.at, decision))
        self.latencies.append((self.at, self.backlog / (self.alive * self.speed) if self.alive else math.inf))
        self._execute(decision.desired)

    def _join(self) -> None:
        ready = [each for each in self.starting if each <= self.at]
        if ready:
            self.starting = [each for each in self.starting if each > self.at]
            self.alive += len(ready)
            self.resting_until = self.at + self.rebalance_seconds

    def _execute(self, desired: int) -> None:
        missing = desired - self.alive - len(self.starting)
        self.starting += [self.at + self.start_seconds] * missing
        if desired < self.alive:
            self.alive = desired
            self.resting_until = self.at + self.rebalance_seconds

    def _noise(self) -> float:
        return 1 + self.noise * (2 * self.random.random() - 1)

    @property
    def changes(self) -> list[tuple[float, int, int]]:
        """Time, before and after of each change."""
        desired = [(at, each.desired) for at, each in self.decisions]
        pairs = pairwise(desired)
        return [(at, before, after) for (_, before), (at, after) in pairs if before != after]

    @property
    def reversals(self) -> int:
        """How often it changed its mind: up after down or down after up."""
        ways = [after > before for _, before, after in self.changes]
        return sum(1 for one, other in pairwise(ways) if one != other)

    @property
    def desired(self) -> int:
        return self.decisions[-1][1].desired


def steady(rate: float) -> Load:
    return lambda _: rate


POLICY = Policy(most=32)


@settings(max_examples=150)
@given(rate=st.floats(0, 1_200_000), meters=st.integers(1, 20), seed=st.integers(0, 1 << 30), noise=st.floats(0, 0.15))
def test_it_never_oscillates_on_steady_load(rate: float, meters: int, seed: int, noise: float) -> None:
    """Whatever the load and wherever it starts: at most one change of mind, and in the end the goal is kept."""
    fleet = Fleet(POLICY, steady(rate), meters=meters, noise=noise, seed=seed).run(1200)
    assert fleet.reversals <= 1
    assert max(latency for at, latency in fleet.latencies if at > 1100) < POLICY.goal_seconds
    assert rate * 0.8 <= fleet.desired * 50_000


@pytest.mark.parametrize("step", [4, 32])
@pytest.mark.parametrize("rate", [0, 40_000])
def test_a_backlog_of_ten_million_drains_as_the_formula_says(rate: float, step: int) -> None:
    """Within 25 % of what the formula promises, with at most one change of mind."""
    policy = replace(POLICY, step_up=step)
    fleet = Fleet(policy, steady(rate), backlog=10e6, noise=0.05, seed=1).drain()
    drained = fleet.at
    needed = (rate + (10e6 + rate * policy.restart_seconds) / policy.catch_up_seconds) / (50_000 * policy.utilisation)
    started = policy.grace_seconds + 2 * LOOK + policy.restart_seconds
    left = 10e6 - started * (50_000 - rate)
    formula = started + left / (math.ceil(needed) * 50_000 - rate)
    KPIS.append(
        (f"10 M wait, {rate:,.0f}/s, steps of {step}", "drained in s (formula)", f"{drained:.0f} ({formula:.0f})")
    )
    assert abs(drained / formula - 1) <= 0.25
    fleet.run(600)
    KPIS.append((f"10 M wait, {rate:,.0f}/s, steps of {step}", "reversals, most meters",
                 f"{fleet.reversals}, {max(each.desired for _, each in fleet.decisions)}"))  # fmt: skip
    assert fleet.reversals <= 1
    assert fleet.desired <= math.ceil(rate / (50_000 * policy.utilisation)) + 1


@settings(max_examples=100)
@given(
    seed=st.integers(0, 1 << 30),
    least=st.integers(1, 3),
    room=st.integers(0, 12),
    up=st.integers(1, 6),
    down=st.integers(1, 3),
    cooldown=st.floats(2, 60),
    partitions=st.integers(1, 12),
    store=st.floats(30_000, 2_000_000),
)
def test_limits_steps_and_cooldowns_hold(
    seed: int, least: int, room: int, up: int, down: int, cooldown: float, partitions: int, store: float
) -> None:
    """Whatever comes: never outside of the limits, never a larger step than allowed, never a change too soon."""
    policy = Policy(
        least=least, most=least + room, step_up=up, step_down=down,
        up_cooldown_seconds=cooldown, down_cooldown_seconds=2 * cooldown,
    )  # fmt: skip
    wild = random.Random(seed)
    levels = [wild.choice([0, 1e4, 1e5, 5e5, 2e6]) for _ in range(30)]
    fleet = Fleet(
        policy, lambda at: levels[int(at // 60) % 30], noise=0.3, seed=seed, partitions=partitions, store=store,
        meters=least,
    ).run(1800)  # fmt: skip
    for _, decision in fleet.decisions:
        assert least <= decision.desired <= policy.most
    for at, before, after in fleet.changes:
        assert -down <= after - before <= up, at
    for (earlier, *_), (later, before, after) in pairwise(fleet.changes):
        assert later - earlier >= (cooldown if after > before else 2 * cooldown)
    assert max(each.desired for _, each in fleet.decisions) <= max(partitions, least)


def test_a_ramp_of_300_percent_is_met_within_the_goal() -> None:
    """Four times the load within a minute: nothing waits longer than the goal, but for a few seconds around changes."""
    ramp: Load = lambda at: 100_000 * (1 + 3 * min(1.0, max(0.0, (at - 120) / 60)))  # noqa: E731
    fleet = Fleet(POLICY, ramp, meters=3, noise=0.05, seed=7).run(600)
    first = next(at for at, _, after in fleet.changes if at > 120 and after > 3)
    worst = max(latency for at, latency in fleet.latencies if at > 60)
    KPIS.append(("ramp to 400 % in 60 s", "first meters added after s", f"{first - 120:.0f}"))
    KPIS.append(("ramp to 400 % in 60 s", "worst expected latency, s", f"{worst:.2f}"))
    KPIS.append(("ramp to 400 % in 60 s", "reversals, meters at the end", f"{fleet.reversals}, {fleet.desired}"))
    assert first - 120 <= 30
    assert worst <= POLICY.goal_seconds
    assert fleet.reversals <= 1
    assert fleet.desired * 50_000 >= 400_000


def test_a_jump_to_400_percent_is_answered_at_once() -> None:
    """All of it in one instant: more meters are asked for within two looks, and the goal is met again soon."""
    fleet = Fleet(POLICY, lambda at: 100_000 if at < 120 else 400_000, meters=3, noise=0.05, seed=7).run(600)
    asked = next(at for at, *_ in fleet.changes if at > 120)
    late = [at for at, latency in fleet.latencies if at > 120 and latency > POLICY.goal_seconds]
    KPIS.append(("jump to 400 %", "reaction, s", f"{asked - 120:.0f}"))
    KPIS.append(("jump to 400 %", "goal met again after s", f"{(max(late) if late else 120) - 120:.0f}"))
    assert asked - 120 <= 3 * LOOK
    assert not late or max(late) - 120 <= POLICY.catch_up_seconds
    assert fleet.reversals <= 1


def test_it_stops_where_the_store_is_the_limit() -> None:
    """The store bears what three meters do: it adds some, sees that they were of no use, stops, and says so."""
    fleet = Fleet(POLICY, steady(400_000), store=150_000, noise=0.03, seed=3).run(550)
    most = max(each.desired for _, each in fleet.decisions)
    reason = fleet.decisions[-1][1].reason
    KPIS.append(("store bears 3 meters, load of 8", "most meters, at the end", f"{most}, {fleet.desired}"))
    assert most <= 9
    assert fleet.desired <= 5
    assert "the store is the limit" in reason
    assert not [each for each in fleet.changes if each[0] > 250]


def test_after_a_while_it_tries_the_store_again() -> None:
    """The store was slow for half an hour: later the fleet grows as it should."""
    fleet = Fleet(POLICY, steady(300_000), store=100_000, noise=0.03, seed=3).run(300)
    stuck = fleet.desired
    fleet.store = math.inf
    fleet.run(900)
    assert stuck < 9 <= fleet.desired
    assert fleet.backlog < 300_000


def test_what_is_seen_during_grace_is_ignored() -> None:
    """Nonsense while partitions change hands does not move it, and is no evidence afterwards."""
    scaler = Autoscaler(POLICY)
    calm = Sample(
        at=0.0, fleet=frozenset({("a", (0, 1))}), useful=8, waiting=0.0, arriving=10_000.0, speed=50_000.0,
        commit_seconds=2e-6, busy=0.2,
    )  # fmt: skip
    for index in range(10):
        assert scaler.look(replace(calm, at=2.0 * index)).desired == 1
    moved = replace(calm, fleet=frozenset({("b", (0, 1))}), speed=100.0, waiting=5e6)
    assert "stayed where they are" in scaler.look(replace(moved, at=20.0)).reason
    assert scaler.look(replace(moved, at=22.0)).desired == 1
    after = replace(calm, fleet=moved.fleet)
    assert [scaler.look(replace(after, at=24.0 + 2 * index)).desired for index in range(20)] == [1] * 20


def test_a_storm_of_rebalances_does_not_blind_it_for_ever() -> None:
    """When partitions never rest, it judges by what it sees after its patience."""
    scaler, desired = Autoscaler(replace(POLICY, patience_seconds=20)), 0
    for index in range(30):
        seen = Sample(
            at=2.0 * index, fleet=frozenset({(f"meter-{index}", (0,))}), useful=8, waiting=1e7, arriving=0.0,
            speed=50_000.0, commit_seconds=2e-6, busy=1.0,
        )  # fmt: skip
        desired = scaler.look(seen).desired
    assert desired > 1


def test_it_says_why() -> None:
    """Numbers that a person can follow."""
    fleet = Fleet(POLICY, steady(10_000), backlog=2e6).run(600)
    reasons = [each.reason for _, each in fleet.decisions]
    assert any(re.match(r"1 → 2: 1,\d{3},\d{3} events wait, 10,000 come every second, one meter does 50,000 ", each)
               for each in reasons), reasons  # fmt: skip
    assert any(re.match(r"2 → 1: 0\.\d are needed, and 1 would meter what waits in 0\.\d s", each) for each in reasons)
    few = Fleet(POLICY, steady(400_000), partitions=4).run(60)
    assert "but only 4 partitions have events" in few.decisions[-1][1].reason
    assert few.desired == 4


def test_no_meter_alive_changes_nothing() -> None:
    """Whoever starts them knows how many there should be."""
    scaler = Autoscaler(POLICY, desired=3)
    dead = Sample(
        at=1e9, fleet=frozenset(), useful=8, waiting=1e9, arriving=1e6, speed=None, commit_seconds=None, busy=0.0
    )
    assert scaler.look(dead) == Decision(0, 3, "3: no meter is alive")
