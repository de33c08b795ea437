"""How many customers are billed together follows from how long they take."""

from hypothesis import given
from hypothesis import strategies as st

from winkel.bill.worker import BUNCH, BUNCH_SECONDS, next_bunch


@given(st.floats(0.001, BUNCH_SECONDS * 4))
def test_bunches_settle_where_they_take_no_longer_than_they_may(seconds_each: float) -> None:
    """Whatever a customer takes, a few bunches later one is small enough; one at a time is the least."""
    size = BUNCH
    for _ in range(10):
        size = next_bunch(size, size * seconds_each)
    assert 1 <= size <= BUNCH
    assert size * seconds_each <= 2 * BUNCH_SECONDS or size == 1


def test_bunches_grow_again() -> None:
    """After a slow one, and after a lost connection, they become as large as they were."""
    size = next_bunch(BUNCH, float("inf"))
    assert size == BUNCH // 2
    assert next_bunch(size, 0.1) == BUNCH
