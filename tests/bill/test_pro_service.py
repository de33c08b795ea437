"""Laws of professional services: whatever is asked for, void and made anew, no service asks for more than it may."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import structs

from winkel.bill.invoiced import Invoiced
from winkel.bill.pro_service import check_again, room, until
from winkel.model.contract import Contract, StatementSchedule
from winkel.model.credit_type import USD
from winkel.model.errors import InvalidError
from winkel.model.invoice import Invoice, InvoiceStatus, InvoiceType, LineItem, LineType
from winkel.model.money import ZERO, total
from winkel.model.period import Frequency
from winkel.model.pro_service import ProService, ProServiceInvoice, ProServiceLine

START = datetime(2026, 1, 1, tzinfo=UTC)
MOST, SIXTY = Decimal(100), Decimal(60)
SERVICES = [
    ProService(id=name, product_id="p", unit_price=Decimal(1), quantity=Decimal(1), max_amount=MOST) for name in "ab"
]
BARE = Contract(
    id="main",
    customer_id="c",
    starting_at=START,
    created_at=START,
    created_by="test",
    usage_statement_schedule=StatementSchedule(Frequency.MONTHLY, START),
    professional_services=tuple(SERVICES),
)
amounts = st.sampled_from([Decimal(each) for each in ("0", "0.01", "40", "60", "99.99", "100", "100.01")])


def invoice(number: int, asked: dict[str, Decimal], issued_at: datetime = START) -> ProServiceInvoice:
    """Return an invoice for some amount of each service."""
    lines = tuple(
        ProServiceLine(
            id=f"{number} {name}", professional_service_id=name, amount=amount, unit_price=amount, quantity=Decimal(1)
        )
        for name, amount in asked.items()
    )
    return ProServiceInvoice(id=str(number), issued_at=issued_at, lines=lines)


def kept(of: ProServiceInvoice) -> Invoice:
    """Return the void invoice that it has become."""
    lines = tuple(
        LineItem(
            type=LineType.SCHEDULED,
            name="p",
            total=each.amount,
            credit_type_id=USD.id,
            schedule_item_id=each.id,
            professional_service_id=each.professional_service_id,
        )
        for each in of.lines
    )
    return Invoice(
        id=of.id,
        customer_id="c",
        contract_id="main",
        type=InvoiceType.SCHEDULED,
        status=InvoiceStatus.VOID,
        credit_type_id=USD.id,
        line_items=lines,
        total=total([each.total for each in lines]),
    )


@given(st.lists(st.tuples(st.sampled_from(["ask", "void", "again"]), amounts, amounts, st.integers(0, 2)), max_size=25))
@example([("ask", SIXTY, ZERO, 0), ("void", ZERO, ZERO, 0), ("ask", SIXTY, ZERO, 0), ("again", ZERO, ZERO, 0)])
def test_no_service_asks_for_more_than_it_may(steps: list[tuple[str, Decimal, Decimal, int]]) -> None:
    """And whatever stays within that is not refused."""
    contract, void = BARE, set[str]()

    def standing(name: str) -> Decimal:
        lines = [line for each in contract.pro_service_invoices if each.id not in void for line in each.lines]
        return total([line.amount for line in lines if line.professional_service_id == name])

    for number, (what, one, other, index) in enumerate(steps):
        freed = {line.id for each in contract.pro_service_invoices if each.id in void for line in each.lines}
        if what == "ask":
            asked = {"a": one, "b": other}
            if all(asked[each.id] <= room(contract, each, freed) for each in SERVICES):
                some = (*contract.pro_service_invoices, invoice(number, asked))
                contract = structs.replace(contract, pro_service_invoices=some)
            else:
                assert any(standing(name) + asked[name] > MOST for name in asked)
        elif index < len(contract.pro_service_invoices):
            its = contract.pro_service_invoices[index]
            if what == "void":
                void.add(its.id)
            elif its.id in void:
                fits = all(standing(line.professional_service_id) + line.amount <= MOST for line in its.lines)
                if fits:
                    check_again(contract, kept(its), freed)
                    void.remove(its.id)
                else:
                    with pytest.raises(InvalidError, match="more than the max_amount"):
                        check_again(contract, kept(its), freed)
        assert all(standing(each.id) <= MOST for each in SERVICES)


def test_an_earlier_end_drops_what_has_not_come() -> None:
    """And what came, but is void."""
    days = [START.replace(day=each) for each in (5, 10, 12, 20)]
    some = tuple(invoice(number, {"a": Decimal(1)}, date) for number, date in enumerate(days))
    contract = structs.replace(BARE, pro_service_invoices=some)
    ended = until(contract, START.replace(day=8), Invoiced(START.replace(day=15), {"1 a"}, {"2 a", "0 a"}))
    assert [each.id for each in ended.pro_service_invoices] == ["0", "1"]
