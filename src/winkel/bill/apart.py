"""Which contracts of a customer can be billed apart from each other."""

from msgspec import structs

from winkel.bill.purse import reaches
from winkel.model.account import Account


def apart(account: Account) -> list[Account]:
    """Return the account as accounts whose invoices don't depend on each other, in the order of their contracts.

    Contracts that one balance may pay for stay together, and so do those that are linked through others: their invoices
    draw it down in one order, so none of them may become final while another can't be rated. So does the contract on
    which it is invoiced, and one that renews another: it gets what that leaves. No link, no dependence: charges follow
    from a contract alone (docs/decisions.md).
    """
    groups = {each.id: {each.id} for each in account.contracts}
    links = [
        [each.id for each in account.contracts if reaches(balance, each) or each.id == balance.invoice_contract_id]
        for balance in account.balances
    ]
    links += [
        [each.transition.from_contract_id, each.id]
        for each in account.contracts
        if each.transition is not None and each.transition.from_contract_id in groups
    ]
    for reached in links:
        if len(reached) > 1:
            together = set().union(*(groups[one] for one in reached))
            groups |= dict.fromkeys(together, together)
    parts, placed = [], set[str]()
    for contract in account.contracts:
        if contract.id not in placed:
            own = tuple(each for each in account.contracts if each.id in groups[contract.id])
            placed |= groups[contract.id]
            parts.append(structs.replace(account, contracts=own))
    return parts
