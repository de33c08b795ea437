"""What a case shows of hierarchies: who draws on what of a parent, who pays, what is consolidated."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sim.oracle_bill import Bill
from sim.oracle_draw import applies, is_open
from sim.oracle_family import CONSOLIDATED, children, copies_of
from sim.oracle_target import Use
from sim.world import Balance, Case, Contract

if TYPE_CHECKING:
    from sim.features import Sight

FAMILIES = (
    "child", "several children", "child of another", "relative apart", "child in another currency", "child pays itself",
    "parent pays", "parent pays for dates", "parent pays a true-up",
    *(f"child draws on {each}" for each in ("ALL", "CONTRACT_IDS")),
    *(f"parent draws on {each}" for each in ("ALL", "CONTRACT_IDS", "NONE")),
    *(f"not for this child: {each}" for each in (None, "CONTRACT_IDS", "NONE", "another parent's")),
    "parent and child draw", "several children draw", "child draws on its own and its parent's",
    "parent's promise counts a child", "parent's promise is trued up after a child",
    "child of a recurring term is shared", "child's subscription is paid by parent's",
    "child's conversion is paid by parent's",
    "consolidated", "consolidated of several", "consolidated of a part",
    "not consolidated: ends at another time", "not consolidated: begins earlier", "not consolidated: another currency",
    "not consolidated: separate", "consolidated is final",
    "child renewed", "child renewed under another parent", "child and parent renewed", "rolled over pays for child",
    "named child renewed", "rolled over from parent after a child",
    "child void, settled again",
    "void consolidated", "regenerated consolidated", "consolidated of fewer",
)  # fmt: skip


def of_families(case: Case, sight: "Sight") -> Iterator[str]:
    """Yield what an instant shows of hierarchies."""
    agreed = {each.id: each for each in case.tenant.contracts}
    for bill in sight.drafts:
        contract = agreed[bill.contract_id]
        if bill.type == CONSOLIDATED:
            yield from _of_consolidated(bill)
        elif contract.parent is not None:
            yield from _of_child(case, sight, contract, bill)
    yield from _of_statements(agreed, sight)
    yield from ("consolidated is final",) * any(each.type == CONSOLIDATED for each in sight.final)
    for balance in sight.balances:
        yield from _of_balance(case, sight, balance)
    for end in case.tenant.ends:
        if end.renewed_by and end.said_at <= sight.at and agreed[end.contract_id].parent is not None:
            yield from _of_renewal(agreed, agreed[end.contract_id], agreed[end.renewed_by])
    for each in sight.rolled:
        theirs = {one.id for one in children(case.tenant.contracts, each.from_contract)}
        before = [bill for bill in sight.books.final if bill.contract_id in theirs]
        yield from ("rolled over from parent after a child",) * any(each.segment_id in bill.paid for bill in before)
    for kind, bill, made, _ in sight.corrected:
        parent = agreed[bill.contract_id].parent
        if parent is not None:
            again = [each for each in sight.books.rolled if each.from_contract == parent.contract_id]
            yield from ("child void, settled again",) * any(len(each.told) > 1 for each in again)
        if bill.type == CONSOLIDATED and kind == "REGENERATE":
            yield from ("consolidated of fewer",) * (made is not None and made.constituents < bill.constituents)


def _of_child(case: Case, sight: "Sight", contract: Contract, bill: Bill) -> Iterator[str]:
    """Yield what an invoice of a child shows."""
    parent = contract.parent
    assert parent is not None
    yield "child"
    siblings = [each for each in children(case.tenant.contracts, parent.contract_id) if each.renews is None]
    yield from ("several children",) * (len(siblings) > 1)
    yield from ("child of another",) * (parent.customer_id != "customer")
    linked = {each.customer_id for each in case.tenant.contracts if each.parent is not None}
    apart = [each for each in case.tenant.contracts if each.customer_id in linked and each.parent is None]
    yield from ("relative apart",) * bool(apart)
    yield "parent pays" if parent.pays else "child pays itself"
    if parent.pays and bill.type == "SCHEDULED":
        trued_up = any(line.name.endswith(" true-up") for line in bill.lines)
        yield "parent pays a true-up" if trued_up else "parent pays for dates"
    cards = {each.id: each.card_id for each in case.tenant.contracts}
    if case.tenant.cards[cards[parent.contract_id]] != bill.currency and bill.type == "USAGE":
        yield "child in another currency"
    paying = [each for each in sight.balances if any(one.id in bill.paid for one in each.segments)]
    theirs = [each for each in paying if each.contract_id == parent.contract_id]
    if theirs and len(theirs) < len(paying):
        yield "child draws on its own and its parent's"
    for each in theirs:
        yield f"child draws on {each.child_access}"
        yield from ("parent's promise counts a child",) * (each.type == "POSTPAID")
        yield from ("child of a recurring term is shared",) * (".r" in each.id)
        yield from ("rolled over pays for child",) * (each.rolled_from is not None)
        yield from ("named child renewed",) * (
            each.child_access == "CONTRACT_IDS" and contract.id not in each.child_ids
        )
    own = {segment.id for each in theirs for segment in each.segments}
    types = {line.type for line in bill.lines if line.segment_id in own}
    yield from ("child's subscription is paid by parent's",) * ("subscription" in types)
    yield from ("child's conversion is paid by parent's",) * ("cpu_conversion" in types)
    if bill.type == "USAGE":
        yield from _of_others(sight, contract, bill)


def _of_others(sight: "Sight", contract: Contract, bill: Bill) -> Iterator[str]:
    """Yield which balances could have paid what is left to pay of a child's statement, were they for it."""
    assert contract.parent is not None
    open_lines = [line for line in bill.lines if line.type == "usage" and line.total > 0 and line.segment_id is None]
    for balance in sight.balances:
        if balance.contract_id is None or balance.customer_id == contract.customer_id:
            continue
        if any(one.id in bill.paid for one in balance.segments) or not sight.books.usable(balance, sight.at):
            continue
        for line in open_lines:
            use = Use(line.product_id, line.tags, line.pricing, line.presentation, line.unit or bill.currency)
            at = line.starting_at or bill.start
            if applies(balance, use) and any(is_open(one, at) for one in balance.segments):
                own = balance.contract_id == contract.parent.contract_id
                named = balance.child_access != "ALL" and contract.id not in balance.child_ids
                if not own:
                    yield "not for this child: another parent's"
                elif named:
                    yield f"not for this child: {balance.child_access}"


