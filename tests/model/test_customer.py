"""The identifiers of a customer."""

from datetime import UTC, datetime

import pytest

from winkel.model.customer import Customer, spellings

NOW = datetime(2026, 1, 15, tzinfo=UTC)
ID = "0f8fad5b-d9cb-469f-a165-70867728950e"


def test_a_customer_is_known_by_its_id_in_either_case_and_by_its_aliases() -> None:
    """Each once, though an alias be the id in capitals: what is looked up twice counts twice."""
    aliases = ("acme", ID.upper(), "ACME", "7C9E6679-7425-40DE-944B-E07FC1F90AE7")
    made = Customer(id=ID, name="Acme", created_at=NOW, updated_at=NOW, ingest_aliases=aliases)
    assert made.keys == (ID, ID.upper(), "acme", "ACME", "7C9E6679-7425-40DE-944B-E07FC1F90AE7")


@pytest.mark.parametrize(
    "text", ["", "acme", "x" * 36, ID.replace("-", ""), f"{ID} ", "1" * 8 + "-1111" * 3 + "-" + "1" * 12]
)
def test_a_text_without_another_spelling_is_spelled_as_it_is(text: str) -> None:
    """No UUID, one in another form than an id has, or one without a letter."""
    assert spellings(text) == (text,)


def test_a_uuid_is_spelled_in_small_letters_and_in_capitals() -> None:
    """And as it is, where that is neither."""
    assert set(spellings(ID)) == set(spellings(ID.upper())) == {ID, ID.upper()}
    assert set(spellings(ID.title())) == {ID, ID.upper(), ID.title()}
