"""What kept invoices ask for, and what stands for them, as `store/invoices.sql` tells: for tests without a database."""

from collections.abc import Collection, Iterable, Mapping

from winkel.model.contract import Contract
from winkel.model.invoice import Invoice, InvoiceStatus, InvoiceType


def items_on(contracts: Iterable[Contract], kept: Collection[Invoice]) -> tuple[frozenset[str], frozenset[str]]:
    """Return what final invoices ask for, and what only void ones do that can be made anew."""
    known = {each.id: each for each in contracts}
    anew = {each.regenerated_from_invoice_id for each in kept}
    void = (each for each in kept if each.status is InvoiceStatus.VOID and each.id not in anew)
    final = _items(each for each in kept if each.status is InvoiceStatus.FINALIZED)
    return final, _items(each for each in void if _can_be_made_anew(known[each.contract_id], each)) - final


def standing_for(kept: Mapping[str, Invoice], consolidated: Invoice) -> list[Invoice]:
    """Return what is final of the constituents of the first of its chain, or of what took their place; all by id."""
    while consolidated.regenerated_from_invoice_id is not None:
        consolidated = kept[consolidated.regenerated_from_invoice_id]
    return [found for each in consolidated.constituent_invoices for found in _standing_for(kept, each.invoice_id)]


def _standing_for(kept: Mapping[str, Invoice], invoice_id: str) -> list[Invoice]:
    if kept[invoice_id].status is InvoiceStatus.FINALIZED:
        return [kept[invoice_id]]
    later = [each.id for each in kept.values() if each.regenerated_from_invoice_id == invoice_id]
    return [one for each in later for one in _standing_for(kept, each)]


def _can_be_made_anew(contract: Contract, void: Invoice) -> bool:
    """Whether there is a contract to ask, and a statement's period is there still."""
    if contract.archived_at is not None:
        return False
    return void.type is InvoiceType.SCHEDULED or contract.period_at(void.period.start) is not None


def _items(some: Iterable[Invoice]) -> frozenset[str]:
    return frozenset(line.schedule_item_id for each in some for line in each.line_items if line.schedule_item_id)
