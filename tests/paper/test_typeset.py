"""The PDF itself: readable by others, the same bytes each time, and never anybody's markup."""

import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from pypdf import PdfReader

from paper.samples import HOSTILE, sample, usage, usual
from winkel.model.invoice import InvoiceStatus
from winkel.paper.page import Page
from winkel.paper.typeset import pdf


def text_of(page: Page) -> list[str]:
    """Return the text of each page of the PDF, with white space as one blank."""
    reader = PdfReader(io.BytesIO(pdf(page)))
    return [" ".join(each.extract_text().replace("\u200b", "").split()) for each in reader.pages]


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


def test_the_same_invoice_gives_the_same_bytes() -> None:
    """Whenever it is asked for; another total gives other ones."""
    once = pdf(sample(usual()))
    assert once.startswith(b"%PDF-")
    assert pdf(sample(usual())) == once
    assert pdf(sample(usual()[:-1])) != once


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


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_never_markup(name: str) -> None:
    """Whatever a name means to Typst, on paper it reads as it is written: in every place that takes one."""
    page = sample([usage(name, "1", "100", model=name)] * 2, customer=name, contract=name, seller=name)
    (text,) = text_of(page)
    assert text.replace(" ", "").count(name.replace(" ", "")) >= 5


@pytest.mark.parametrize(
    "name", ["W" * 500, "Ünïcødé 株式会社 Ελλάδα Москва 👩‍🚀 שלום", "\x01\x1f\u202e\ufeff", " ", "\n\n"]
)
def test_any_name_can_be_set(name: str) -> None:
    """Very long words, other scripts and control characters break nothing."""
    assert text_of(sample([usage(name, "0." + "3" * 30, "100", model=name)], customer=name, seller=name))


def test_an_invoice_without_lines_can_be_set() -> None:
    """Nothing used is an invoice too."""
    assert "0.00" in text_of(sample([]))[0]


def test_several_threads_may_ask_at_once() -> None:
    """A gateway sets PDFs in threads."""
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: pdf(sample(usual())), range(8)))
    assert len(set(made)) == 1
