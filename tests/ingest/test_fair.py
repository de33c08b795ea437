"""A tenant waits for its own events: the queue is fair to tenants and keeps the order of each."""

from hypothesis import given
from hypothesis import strategies as st

from winkel.ingest.fair import TURN_EVENTS, FairQueue

REQUESTS = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3000)), max_size=120)


@given(REQUESTS, st.integers(1, 20_000))
def test_everything_comes_out_once_and_each_tenants_order_stays(requests: list[tuple[int, int]], events: int) -> None:
    """Whatever is put in between takes of whatever size."""
    queue: FairQueue[tuple[int, int]] = FairQueue()
    out: list[tuple[int, int]] = []
    for number, (tenant, cost) in enumerate(requests):
        queue.put(tenant, (tenant, number), cost)
        if number % 3 == 2:
            out += queue.take(events)
    while queue:
        taken = queue.take(events)
        assert taken
        out += taken
    assert sorted(out, key=lambda each: each[1]) == [(tenant, at) for at, (tenant, _) in enumerate(requests)]
    for tenant in range(1, 6):
        own = [at for of, at in out if of == tenant]
        assert own == sorted(own)


@given(
    st.lists(st.integers(1, 3000), min_size=1, max_size=30),
    st.lists(st.tuples(st.integers(2, 6), st.integers(1, 3000)), max_size=60),
    st.integers(1, 10_000),
)
def test_a_flood_costs_the_others_a_turn_for_each_of_theirs(
    flood: list[int], others: list[tuple[int, int]], events: int
) -> None:
    """What is taken before a request is bounded by what its own tenant put before it, whatever tenant 1 floods."""
    queue: FairQueue[tuple[int, int, int]] = FairQueue()
    for number in range(50 * len(flood)):
        queue.put(1, (1, flood[number % len(flood)], 0), flood[number % len(flood)])
    own: dict[int, int] = {}
    for tenant, cost in others:
        own[tenant] = own.get(tenant, 0) + cost
        queue.put(tenant, (tenant, cost, own[tenant]), cost)
    before: dict[int, int] = {}
    left = len(others)
    while left:
        for tenant, cost, load in queue.take(events):
            before[tenant] = before.get(tenant, 0) + cost
            if tenant == 1:
                continue
            left -= 1
            turns = -(-load // TURN_EVENTS) + 1
            for other, events_before in before.items():
                if other != tenant:
                    assert events_before <= turns * TURN_EVENTS + 3000


def test_a_take_ends_when_it_has_enough_and_goes_on_where_it_ended() -> None:
    """Small takes share a turn; a turn that was broken off is finished before the next tenant's."""
    queue: FairQueue[str] = FairQueue()
    for number in range(3):
        queue.put(1, f"a{number}", TURN_EVENTS // 2)
        queue.put(2, f"b{number}", TURN_EVENTS)
    assert queue.take(1) == ["a0"]
    assert queue.take(1) == ["a1"]
    assert queue.take(TURN_EVENTS * 2) == ["b0", "a2", "b1"]
    assert queue.take(10**9) == ["b2"]
    assert not queue
    assert queue.take(1) == []
