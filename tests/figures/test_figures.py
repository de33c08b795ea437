"""Figures have names that say role and unit, help, and no label that tells of tenants; signs grow old."""

import re

import pytest
from prometheus_client import Counter, Gauge, Histogram

from support.figures import ROLES, families, overview, standing, status
from winkel.figures.registry import Sign
from winkel.fleet.overview import STALE_SECONDS, Pipeline

LABELS = {"reason", "route", "status", "partition", "database", "process"}
"""Every label there may be: few values each, none of which a sender chooses."""


def test_names_say_the_unit_and_counters_that_they_count() -> None:
    ours = {name: family for name, family in families().items() if name.startswith("winkel_")}
    assert len(ours) > 25
    for name, family in ours.items():
        assert re.fullmatch(r"winkel(_[a-z]+)+", name), name
        assert family.documentation.endswith("."), name
        if family.type == "histogram":
            assert name.endswith(("_seconds", "_events")), name


def test_no_label_tells_of_a_tenant() -> None:
    made = [each for role in ROLES for each in vars(role).values() if isinstance(each, Counter | Gauge | Histogram)]
    assert made
    assert {label for each in made for label in each._labelnames} <= LABELS
    samples = [sample for family in families().values() for sample in family.samples]
    assert {label for sample in samples for label in sample.labels} <= LABELS | {"le"}


def test_a_sign_is_missing_until_it_is_given_and_when_it_is_old() -> None:
    now = 100.0
    sign = Sign("it works", within=5.0, clock=lambda: now)
    assert sign.missing == "not yet: it works"
    sign.give()
    now = 105.0
    assert sign.missing == ""
    now = 106.0
    assert sign.missing == "not for 6 s: it works"


def samples(pipeline: Pipeline) -> dict[tuple[str, str], float]:
    return {(each.name, each.labels.get("partition", "")): each.value for f in pipeline.collect() for each in f.samples}


def test_the_pipeline_shows_lag_and_owners_by_partition() -> None:
    pipeline = Pipeline()
    assert samples(pipeline) == {}
    full, left = standing(0, next_offset=9, metered_offset=4), standing(1, owner="dead:2:y", routed=False)
    pipeline.show(overview(full, left, meters=[status()], routing=3, routed=1, preparing=4))
    assert samples(pipeline) == {
        ("winkel_lag_records", "0"): 5.0,
        ("winkel_lag_records", "1"): 0.0,
        ("winkel_lag_events", "0"): 50.0,
        ("winkel_lag_events", "1"): 0.0,
        ("winkel_partition_owned", "0"): 1.0,
        ("winkel_partition_owned", "1"): 0.0,
        ("winkel_partitions", ""): 1.0,
        ("winkel_meters", ""): 1.0,
        ("winkel_gateways", ""): 1.0,
        ("winkel_routing_version", ""): 3.0,
        ("winkel_routing_changing", ""): 1.0,
        ("winkel_desired_meters", ""): 2.0,
    }


def test_a_process_with_a_meter_in_each_of_two_databases_is_one() -> None:
    """So it is counted as the autoscaler counts those that it asks for."""
    pipeline = Pipeline()
    meters = [status(each) for each in ("host:1:aa", "host:1:bb", "host:2:cc", "host:2:dd")]
    pipeline.show(overview(standing(0), meters=meters, desired=2))
    figures = samples(pipeline)
    assert figures["winkel_meters", ""] == figures["winkel_desired_meters", ""] == 2


def test_an_old_look_is_not_shown_and_no_wish_is_no_figure() -> None:
    pipeline = Pipeline()
    pipeline.show(overview(standing(0), at=-STALE_SECONDS))
    assert samples(pipeline) == {}
    pipeline.show(overview(standing(0), desired=None))
    assert ("winkel_desired_meters", "") not in samples(pipeline)


@pytest.mark.parametrize("role", ROLES)
def test_every_role_gives_signs(role) -> None:
    assert role.SIGNS
    assert all(sign.within >= 5 for sign in role.SIGNS), "a busy moment is not an illness"
