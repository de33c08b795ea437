"""Settings from the environment: what does not fit is one sentence that names the variable."""

import pytest

from winkel.config import TOPIC, Settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WINKEL_LOG_LEVEL", "verbose"),
        ("WINKEL_LOG", "redis://x"),
        ("WINKEL_LOG", "kafka://db"),
        ("WINKEL_LOG", "kafka://db:9092/a topic"),
        ("WINKEL_PARTITIONS", "four"),
        ("WINKEL_PARTITIONS", "0"),
        ("WINKEL_PARTITIONS", "4097"),
        ("WINKEL_GRACE_HOURS", "-1"),
        ("WINKEL_GRACE_HOURS", "1000000"),
        ("WINKEL_LOG_RETENTION_HOURS", "-1"),
        ("WINKEL_FLUSH_MILLISECONDS", "-5"),
        ("WINKEL_METERS_MAX", "99999999999999999999"),
    ],
)
def test_what_does_not_fit_is_named(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} must") as caught:
        Settings.from_environment({name: value})
    assert value in str(caught.value)


def test_a_secret_in_the_address_of_the_log_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="WINKEL_KAFKA_CONFIG") as caught:
        Settings.from_environment({"WINKEL_LOG": "kafka://me:s3cret@db:9092"})
    assert "s3cret" not in str(caught.value)


def test_what_fits_is_taken() -> None:
    found = Settings.from_environment({"WINKEL_LOG": "kafka://a:1,b:2", "WINKEL_GRACE_HOURS": "0"})
    assert (found.log_address, found.grace_hours, found.partitions) == (f"kafka://a:1,b:2/{TOPIC}", 0, 4)
    assert Settings.from_environment({}).log_address == ""
