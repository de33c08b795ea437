"""Families: what they share is drawn once, and a consolidated invoice is the sum of its constituents."""

from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from winkel.bill import apart, correct
from winkel.bill.draft import Draft, drafts
from winkel.bill.statement import needs
from winkel.model.account import Account
from winkel.model.commit import Balance, BalanceType, Segment
from winkel.model.contract import Contract, StatementSchedule
from winkel.model.credit_type import USD
from winkel.model.customer import Customer
from winkel.model.hierarchy import AccessTo, AsChild, ChildAccess, Consolidation, Payer, StatementBehavior
from winkel.model.invoice import Invoice, InvoiceStatus, InvoiceType
from winkel.model.metric import Aggregation, BillableMetric
from winkel.model.money import negated, total
from winkel.model.period import Frequency, hour_number
from winkel.model.price import Flat
from winkel.model.product import Product, ProductState, ProductType
from winkel.model.rate_card import Rate, RateCard
from winkel.model.usage import HourUsage

START, LATER, END = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 3, 4))


def customer(name: str) -> Customer:
    return Customer(id=name, name=name, created_at=START, updated_at=START)


def contract(name: str, **more) -> Contract:
    """Return a contract of the customer with its own name in capitals."""
    return Contract(
        id=name,
        customer_id=name.upper(),
        starting_at=START,
        created_at=START,
        created_by="test",
        usage_statement_schedule=StatementSchedule(Frequency.MONTHLY, START),
        rate_card_id="card",
        **more,
    )


def state() -> ProductState:
    return ProductState(name="Calls", created_at=START, created_by="test", billable_metric_id="calls")


def family(children: list[tuple[bool, bool]], pool: int, others: Contract | None = None) -> Account:
    """Return the account of a parent with a pool for its children: (consolidated, may draw on the pool) of each."""
    main = contract("main", consolidation=Consolidation.CONCATENATE)
    made = [main]
    for number, (joins, _) in enumerate(children):
        behavior = StatementBehavior.CONSOLIDATE if joins else StatementBehavior.SEPARATE
        made.append(contract(f"child{number}", as_child=AsChild(main.ref, Payer.PARENT, behavior)))
    made += [others] if others else []
    admitted = tuple(f"child{number}" for number, (_, may) in enumerate(children) if may)
    shared = Balance(
        id="pool",
        type=BalanceType.PREPAID,
        customer_id="MAIN",
        contract_id="main",
        product_id="fixed",
        credit_type_id=USD.id,
        segments=(Segment("pool", Decimal(pool), START, END),),
        created_at=START,
        created_by="test",
        priority=Decimal(1),
        name="Pool",
        child_access=ChildAccess(AccessTo.CONTRACT_IDS, admitted) if admitted else ChildAccess(AccessTo.NONE),
    )
    rate = Rate(
        id="rate",
        rate_card_id="card",
        product_id="calls",
        price=Flat(Decimal(2)),
        entitled=True,
        starting_at=START,
        number=0,
        credit_type_id=USD.id,
    )
    card = RateCard(id="card", name="card", created_at=START, created_by="test", fiat_credit_type_id=USD.id)
    return Account(
        customer=customer("MAIN"),
        relatives=tuple(customer(each.customer_id) for each in made[1:]),
        contracts=tuple(made),
        rates={"card": (rate,)},
        cards={"card": card},
        products={
            "calls": Product(id="calls", type=ProductType.USAGE, initial=state()),
            "fixed": Product(id="fixed", type=ProductType.FIXED, initial=structs.replace(state(), name="Pool")),
        },
        metrics={
            "calls": BillableMetric(id="calls", name="calls", aggregation_type=Aggregation.SUM, aggregation_key="n")
        },
        balances=(shared,),
        entries=(),
        invoiced=frozenset(),
    )


def drafted(account: Account, units: list[tuple[int, int]]) -> list[Draft]:
    """Return the drafts on 1 March; `units` are used by each member in January and in February."""
    usage: dict[str, list[HourUsage]] = {}
    for need in needs(account, LATER):
        (key,) = account.keys(need.relative_id)
        amounts = units[[each.id for each in account.customers].index(key)]
        days = (datetime(2026, month, 5, tzinfo=UTC) for month in (1, 2))
        rows = [HourUsage(key, (), hour_number(day), value=Decimal(n)) for day, n in zip(days, amounts, strict=True)]
        usage.setdefault(need.key, []).extend(row for row in rows if need.start_hour <= row.hour < need.end_hour)
    return drafts(account, usage, LATER)


def of_type(found: list[Draft], kind: InvoiceType) -> list[Invoice]:
    return [each.invoice for each in found if each.invoice.type is kind]


