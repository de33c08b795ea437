"""Which log may be worked on (model/log_in_use.py)."""

import pytest

from winkel.model.log_in_use import TABLE, LogInUse, is_another, refusal

OURS = "kafka://a:9092,b:9092/usage"
TOPIC = LogInUse("usage@id", OURS)
OLDER = LogInUse("usage@id")


@pytest.mark.parametrize("moving", [False, True])
def test_what_was_never_used_may_be_anything(moving: bool) -> None:
    assert refusal(None, "", moving=moving) == refusal(None, OURS, moving=moving) == ""


@pytest.mark.parametrize("moving", [False, True])
@pytest.mark.parametrize("address", ["", "kafka://a:9092/other", "kafka://a:9092/usage-2"])
def test_another_log_than_the_topic_in_use_is_refused_with_what_to_set(address: str, moving: bool) -> None:
    assert f"set WINKEL_LOG={OURS} " in refusal(TOPIC, address, moving=moving)
    assert "kafka://host:port/usage, with the brokers" in refusal(OLDER, address, moving=moving)


@pytest.mark.parametrize("moving", [False, True])
def test_the_topic_in_use_has_many_addresses_and_one_id(moving: bool) -> None:
    assert refusal(TOPIC, "kafka://c:9093/usage", moving=moving) == refusal(OLDER, OURS, moving=moving) == ""
    assert (is_another(TOPIC, "usage@id"), is_another(TOPIC, "usage@new"), is_another(TOPIC, None)) == (
        False,
        True,
        True,
    )


def test_from_the_table_only_roles_move_events_and_only_to_a_topic() -> None:
    table = LogInUse(TABLE)
    assert (
        refusal(table, "", moving=False) == refusal(table, "", moving=True) == refusal(table, OURS, moving=True) == ""
    )
    assert "unset WINKEL_LOG" in refusal(table, OURS, moving=False)
    assert not any(is_another(log, None) for log in (table, None))
