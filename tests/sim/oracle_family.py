"""The oracle's hierarchies: who draws on a parent, who pays, consolidated invoices (docs/pricing.md, section 20)."""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime

from msgspec.structs import replace

from sim.oracle_bill import Bill
from sim.world import Balance, Contract, Tenant

CONSOLIDATED = "USAGE_CONSOLIDATED"


def family(tenant: Tenant, customer_id: str) -> set[str]:
    """Return all customers who are linked with this one through parents and children, however far away."""
    found: set[str] = set()
    more = {customer_id}
    while more - found:
        found |= more
        for each in tenant.contracts:
            if each.parent is not None and {each.customer_id, each.parent.customer_id} & found:
                more |= {each.customer_id, each.parent.customer_id}
    return found


def shares(tenant: Tenant, balance: Balance, contract: Contract) -> bool:
    """Whether a balance is one of the contract's parent and for this child too: it, or one that it renews, is named."""
    if contract.parent is None or contract.parent.contract_id != balance.contract_id:
        return False
    if balance.child_access == "CONTRACT_IDS":
        return any(each in balance.child_ids for each in with_renewed(tenant, contract))
    return balance.child_access == "ALL"


def with_renewed(tenant: Tenant, contract: Contract) -> Iterator[str]:
    """Yield a contract, the one that it renews, and so on."""
    yield contract.id
    for each in tenant.contracts:
        if each.id == contract.renews:
            yield from with_renewed(tenant, each)


def draws_on(contract: Contract) -> list[str]:
    """Return the contracts whose balances may pay for it: itself and its parent."""
    return [contract.id] if contract.parent is None else [contract.id, contract.parent.contract_id]


def children(contracts: Iterable[Contract], contract_id: str) -> list[Contract]:
    """Return the child contracts of a contract."""
    return [each for each in contracts if each.parent is not None and each.parent.contract_id == contract_id]


def addressed(contracts: Iterable[Contract], bill: Bill) -> Bill:
    """Return an invoice with whose it is, and whose contract pays it."""
    [contract] = [each for each in contracts if each.id == bill.contract_id]
    paid_by = contract.parent.contract_id if contract.parent is not None and contract.parent.pays else contract.id
    return replace(bill, customer_id=contract.customer_id, payer=paid_by)


def consolidated(
    contracts: list[Contract], drafts: Iterable[Bill], over: Collection[tuple[str, datetime]]
) -> Iterator[Bill]:
    """Yield the consolidated invoices of these drafts. `over` are (contract id, start) of those that are final.

    A child's statement is on one that ends with its parent's, begins no earlier and is in the same currency.
    """
    statements = [each for each in drafts if each.type == "USAGE"]
    for parent in contracts:
        joining = {each.id for each in children(contracts, parent.id) if each.parent is not None and each.parent.joins}
        for own in statements:
            if own.contract_id != parent.id or not parent.consolidates or (parent.id, own.start) in over:
                continue
            theirs = [
                each
                for each in statements
                if each.contract_id in joining
                and each.end == own.end
                and each.start >= own.start
                and each.currency == own.currency
            ]
            if theirs:
                yield copied(replace(own, type=CONSOLIDATED), [own, *theirs])


def copied(onto: Bill, statements: list[Bill]) -> Bill:
    """Return a consolidated invoice with all lines of these statements, each with where it comes from."""
    lines = [replace(line, origin=each.contract_id, item_id=None) for each in statements for line in each.lines]
    constituents = frozenset((each.contract_id, each.start) for each in statements)
    return replace(onto, lines=tuple(lines), constituents=constituents, void_at=None, regenerated=False)


def copies_of(final: Iterable[Bill], bill: Bill) -> list[Bill]:
    """Return the consolidated invoices, not void, on which a final one is: it is voided after them."""
    return [
        each
        for each in final
        if bill.type == "USAGE" and not each.void and (bill.contract_id, bill.start) in each.constituents
    ]


def made_anew(final: Iterable[Bill], old: Bill) -> Bill | None:
    """Return a void consolidated invoice anew, of its statements as they are final now; None: none is.

    They are those of the first one, however often it was made anew: what was void in between comes back.
    """
    known = list(final)
    [first, *_] = [
        each for each in known if (each.type, each.contract_id, each.start) == (old.type, old.contract_id, old.start)
    ]
    still = [each for each in known if each.type == "USAGE" and not each.void]
    found = [each for each in still if (each.contract_id, each.start) in first.constituents]
    return copied(old, found) if found else None