MEMBERS = st.lists(
    st.tuples(st.booleans(), st.booleans(), st.tuples(st.integers(0, 99), st.integers(0, 99))), min_size=1, max_size=4
)


@given(MEMBERS, st.tuples(st.integers(0, 99), st.integers(0, 99)), st.integers(1, 600))
def test_constituents_sum_to_the_consolidated_invoice(members, own, pool) -> None:
    """Its lines are those of its constituents, in order, and so its total is theirs; it draws nothing down itself."""
    account = family([(joins, may) for joins, may, _ in members], pool)
    found = drafted(account, [own, *(units for _, _, units in members)])
    by_id = {each.id: each for each in of_type(found, InvoiceType.USAGE)}
    expected = {"main", *(f"child{number}" for number, (joins, _, _) in enumerate(members) if joins)}
    together = of_type(found, InvoiceType.USAGE_CONSOLIDATED)
    assert len(together) == (3 if len(expected) > 1 else 0), "January, February, and March, which has just begun"
    for each in together:
        parts = [by_id[ref.invoice_id] for ref in each.constituent_invoices]
        assert [part.contract_id for part in parts] == sorted(expected, key=lambda name: (name != "main", name))
        assert each.total == total([part.total for part in parts])
        assert [structs.replace(line, origin=None) for line in each.line_items] == [
            line for part in parts for line in part.line_items
        ]
        origins = [line.origin for line in each.line_items if line.origin is not None]
        assert len({origin.line_item_id for origin in origins}) == len(each.line_items)
        assert [origin.invoice_id for origin in origins] == [part.id for part in parts for _ in part.line_items]
    assert not any(each.entries for each in found if each.invoice.type is InvoiceType.USAGE_CONSOLIDATED)


@given(MEMBERS, st.tuples(st.integers(0, 99), st.integers(0, 99)), st.integers(1, 600))
def test_a_shared_balance_is_drawn_once_and_only_by_those_who_may(members, own, pool) -> None:
    """All deductions together are what those who may have used, or all that there was."""
    account = family([(joins, may) for joins, may, _ in members], pool)
    found = drafted(account, [own, *(units for _, _, units in members)])
    taken = [entry for each in found for entry in each.entries]
    may_draw = [own, *(units for _, may, units in members if may)]
    assert negated(total([entry.amount for entry in taken])) == min(pool, 2 * sum(map(sum, may_draw)))
    assert {entry.contract_id for entry in taken} <= {
        "main",
        *(f"child{number}" for number, (_, may, _) in enumerate(members) if may),
    }
    assert {each.invoice.id: each for each in found} == {
        each.invoice.id: each
        for part in apart.apart(account)
        for each in drafted(part, [own, *(units for _, _, units in members)])
    }


def test_only_statements_that_end_together_are_consolidated() -> None:
    """A child's weekly statements, and those in another rhythm than the parent's, stay alone; so does who is paid by
    nobody else. A contract of the family outside of the hierarchy has no payer.
    """
    account = family([(True, False), (True, False)], 1, contract("other"))
    main, first, second, other = account.contracts
    middle = StatementSchedule(Frequency.MONTHLY, datetime(2026, 1, 15, tzinfo=UTC))
    account = structs.replace(
        account,
        contracts=(main, structs.replace(first, usage_statement_schedule=middle), second, other),
    )
    found = drafted(account, [(1, 1)] * 4)
    for each in of_type(found, InvoiceType.USAGE_CONSOLIDATED):
        assert [ref.contract_id for ref in each.constituent_invoices] == ["main", "child1"]
    payers = {each.contract_id: each.payer for each in of_type(found, InvoiceType.USAGE)}
    assert payers == {"main": main.ref, "child0": main.ref, "child1": main.ref, "other": None}


def test_a_consolidated_invoice_is_made_anew_of_what_is_final() -> None:
    """It takes the lines of today's constituents and keeps its own period."""
    account = family([(True, True)], 10)
    found = drafted(account, [(3, 0), (4, 0)])
    january = next(each for each in of_type(found, InvoiceType.USAGE_CONSOLIDATED) if each.start == START)
    child = next(
        each for each in of_type(found, InvoiceType.USAGE) if each.customer_id == "CHILD0" and each.start == START
    )
    void = structs.replace(january, status=InvoiceStatus.VOID)
    again = correct.reconsolidated(account, void, [child])
    assert (again.total, again.period, again.regenerated_from_invoice_id) == (child.total, january.period, january.id)
    assert [ref.invoice_id for ref in again.constituent_invoices] == [child.id]
