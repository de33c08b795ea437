"""Tie-breaks of docs/pricing.md, 6, each by itself: they must not hang on what a story happens to show."""

from datetime import UTC, datetime
from decimal import Decimal

from msgspec import structs

from scenarios import story
from winkel.model.product import ProductType

FAMILY = """
metric calls: SUM
product Calls: metric calls
rate Calls: 1.00
relative Parent
contract top: 2026-01-01, for Parent
contract main: 2026-01-01, under top
credit Shared: 10.00 from {shared} to 2027-01-01, of top, shared with main
credit Own: 10.00 from 2026-01-01 to 2027-01-01
usage calls: 15 on 2026-01-10
> drafts at 2026-01-31
"""


def payers(text: str) -> list[str]:
    """Return who pays, in the order of the lines."""
    return [line.split("←")[1].strip() for line in story.run(text, "test").splitlines() if "←" in line]


def test_the_customers_own_pays_before_its_parents() -> None:
    """Also where the parent's is for fewer contracts: the rule comes before that one (`_precedence`, customer_id)."""
    assert payers(FAMILY.format(shared="2026-01-01")) == ["Own #1", "Shared #1"]


def test_what_begins_first_pays_before_the_customers_own() -> None:
    """`begins first` comes before `the customer's own before its parent's` (`_precedence`, starting_at)."""
    assert payers(FAMILY.format(shared="2025-12-01")) == ["Shared #1", "Own #1"]


TWO_OF_ONE_NAME = """
metric calls: SUM
product b: metric calls
product a: metric calls
rate b: 1.00
rate a: 1.00
contract main: 2026-01-01
credit Small: 10.00 from 2026-01-01 to 2027-01-01
usage calls: 10 on 2026-01-10
"""


def test_of_lines_alike_in_start_price_and_name_the_product_decides() -> None:
    """Not the order of the rate card, which is a matter of looks (docs/pricing.md, 4)."""
    told, _ = story.play(TWO_OF_ONE_NAME, "test")
    for name, product in told.products.items():
        told.products[name] = structs.replace(product, initial=structs.replace(product.initial, name="Calls"))
    (draft,) = told.drafts(datetime(2026, 1, 31, tzinfo=UTC))
    assert [each.product_id for each in draft.invoice.line_items if each.product_type is ProductType.USAGE] == [
        "b",
        "a",
    ]
    (paid,) = [each for each in draft.invoice.line_items if each.balance_id and each.product_type is ProductType.USAGE]
    assert (paid.product_id, paid.quantity) == ("a", Decimal(10))


def test_one_for_all_children_is_for_more_contracts_than_one_for_this_contract() -> None:
    """`fewest contracts` comes before `the contract's own before the customer's` (`_precedence`, _contract_count)."""
    text = """
metric calls: SUM
product Calls: metric calls
rate Calls: 1.00
relative Child
contract main: 2026-01-01
contract child: 2026-01-01, for Child, under main
credit Shared: 10.00 from 2026-01-01 to 2027-01-01, of main, shared with all children
credit One: 10.00 from 2026-01-01 to 2027-01-01, contracts main
usage calls: 15 on 2026-01-10
> drafts at 2026-01-31
"""
    assert payers(text) == ["One #1", "Shared #1"]


def test_a_tag_counts_products_that_have_rates_and_no_others() -> None:
    """A FIXED product with the tag is none for which a balance could pay (`_tagged`, RATED)."""
    told, _ = story.play(
        """
metric calls: SUM
product Calls: metric calls, tagged api
product Other: metric calls
rate Calls: 1.00
rate Other: 1.00
contract main: 2026-01-01
credit Tag: 10.00 from 2026-01-01 to 2027-01-01, pays tag api
credit Two: 10.00 from 2026-01-01 to 2026-06-01, pays Calls, pays Other
usage calls: 10 on 2026-01-10
""",
        "test",
    )
    fixed = told.products["Fixed"]
    told.products["Fixed"] = structs.replace(fixed, initial=structs.replace(fixed.initial, tags=("api",)))
    (draft,) = told.drafts(datetime(2026, 1, 31, tzinfo=UTC))
    assert {
        each.product_id: each.balance_id for each in draft.invoice.line_items if each.product_type is ProductType.USAGE
    } == {
        "Calls": "Tag",
        "Other": "Two",
    }
