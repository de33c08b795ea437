"""What stands on the paper: exact where it must be, rounded once where it is shown."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from paper.samples import CREDITS, EUR, applied, copied, sample, share, usage, usual
from winkel.model.credit_type import USD
from winkel.model.hierarchy import ContractRef
from winkel.model.invoice import InvoiceStatus, InvoiceType, LineType, TierPart
from winkel.model.money import multiply, total
from winkel.paper.page import Amount, Fact, Page, Relatives, Statement, number
from winkel.paper.when import zone


def test_amounts_are_in_dollars_rounded_half_even_and_exact_below() -> None:
    """Half a cent goes to the even neighbour; an amount that is not changed has nothing below it."""
    lines = [usage("A", "1", "0.5"), usage("B", "1", "1.5"), usage("C", "3", "100"), usage("D", "1", "-0.4")]
    shown = [section.rows[0].amount for section in sample(lines).sections]
    assert shown == [Amount("0.00", "0.005"), Amount("0.02", "0.015"), Amount("3.00"), Amount("0.00", "−0.004")]


def test_sums_are_exact_and_rounded_once() -> None:
    """Three times a third of a cent is a cent, though each line shows nothing."""
    made = sample([usage("A", "1", "0.4"), usage("A", "1", "0.4"), usage("A", "1", "0.4")])
    assert [row.amount.shown for row in made.sections[0].rows] == ["0.00", "0.00", "0.00"]
    assert made.sections[0].subtotal == made.total == Amount("0.01", "0.012")
    assert any("exact" in note for note in made.notes)
    assert sample([usage("A", "1", "100")]).notes == []


def test_lines_are_together_by_product_with_what_balances_pay() -> None:
    """An applied line stays with the line that it pays for; charges and balances are summed apart."""
    made = sample(usual())
    assert [(each.name, len(each.rows)) for each in made.sections] == [
        ("Input tokens (millions)", 4),
        ("API calls", 3),
        ("Storage (GB)", 2),
        ("Seats", 1),
    ]
    tokens = made.sections[0].rows
    assert [row.applied for row in tokens] == [False, True, False, False]
    assert tokens[0].text == "model: sonnet · region: eu"
    assert (tokens[1].text, tokens[1].amount.shown, tokens[1].period) == ("Welcome credit applied", "−100.00", "")
    assert [each.label for each in made.sums] == ["Charges", "Paid from commits and credits"]
    assert made.sums[1].amount.shown == "−100.00"


def test_what_a_postpaid_commit_counts_is_told_and_not_taken_off() -> None:
    """It stands in parentheses, and no sum changes."""
    line = usage("Tokens", "3", "100")
    made = sample([line, applied(line, "Promise", "POSTPAID")])
    assert [row.amount.shown for row in made.sections[0].rows] == ["3.00", "(−3.00)"]
    assert (made.sections[0].subtotal, made.total, made.sums) == (Amount("3.00"), Amount("3.00"), [])
    assert "parentheses" in made.notes[0]


def test_a_discount_is_below_zero_in_its_section() -> None:
    """It stands with what has the same product; what is taken off in excess makes the total negative."""
    fee, off = usage("Platform", "1", "100000"), usage("Launch", "1", "-120000")
    made = sample([fee, structs.replace(off, product_id=fee.product_id, discount_id="d", starting_at=None)])
    (section,) = made.sections
    assert [(row.text, row.unit_price, row.amount.shown) for row in section.rows] == [
        ("", "1,000.00", "1,000.00"), ("Launch", "−1,200.00", "−1,200.00"),
    ]  # fmt: skip
    assert (section.subtotal, made.total, made.sums) == (Amount("−200.00"), Amount("−200.00"), [])


def test_amounts_in_custom_units_name_them_and_are_in_no_sum_of_money() -> None:
    """Units keep their digits and are summed by product; charges and the total are money, and so is the conversion."""
    in_units = [structs.replace(usage("Tokens", many, "2"), credit_type_id=CREDITS.id) for many in ("3", "0.125")]
    paid = structs.replace(applied(in_units[0]), credit_type_id=CREDITS.id)
    conversion = structs.replace(
        usage("AI Credits conversion", "0.25", "10"), type=LineType.CONVERSION, product_id=None
    )
    other = structs.replace(conversion, name="Stars conversion", total=Decimal(1), quantity=Decimal("0.1"))
    calls = usage("Calls", "1", "200")
    made = sample([in_units[0], paid, in_units[1], calls, applied(calls), conversion, other])
    tokens = made.sections[0]
    assert [row.amount.shown for row in tokens.rows] == ["6 AI Credits", "−6 AI Credits", "0.25 AI Credits"]
    assert (tokens.rows[0].unit_price, tokens.subtotal) == ("2", Amount("0.25 AI Credits"))
    assert [each.name for each in made.sections[2:]] == ["AI Credits conversion", "Stars conversion"]
    assert [each.amount.shown for each in made.sums] == ["2.04", "−2.00"]
    assert made.total == Amount("0.04", "0.035")
    assert "not money" in made.notes[0]


def test_tiers_say_their_bounds() -> None:
    """The lower bound is exclusive, the upper one inclusive."""
    tiers = [
        TierPart(1, Decimal(0), Decimal(1000)),
        TierPart(2, Decimal(1000), Decimal(500)),
        TierPart(3, Decimal(1500)),
    ]
    made = sample([usage("Calls", "1", "1", tier=each) for each in tiers])
    assert [row.text for row in made.sections[0].rows] == [
        "tier 1 (up to 1,000)",
        "tier 2 (above 1,000 up to 1,500)",
        "tier 3 (above 1,500)",
    ]


def test_a_share_of_spend_reads_the_same_in_every_currency() -> None:
    """A tenth of 100.00: the spend and the bounds of its tiers are money, the share is a percentage, be it in cents."""
    for unit, hundred in ((USD.id, 100), (EUR.id, 1)):
        tiers = [
            TierPart(1, Decimal(0), Decimal(50 * hundred)),
            TierPart(2, Decimal(50 * hundred), Decimal(100 * hundred)),
            TierPart(3, Decimal(150 * hundred)),
        ]
        lines = [share("Support", str(100 * hundred), "0.1", unit=unit, tier=each) for each in tiers]
        lines += [share("Care", str(Decimal("0.125") * hundred), "0.00075", unit=unit, tier=TierPart(1, Decimal(0)))]
        support, care = sample(lines, unit=unit).sections
        assert [(row.text, row.quantity, row.unit_price, row.amount) for row in support.rows] == [
            ("tier 1 (up to 50.00)", "100.00", "10%", Amount("10.00")),
            ("tier 2 (above 50.00 up to 150.00)", "100.00", "10%", Amount("10.00")),
            ("tier 3 (above 150.00)", "100.00", "10%", Amount("10.00")),
        ]
        assert [(row.text, row.quantity, row.unit_price) for row in care.rows] == [
            ("tier 1 (all spend)", "0.125", "0.075%")
        ]


def test_a_share_of_spend_in_a_custom_unit_is_of_units() -> None:
    """Nobody writes a hundredth of an AI credit, so they have no decimals of their own."""
    ((row,),) = [each.rows for each in sample([share("Support", "100", "0.1", unit=CREDITS.id)]).sections]
    assert (row.quantity, row.unit_price, row.amount) == ("100", "10%", Amount("10 AI Credits"))


def test_an_invoice_that_another_pays_says_who() -> None:
    """It stays its customer's, and is to be paid by its date. Who pays its own invoices is not told."""
    parent = ContractRef("parent", "main")
    made = sample(usual(), payer=parent, relatives=Relatives({"parent": "Disney"}))
    assert made.customer[0] == "Acme Robotics GmbH"
    assert [fact for fact in made.facts if fact.label in {"Paid by", "Payment", "Due"}] == [
        Fact("Paid by", "Disney"), Fact("Due", "2026-03-04"),
    ]  # fmt: skip
    assert not any("consolidated" in note for note in made.notes)
    own = ContractRef(made.customer[1], "main")
    assert sample(usual(), payer=own) == sample(usual())