def _of_balance(case: Case, sight: "Sight", balance: Balance) -> Iterator[str]:
    """Yield who draws on a balance of a parent."""
    own = {each.id for each in balance.segments}
    drawing = {bill.contract_id for bill in sight.drafts if own & set(bill.paid)}
    theirs = {each.id for each in children(case.tenant.contracts, balance.contract_id or "")}
    if theirs and balance.contract_id in drawing:
        yield from (f"parent draws on {balance.child_access}",) * (balance.child_access is not None)
        yield from ("parent and child draw",) * bool(theirs & drawing)
    yield from ("several children draw",) * (len(theirs & drawing) > 1)
    if balance.type == "POSTPAID" and balance.schedule is not None:
        items = {each.id for each in balance.schedule.items}
        asked = [bill for bill in sight.final if items & {line.item_id for line in bill.lines}]
        counted = [bill for bill in sight.books.final if bill.contract_id in theirs and own & set(bill.paid)]
        yield from ("parent's promise is trued up after a child",) * bool(asked and counted)


def _of_consolidated(bill: Bill) -> Iterator[str]:
    """Yield what a consolidated invoice shows."""
    yield "consolidated"
    joined = {contract_id for contract_id, _ in bill.constituents}
    yield from ("consolidated of several",) * (len(joined) > 2)
    yield from ("consolidated of a part",) * any(start > bill.start for _, start in bill.constituents)


def _of_statements(agreed: dict[str, Contract], sight: "Sight") -> Iterator[str]:
    """Yield why statements of children are on no consolidated invoice."""
    statements = [each for each in sight.drafts if each.type == "USAGE"]
    for bill in statements:
        parent = agreed[bill.contract_id].parent
        if parent is None or not agreed[parent.contract_id].consolidates or copies_of(sight.drafts, bill):
            continue
        own = [each for each in statements if each.contract_id == parent.contract_id]
        together = [each for each in own if each.end == bill.end]
        if not parent.joins:
            yield from ("not consolidated: separate",) * bool(together)
        elif own and not together:
            yield "not consolidated: ends at another time"
        elif any(bill.start < each.start for each in together):
            yield "not consolidated: begins earlier"
        elif any(bill.currency != each.currency for each in together):
            yield "not consolidated: another currency"


def _of_renewal(agreed: dict[str, Contract], old: Contract, new: Contract) -> Iterator[str]:
    """Yield how a child is renewed."""
    assert old.parent is not None
    yield "child renewed"
    if new.parent is not None and new.parent.contract_id != old.parent.contract_id:
        yield "child renewed under another parent"
        yield from ("child and parent renewed",) * (agreed[new.parent.contract_id].renews == old.parent.contract_id)
