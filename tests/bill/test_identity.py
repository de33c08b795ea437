"""Ids that follow from what a thing is."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from winkel.bill.identity import derived

SPACE = uuid.UUID("a5d2c3de-8a5f-5c3c-9d0b-6c8f4f2f7d11")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4))
def test_an_id_is_a_uuid_of_version_5(parts: list[str]) -> None:
    """The same as Python's own, which is slower: ids that are kept never change."""
    assert derived(*parts) == str(uuid.uuid5(SPACE, " ".join(parts)))
