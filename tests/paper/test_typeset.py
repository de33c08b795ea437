"""The PDF itself: readable by others, the same bytes each time, and never anybody's markup."""

import io
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import NamedTuple

import pytest
from pypdf import PdfReader

from paper.samples import HOSTILE, copied, sample, usage, usual
from winkel.model.hierarchy import ContractRef
from winkel.model.invoice import InvoiceStatus, InvoiceType
from winkel.paper.page import Page
from winkel.paper.typeset import pdf
from winkel.paper.when import zone


def text_of(page: Page) -> list[str]:
    """Return the text of each page of the PDF, with white space as one blank."""
    reader = PdfReader(io.BytesIO(pdf(page)))
    return [" ".join(each.extract_text().split()) for each in reader.pages]


class Piece(NamedTuple):
    """A text that was set in one go: where it begins, and its height, in points."""

    text: str
    x: float
    y: float
    size: float


def pieces_of(page: Page) -> list[Piece]:
    """Return what stands on the first page of the PDF, piece by piece."""
    found: list[Piece] = []

    def note(text: str, cm: list[float], tm: list[float], _font: object, size: float) -> None:
        if text.strip():
            found.append(Piece(text.strip(), cm[4] + tm[4], cm[5] + tm[5], size))

    PdfReader(io.BytesIO(pdf(page))).pages[0].extract_text(visitor_text=note)
    return found


def test_everything_on_the_page_is_in_the_pdf() -> None:
    """Names, facts, quantities, prices and sums can be searched and copied."""
    page = sample(usual())
    (text,) = text_of(page)
    rows = [row for section in page.sections for row in section.rows]
    wanted = [page.seller, *page.customer, page.total.shown, *(section.name for section in page.sections)]
    wanted += [fact.value for fact in page.facts] + [row.quantity for row in rows] + [row.amount.shown for row in rows]
    missing = [each for each in wanted if each.replace(" ", "") not in text.replace(" ", "")]
    assert not missing
    assert "DRAFT" not in text


def test_what_is_copied_is_what_was_written() -> None:
    """Nothing unseen is between letters and digits: who pastes an id or a number finds it."""
    user, name, seller = "0b0f4a9e-1111-4222-8333-944455556666", "w" * 40 + "-" + "x" * 80, "Holding" * 12
    line = usage(name, "1234567.12345678", "0.0123456789", user=user)
    page = sample([line], seller=seller, contract=name)
    huge = sample([usage("Tokens", "9" * 38, "0." + "3" * 20)])
    (text,), (other,) = text_of(page), text_of(huge)
    assert f"{page.foot} Page 1 of 1" in text
    for row in page.sections[0].rows:
        assert all(f" {each} " in text for each in (page.facts[0].value, user, row.quantity, row.unit_price))
    assert all(each in text.replace(" ", "") for each in (name, seller))
    for row in huge.sections[0].rows:  # in lines, as it cannot be read otherwise
        assert all(each in other.replace(" ", "") for each in (row.quantity, row.unit_price, row.amount.exact))
    assert not {char for char in text + other if unicodedata.category(char) in {"Cf", "Zl", "Zp"}}


DIGIT, MARK = 0.466, 0.23
"""How wide a digit is in the font's size, and a point or a comma."""
RIGHT = (21 - 1.9) / 2.54 * 72
"""Where the table ends, in points."""


@pytest.mark.parametrize(
    ("quantity", "price", "broken"),
    [
        ("12345678.12345678", "0.0000123456789", False),
        ("0." + "3" * 20, "1234567.12345678", False),
        ("123456789.123456789", "0." + "3" * 15, False),
        ("9" * 38, "0." + "3" * 20, True),
        ("9" * 38 + "." + "9" * 20, "9" * 38, True),
    ],
)
def test_numbers_do_not_lie_on_one_another(quantity: str, price: str, broken: bool) -> None:
    """Each stays in its column: in one line as long as that can be read, beside short ones too."""
    page = sample([usage("Tokens", quantity, price), usage("Tokens", "1", "200"), usage("Seats", "2", "2900")])
    found = pieces_of(page)
    numbers = [each for each in found if not each.text.strip("0123456789,.−")]
    for each in numbers:
        marks = sum(map(each.text.count, ",."))
        end = each.x + each.size * (DIGIT * (len(each.text) - marks) + MARK * marks)
        beside = [other for other in found if abs(other.y - each.y) < 2 and other.x > each.x]
        assert all(end < other.x for other in beside), each
        assert end < RIGHT, each
    (row, _) = page.sections[0].rows
    whole = {row.quantity, row.unit_price, row.amount.shown} <= {each.text for each in numbers}
    assert whole is not broken


