"""Contracts that can be billed apart: taken apart or together, the invoices are the same."""

from hypothesis import given
from msgspec import structs

from bill.worlds import START, World, day, worlds
from winkel.bill.apart import apart
from winkel.bill.draft import drafts
from winkel.model.account import Account
from winkel.model.commit import Balance, BalanceType, Segment
from winkel.model.contract import Contract, StatementSchedule
from winkel.model.credit_type import USD
from winkel.model.customer import Customer
from winkel.model.money import ZERO
from winkel.model.period import Frequency


@given(worlds())
def test_apart_or_together_the_drafts_are_the_same(world: World) -> None:
    """No invoice and no deduction depends on a contract of another part."""
    separate = [draft for part in apart(world.account) for draft in drafts(part, world.usage, world.at)]
    whole = world.drafts()
    assert {each.invoice.id: each for each in separate} == {each.invoice.id: each for each in whole}
    assert len(separate) == len(whole)


def account(*links: tuple[str, ...], contracts: str = "abcd") -> Account:
    """Return an account with these contracts, and for each link a balance that may pay for just these."""
    return Account(
        customer=Customer(id="customer", name="c", created_at=START, updated_at=START),
        contracts=tuple(
            Contract(
                id=name,
                customer_id="customer",
                starting_at=START,
                created_at=START,
                created_by="test",
                usage_statement_schedule=StatementSchedule(Frequency.MONTHLY, START),
            )
            for name in contracts
        ),
        rates={},
        cards={},
        products={},
        metrics={},
        balances=tuple(_balance(number, link) for number, link in enumerate(links)),
        entries=(),
        invoiced=frozenset(),
    )


def _balance(number: int, link: tuple[str, ...]) -> Balance:
    return Balance(
        id=f"balance {number}",
        type=BalanceType.CREDIT,
        customer_id="customer",
        product_id="fixed",
        credit_type_id=USD.id,
        segments=(Segment(f"segment {number}", ZERO, START, day(31)),),
        created_at=START,
        created_by="test",
        priority=ZERO,
        applicable_contract_ids=link,
    )


def parts(of: Account) -> list[str]:
    """Return the contracts of each part."""
    return ["".join(each.id for each in part.contracts) for part in apart(of)]


def test_contracts_without_a_common_balance_are_apart() -> None:
    """Each contract is a part of its own, and a balance for one of them changes nothing."""
    assert parts(account()) == ["a", "b", "c", "d"]
    assert parts(account(("b",))) == ["a", "b", "c", "d"]
    assert parts(account(contracts="")) == []


def test_a_common_balance_keeps_contracts_together() -> None:
    """A link counts directly and through others, in whichever order they come."""
    assert parts(account(("a", "c"))) == ["ac", "b", "d"]
    assert parts(account(("a", "b"), ("c", "d"), ("b", "c"))) == ["abcd"]
    assert parts(account(("b", "d"), ("d", "c"))) == ["a", "bcd"]


def test_a_balance_is_tied_to_the_contract_on_which_it_is_invoiced() -> None:
    """Even if it may not pay for that one."""
    linked = account(("a",))
    invoiced = structs.replace(linked.balances[0], invoice_contract_id="c")
    assert parts(structs.replace(linked, balances=(invoiced,))) == ["ac", "b", "d"]


def test_a_balance_of_the_customer_keeps_all_together_unless_it_is_archived() -> None:
    """A balance that names no contract may pay for all."""
    linked = account(())
    assert parts(linked) == ["abcd"]
    archived = structs.replace(linked.balances[0], archived_at=START)
    assert parts(structs.replace(linked, balances=(archived,))) == ["a", "b", "c", "d"]