@pytest.mark.parametrize("payer", ["parent", "5c7b1d2a-aaaa-4bbb-8ccc-9dddeeeeffff"])
def test_a_statement_on_a_consolidated_invoice_is_not_to_be_paid_by_itself(payer: str) -> None:
    """It has no date of payment, be it a child's or the parent's own, and says it in a sentence."""
    made = sample([usage("A", "1", "100")], payer=ContractRef(payer, "main"), relatives=Relatives(repeated=True))
    facts = {fact.label: fact.value for fact in made.facts}
    assert facts["Payment"] == "on the consolidated invoice only"
    assert not facts.keys() & {"Payment terms", "Due"}
    assert "not this one" in made.notes[0]


def test_a_consolidated_invoice_says_where_its_lines_come_from() -> None:
    """Statement by statement, each with its total, be they of one customer; credits stay with their lines."""
    tokens, calls = usage("Tokens", "10", "100"), usage("Calls", "30", "100")
    lines = copied([tokens, applied(tokens)], "parent", "main", "i0")
    lines += copied([applied(calls), calls], "hulu", "c1", "i1") + copied([calls], "hulu", "c2", "i2")
    names = Relatives({"parent": "Disney", "main": "Main", "hulu": "Hulu", "c1": "Streaming"})
    made = sample(lines, kind=InvoiceType.USAGE_CONSOLIDATED, relatives=names)
    disney = Statement("Disney", "Main", "i0", Amount("0.00"))
    streaming = Statement("Hulu", "Streaming", "i1", Amount("0.00"))
    other = Statement("Hulu", "c2", "i2", Amount("30.00"))
    assert [(each.name, each.statement, len(each.rows)) for each in made.sections] == [
        ("Tokens", disney, 2), ("Welcome credit applied", streaming, 1), ("Calls", streaming, 1), ("Calls", other, 1),
    ]  # fmt: skip
    assert made.total == Amount("30.00")
    assert "in place of them" in made.notes[0]
    assert [each.statement for each in sample([calls]).sections] == [None]