@pytest.mark.parametrize("name", ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"])
def test_times_in_a_zone_have_room(name: str) -> None:
    """The longest ones, over a change of clocks: a line each in the table, and one line for both in the header."""
    begin = datetime(2025, 10, 1, tzinfo=UTC)
    page = sample([usage("Tokens", "12345678.12345678", "0.0123456789", starting=begin)], start=begin, zone=zone(name))
    found = pieces_of(page)
    texts = [each.text for each in found]
    (period,) = [fact.value for fact in page.facts if fact.label == "Billing period"]
    first, last = page.sections[0].rows[0].period.split(" – ")
    assert texts.count(period) == 1
    assert (texts.count(f"{first} –"), texts.count(last)) == (1, 1)
    (quantity,) = [each.x for each in found if each.text.startswith("12,345,678")]
    assert all(each.x + DIGIT * each.size * len(each.text) < quantity for each in found if each.text == f"{first} –")


def test_the_same_invoice_gives_the_same_bytes() -> None:
    """Whenever it is asked for; another total gives other ones, and so does another time zone."""
    once = pdf(sample(usual()))
    assert once.startswith(b"%PDF-")
    assert pdf(sample(usual())) == once
    assert pdf(sample(usual()[:-1])) != once
    there = zone("Europe/Berlin")
    assert pdf(sample(usual(), zone=there)) == pdf(sample(usual(), zone=there)) != once


@pytest.mark.parametrize("status", [InvoiceStatus.DRAFT, InvoiceStatus.VOID])
def test_a_mark_is_on_every_page(status: InvoiceStatus) -> None:
    """Nobody pays a page that was torn off a draft."""
    pages = text_of(sample([usage("Calls", str(each), "1", model=str(each)) for each in range(100)], status=status))
    assert len(pages) > 1
    assert all(status in text for text in pages)


def test_a_long_table_goes_on_over_pages_with_its_head() -> None:
    """Each page has the head of the table and of the product, a number, and no line is lost."""
    lines = [usage("Tokens", "1", "100", model=f"model-{each:03}") for each in range(200)]
    pages = text_of(sample(lines))
    assert len(pages) > 3
    for number, text in enumerate(pages, 1):
        assert f"Page {number} of {len(pages)}" in text
    for text in pages[:-1]:
        assert "Unit price" in text
        assert "Tokens" in text
    whole = " ".join(pages)
    assert [each for each in range(200) if f"model-{each:03}" not in whole] == []


def test_the_head_of_a_product_stands_above_its_own_lines_only() -> None:
    """It does not come again on the next page for lines that stand alone, nor does that of a statement for others."""
    several = [usage("Tokens", "1", "100", model=each) for each in "ab"]
    alone = [usage(f"Product {each}", "1", "100") for each in range(60)]
    _, second = text_of(sample([*several, *alone]))
    assert "Product 59" in second
    assert "Tokens" not in second
    lines = copied([*several, *alone], "parent", "main", "i0") + copied([*several, *several], "hulu", "streaming", "i1")
    _, second, *_ = text_of(sample(lines, kind=InvoiceType.USAGE_CONSOLIDATED))
    own, hulu = second.split("Total of this statement")[:2]
    assert "parent Contract main Statement i0 Product" in own
    assert "Tokens" not in own
    assert "hulu Contract streaming Statement i1 Tokens" in hulu


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_never_markup(name: str) -> None:
    """Whatever a name means to Typst, on paper it reads as it is written: in every place that takes one."""
    lines = copied([usage(name, "1", "100", model=name)] * 2, name, name, "i0")
    page = sample(lines, customer=name, contract=name, seller=name, payer=ContractRef(name, name))
    (text,) = text_of(page)
    assert text.replace(" ", "").count(name.replace(" ", "")) >= 8


@pytest.mark.parametrize(
    "name", ["W" * 500, "W" * 4000, "Ünïcødé 株式会社 Ελλάδα Москва 👩‍🚀 שלום", "\x01\x1f\u202e\ufeff", " ", "\n\n"]
)
def test_any_name_can_be_set(name: str) -> None:
    """Very long words, other scripts and control characters break nothing, nor do heads that fill pages."""
    line = usage(name, "0." + "3" * 30, "100", model=name)
    assert text_of(sample([line], customer=name, seller=name))
    assert text_of(sample(copied([line, line], name, name, "i0"), kind=InvoiceType.USAGE_CONSOLIDATED))


def test_an_invoice_without_lines_can_be_set() -> None:
    """Nothing used is an invoice too."""
    assert "0.00" in text_of(sample([]))[0]


def test_several_threads_may_ask_at_once() -> None:
    """A gateway sets PDFs in threads."""
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: pdf(sample(usual())), range(8)))
    assert len(set(made)) == 1
