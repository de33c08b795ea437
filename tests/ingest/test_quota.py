"""A tenant's quota: steady in the long run, generous to a single batch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winkel.ingest.quota import Bucket, Quotas


def test_a_batch_beyond_the_rate_gets_in_and_is_paid_off() -> None:
    """Ten seconds' worth at once is taken; the next request waits until the debt is paid."""
    bucket = Bucket(rate=100, left=100, at=0)
    assert bucket.wait(0) == 0
    bucket.take(1000)
    assert bucket.wait(0) == 9
    assert bucket.wait(8.9) == 1
    assert bucket.wait(9.1) == 0


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 500)), min_size=1, max_size=60), st.integers(1, 300))
def test_nobody_sends_more_than_the_rate(requests: list[tuple[float, int]], rate: int) -> None:
    """Whatever is tried: accepted events never exceed rate × time + one second's worth + the last batch."""
    bucket, now, accepted = Bucket(rate=rate, left=rate, at=0.0), 0.0, 0
    for pause, events in requests:
        now += pause
        if bucket.wait(now) == 0:
            assert accepted <= rate * (now + 1) * 1.000001
            bucket.take(events)
            accepted += events


@given(st.integers(1, 10_000), st.floats(0.1, 1000))
def test_waiting_as_long_as_told_is_enough(events: int, rate: float) -> None:
    """Retry-After is never too short by more than the rounding of a clock."""
    bucket = Bucket(rate=rate, left=rate, at=0.0)
    bucket.take(events)
    wait = bucket.wait(0.0)
    assert bucket.wait(wait + 0.001) == 0
    assert bucket.left == pytest.approx(min(rate, rate - events + (wait + 0.001) * rate))


def test_a_tenant_may_have_a_quota_of_its_own() -> None:
    """It replaces the default, 0 is no limit, and a change is in force at once."""
    quotas = Quotas(100)
    quotas.change({2: 10, 3: 0}, gateways=1)
    for tenant in (1, 2, 3):
        quotas.take(tenant, 200, 0)
    assert [quotas.wait(tenant, 0) for tenant in (1, 2, 3)] == [1, 19, 0]
    assert [quotas.of(tenant) for tenant in (1, 2, 3)] == [100, 10, 0]
    quotas.change({2: 1000}, gateways=1)
    assert [quotas.wait(tenant, 0) for tenant in (1, 2, 3)] == [1, 1, 0]
    assert [quotas.wait(tenant, 1.01) for tenant in (1, 2, 3)] == [0, 0, 0]


def test_gateways_share_a_quota() -> None:
    """Four of them together let through what one alone would, and no gateway is nobody's."""
    accepted, gateways = 0, [Quotas(100) for _ in range(4)]
    for each in gateways:
        each.change({}, gateways=4)
    for hundredth in range(6000):
        for each in gateways:
            if not each.wait(1, hundredth / 100):
                each.take(1, 5, hundredth / 100)
                accepted += 5
    assert accepted == pytest.approx(60 * 100, rel=0.05)
    gateways[0].change({}, gateways=0)
    assert gateways[0].wait(2, 0) == 0


def test_no_quota_can_be_gained_by_changes() -> None:
    """Each change keeps a debt, and what is saved up fits the new rate."""
    quotas = Quotas(1000)
    assert quotas.wait(1, 0) == 0
    quotas.change({1: 10}, gateways=1)
    quotas.take(1, 60, 0)
    assert quotas.wait(1, 0) == 5
    quotas.change({1: 10}, gateways=2)
    assert quotas.wait(1, 0) == 10