def test_a_consolidated_invoice_asks_once_it_is_issued() -> None:
    """A draft and a void one do not ask to be paid in place of others."""
    lines = copied([usage("Calls", "30", "100")], "hulu", "c1", "i1")
    for status in (InvoiceStatus.DRAFT, InvoiceStatus.VOID):
        (note,) = sample(lines, kind=InvoiceType.USAGE_CONSOLIDATED, status=status).notes
        assert "not pay" in note


def test_the_header_says_who_what_and_when() -> None:
    """Days are inclusive on paper; the date of payment follows from the terms."""
    made = sample(usual())
    assert made.customer == ["Acme Robotics GmbH", "5c7b1d2a-aaaa-4bbb-8ccc-9dddeeeeffff"]
    assert made.facts[1:] == [
        Fact("Contract", "Enterprise 2026"),
        Fact("Contract id", "7e1f2a3b-aaaa-4bbb-8ccc-9dddeeeeffff"),
        Fact("Billing period", "2026-01-01 – 2026-01-31"),
        Fact("Issued", "2026-02-02"),
        Fact("Payment terms", "30 days net"),
        Fact("Due", "2026-03-04"),
        Fact("Currency", "USD"),
    ]


@pytest.mark.parametrize("status", [InvoiceStatus.DRAFT, InvoiceStatus.VOID])
def test_what_must_not_be_paid_says_so(status: InvoiceStatus) -> None:
    """A draft and a voided invoice are marked, and say it in a sentence."""
    made = sample(usual(), status=status)
    assert made.mark == status
    assert "not pay" in made.notes[0]


def test_a_scheduled_invoice_has_no_period() -> None:
    """It asks on a date."""
    made = sample([usage("Setup", "1", "5000")], kind=InvoiceType.SCHEDULED, contract=None)
    assert (made.title, [fact.label for fact in made.facts][1:3]) == ("Scheduled invoice", ["Contract id", "Issued"])


@pytest.mark.parametrize("name", ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"])
def test_a_time_zone_changes_times_and_nothing_else(name: str) -> None:
    """Not what is asked for, nor by when: the date of payment is the same day for everybody."""
    usual_page, there = sample(usual()), sample(usual(), zone=zone(name))

    def without_times(page: Page) -> Page:
        """Return a page of which no time is told."""
        untimed = [
            structs.replace(each, rows=[structs.replace(row, period="") for row in each.rows]) for each in page.sections
        ]
        timeless = [each for each in page.facts if each.label not in {"Billing period", "Issued", "Due", "Time zone"}]
        return structs.replace(page, sections=untimed, facts=timeless)

    assert without_times(there) == without_times(usual_page)
    assert Fact("Due", "2026-03-04 (UTC)") in there.facts
    assert there.facts[-1] == Fact("Time zone", name)
    assert all(row.period.startswith("20") for each in there.sections for row in each.rows if not row.applied)


def test_times_in_new_york_are_the_evening_before() -> None:
    """What begins at midnight UTC begins on another day there, so its hour is told."""
    made = sample(usual(), zone=zone("America/New_York"))
    assert [fact.value for fact in made.facts if fact.label in {"Billing period", "Issued"}] == [
        "2025-12-31 19:00 – 2026-01-31 19:00 EST", "2026-02-01 19:00 EST",
    ]  # fmt: skip
    assert made.sections[2].rows[1].period == "2026-01-14 19:00 – 2026-01-31 19:00 EST"


@given(st.lists(st.decimals(-(10**30), 10**30, places=9), max_size=5))
def test_what_is_shown_is_exact_or_stands_below(amounts: list[Decimal]) -> None:
    """Read back, each amount is the line's to the last digit."""
    made = sample([usage("A", "1", str(each)) for each in amounts])
    for each, row in zip(amounts, made.sections[0].rows if amounts else [], strict=True):
        assert _read(row.amount) == each
    assert _read(made.total) == total(amounts)


def _read(amount: Amount) -> Decimal:
    """Return the dollars that are shown as cents."""
    return multiply(Decimal((amount.exact or amount.shown).replace("−", "-").replace(",", "")), Decimal(100))


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [("1E+3", 0, "1,000"), ("-1234.50", 2, "−1,234.50"), ("0.00", 2, "0.00"), ("0.123456789", 2, "0.123456789")],
)
def test_numbers_are_written_out(value: str, places: int, text: str) -> None:
    """No exponent, thousands apart, all digits."""
    assert number(Decimal(value), places) == text


def test_a_balance_alone_stands_for_itself() -> None:
    """An applied line that comes first has no line to stay with; it is shown all the same."""
    line = usage("A", "1", "100")
    assert len(sample([applied(line), line]).sections) == 2
