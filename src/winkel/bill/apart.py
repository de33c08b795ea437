"""Which contracts of a customer can be billed apart from each other."""

from collections.abc import Iterator

from msgspec import structs

from winkel.bill.purse import reaches
from winkel.model.account import Account


def apart(account: Account) -> list[Account]:
    """Return the account as accounts whose invoices don't depend on each other, in the order of their contracts.

    They stay those of the whole family: contracts of several customers may be billed together.

    Contracts that one balance may pay for stay together, and so do those that are linked through others: their invoices
    draw it down in one order, so none of them may become final while another can't be rated. So does the contract on
    which it is invoiced, one that renews another (it gets what that leaves), and a parent contract with its children:
    it may consolidate their statements with its own. No link, no dependence: charges follow from a contract alone
    (docs/decisions.md).
    """
    groups = {each.id: {each.id} for each in account.contracts}
    for linked in _links(account):
        if len(linked) > 1:
            together = set().union(*(groups[one] for one in linked))
            groups |= dict.fromkeys(together, together)
    parts, placed = [], set[str]()
    for contract in account.contracts:
        if contract.id not in placed:
            own = tuple(each for each in account.contracts if each.id in groups[contract.id])
            placed |= groups[contract.id]
            parts.append(structs.replace(account, contracts=own))
    return parts


def _links(account: Account) -> Iterator[list[str]]:
    """Yield the ids of contracts whose invoices depend on each other."""
    for balance in account.balances:
        yield [
            each.id
            for each in account.contracts
            if reaches(account, balance, each) or each.id == balance.invoice_contract_id
        ]
    for contract in account.contracts:
        yield [contract.id, *(each.id for each in account.children(contract))]
        if contract.transition is not None:
            linked = {contract.transition.from_contract_id, contract.id}
            yield [each.id for each in account.contracts if each.id in linked]
