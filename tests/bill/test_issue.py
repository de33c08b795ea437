"""The law of moved dates: an invoice that is issued on another date asks for the same, and so do all others."""

from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from bill.test_dated import changed, with_dates
from bill.worlds import World, day
from winkel.bill.issue import moved, open_invoice
from winkel.model.invoice import Invoice, InvoiceType


def open_ones(world: World) -> dict[str, Invoice]:
    return {each.invoice.id: each.invoice for each in world.drafts()}


@given(with_dates(), st.integers(-5, 100).map(day), st.data())
def test_only_the_date_changes(world: World, date: datetime, data: st.DataObject) -> None:
    """Ids, lines and totals stay; the dates of all other invoices, too."""
    before = open_ones(world)
    dates = [each for each in before.values() if each.type is InvoiceType.SCHEDULED]
    chosen = data.draw(st.sampled_from(dates))
    found = open_invoice(world.account, chosen.id, world.at)
    assert found is not None
    assert found.contract.id == chosen.contract_id
    others = (moved(found, date) if each == found.contract else each for each in world.account.contracts)
    after = open_ones(changed(world, tuple(others)))
    assert after == {**before, chosen.id: structs.replace(chosen, issued_at=date)}
