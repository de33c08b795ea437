"""Hierarchies on invoices: who pays one, and consolidated invoices (metronome-api.md §4.7, Hierarchy; §10, Invoice)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from msgspec import structs

from winkel.bill.identity import derived, invoice_id
from winkel.model.account import Account
from winkel.model.contract import Contract
from winkel.model.hierarchy import Consolidation, ContractRef, Payer, StatementBehavior
from winkel.model.invoice import Invoice, InvoiceRef, InvoiceStatus, InvoiceType, LineItem, Origin, asked_for


def payer(account: Account, contract: Contract) -> ContractRef | None:
    """Return who pays the invoices of a contract; None: it is in no hierarchy, and nothing needs to be said."""
    if contract.as_child is not None:
        return contract.as_child.parent if contract.as_child.payer is Payer.PARENT else contract.ref
    return contract.ref if contract.consolidation is not None or account.children(contract) else None


def consolidating(account: Account, contract: Contract) -> list[Contract]:
    """Return the children whose statements a contract consolidates with its own."""
    if contract.consolidation is not Consolidation.CONCATENATE:
        return []
    consolidate = StatementBehavior.CONSOLIDATE
    children = account.children(contract)
    return [each for each in children if each.as_child and each.as_child.usage_statement_behavior is consolidate]


def consolidated(account: Account, drafted: Iterable[Invoice]) -> Iterator[Invoice]:
    """Yield the consolidated invoices that follow from the drafts of a family, without those that are final or void.

    On one are the statements of children that end with the parent's and begin no earlier, in the parent's currency:
    they are issued together. Without any there is no such invoice. It asks again for what its constituents ask for,
    so only one of the two is to be paid: the consolidated one.
    """
    open_ones: dict[tuple[str, datetime], list[Invoice]] = defaultdict(list)
    for each in drafted:
        if each.type is InvoiceType.USAGE:
            open_ones[each.contract_id, each.period.end].append(each)
    for contract in account.contracts:
        children = consolidating(account, contract)
        own = [each for (contract_id, _), some in open_ones.items() if contract_id == contract.id for each in some]
        for first in own if children else ():
            ended_with = [each for child in children for each in open_ones.get((child.id, first.period.end), ())]
            joined = [each for each in ended_with if _joins(each, first)]
            its_id = invoice_id(contract.id, InvoiceType.USAGE_CONSOLIDATED, first.period.start)
            if joined and its_id not in account.invoiced:
                yield concatenated(contract, its_id, [first, *joined])


def _joins(child: Invoice, parent: Invoice) -> bool:
    return child.period.start >= parent.period.start and child.credit_type_id == parent.credit_type_id


def concatenated(contract: Contract, its_id: str, constituents: Sequence[Invoice]) -> Invoice:
    """Return the draft of a parent's consolidated invoice: every line of its constituents, each with its origin.

    Its period is that of the first constituent. Its lines and totals are those of all, exactly.
    """
    lines = tuple(_copy(line, each, index) for each in constituents for index, line in enumerate(each.line_items))
    first = constituents[0]
    return Invoice(
        id=its_id,
        customer_id=contract.customer_id,
        contract_id=contract.id,
        type=InvoiceType.USAGE_CONSOLIDATED,
        status=InvoiceStatus.DRAFT,
        credit_type_id=first.credit_type_id,
        line_items=lines,
        total=asked_for(lines, first.credit_type_id),
        start=first.start,
        end=first.end,
        issued_at=first.period.end,
        net_payment_terms_days=contract.net_payment_terms_days,
        payer=contract.ref,
        constituent_invoices=tuple(InvoiceRef(each.customer_id, each.contract_id, each.id) for each in constituents),
    )


def _copy(line: LineItem, of: Invoice, index: int) -> LineItem:
    """Return a line as a consolidated invoice has it. What it asks for stays an item of the original only."""
    origin = Origin(of.customer_id, of.contract_id, of.id, derived(of.id, "line", str(index)))
    return structs.replace(line, schedule_item_id=None, origin=origin)
