"""A tenant's quota: steady in the long run, generous to a single batch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winkel.ingest.quota import Bucket


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
