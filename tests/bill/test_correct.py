"""Void and regenerate, on random customers: balances are sums of entries, and nothing is lost or given twice."""

from collections import defaultdict
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from msgspec import structs

from bill.worlds import START, World, day, usage_rows, worlds
from support.asked import items_on
from winkel.bill import books
from winkel.bill.balance import all_remaining, ledger
from winkel.bill.correct import credited, needs_again, regenerated
from winkel.bill.draft import Draft, drafts
from winkel.model.account import Account
from winkel.model.commit import Balance, BalanceType, InvoiceSchedule, ScheduleItem, Segment
from winkel.model.contract import Contract, ScheduledCharge, StatementSchedule
from winkel.model.credit_type import USD
from winkel.model.customer import Customer
from winkel.model.errors import ConflictError, InvalidError
from winkel.model.invoice import Invoice, InvoiceStatus, InvoiceType, LineItem, LineType
from winkel.model.ledger import EntryKind, LedgerEntry
from winkel.model.period import Frequency
from winkel.model.product import Product, ProductState, ProductType

MARCH = day(59)
LATER = day(70)
"""Both periods of a world are over, and segments have ended; March has begun."""
MONTHS_END = day(90)
"""March is over."""


class Books:
    """A world in which invoices become final, void, and are made anew; after each step the books are checked."""

    def __init__(self, world: World) -> None:
        self.account, self.usage = world.account, world.usage
        self.invoices: dict[str, Invoice] = {}

    def finalize(self) -> list[Invoice]:
        """Make January and February final, in their order."""
        found = World(self.account, self.usage, MARCH).drafts()
        return [self._keep(draft) for draft in found if draft.invoice.end and draft.invoice.end <= MARCH]

    def void(self, invoice: Invoice) -> Invoice:
        """Void an invoice and post what comes back."""
        entries = [each for each in self.account.entries if each.invoice_id == invoice.id]
        back = credited(self.invoices[invoice.id], entries)
        self.account = structs.replace(self.account, entries=(*self.account.entries, *back))
        self.invoices[invoice.id] = structs.replace(invoice, status=InvoiceStatus.VOID)
        self._note_items()
        self._check()
        return self.invoices[invoice.id]

    def regenerate(self, void: Invoice) -> Invoice:
        """Make a void invoice anew."""
        wanted = {need.key for need in needs_again(self.account, void, LATER)}
        return self._keep(regenerated(self.account, void, {key: self.usage[key] for key in wanted}, LATER))

    def _keep(self, draft: Draft) -> Invoice:
        invoice = structs.replace(draft.invoice, status=InvoiceStatus.FINALIZED)
        assert invoice.id not in self.invoices
        self.invoices[invoice.id] = invoice
        self.account = structs.replace(
            self.account,
            entries=(*self.account.entries, *draft.entries),
            invoiced=self.account.invoiced | {invoice.id},
        )
        self._note_items()
        self._check()
        return invoice

    def _note_items(self) -> None:
        final, awaited = items_on(self.account.contracts, self.invoices.values())
        self.account = structs.replace(self.account, invoiced_items=final, awaited_items=awaited)

    def _check(self) -> None:
        """Ids of entries are never used twice, entries sum to applied lines, expired segments sum to zero."""
        entries = self.account.entries
        assert len({each.id for each in entries}) == len(entries)
        for invoice in self.invoices.values():
            books.check(invoice, [each for each in entries if each.invoice_id == invoice.id])
        for balance in self.account.balances:
            sums: dict[str, Decimal] = defaultdict(Decimal)
            for entry in ledger(balance, entries, day(200)):
                sums[entry.segment_id] += entry.amount
            assert not any(sums.values())


def told(invoice: Invoice) -> tuple[object, ...]:
    """Return what an invoice asks for."""
    return invoice.line_items, invoice.total, invoice.start, invoice.end


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(worlds(), st.data())
def test_nothing_new_gives_the_same_invoice(world: World, data: st.DataObject) -> None:
    """Void and regenerate, with nothing changed between: the same lines, and the same balances, for each invoice."""
    its = Books(world)
    final = its.finalize()
    before = all_remaining(its.account)
    for invoice in data.draw(st.permutations(final)):
        void = its.void(invoice)
        assert told(void) == told(invoice)
        again = its.regenerate(void)
        assert told(again) == told(invoice)
        assert again.id != invoice.id
        assert again.regenerated_from_invoice_id == invoice.id
        assert all_remaining(its.account) == before


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(worlds(), st.lists(usage_rows(), max_size=5), st.data())
def test_in_any_order_with_late_usage_the_sums_are_right(world: World, late: list, data: st.DataObject) -> None:
    """All are voided and regenerated in any order: balances are never overdrawn by invoices, and a second round, in the
    order in which they were regenerated, changes nothing any more.
    """
    its = Books(world)
    untouched = all_remaining(its.account)
    final = its.finalize()
    its.usage = {name: [*rows, *late] for name, rows in its.usage.items()}
    for invoice in data.draw(st.permutations(final)):
        its.void(invoice)
    assert all_remaining(its.account) == untouched
    order = data.draw(st.permutations(final))
    again = [its.regenerate(its.invoices[each.id]) for each in order]
    for segment_id, left in all_remaining(its.account).items():
        assert min(untouched[segment_id], Decimal(0)) <= left <= untouched[segment_id]
    after = all_remaining(its.account)
    voided = [its.void(each) for each in again]
    third = [its.regenerate(each) for each in voided]
    assert [told(each) for each in third] == [told(each) for each in again]
    assert all_remaining(its.account) == after


@given(worlds())
def test_a_void_invoice_is_on_no_draft(world: World) -> None:
    """Neither its period nor its schedule items come back by themselves."""
    its = Books(world)
    for invoice in its.finalize():
        its.void(invoice)
    ends = [each.invoice.end for each in World(its.account, its.usage, MARCH).drafts() if each.invoice.end]
    assert all(end > MARCH for end in ends)


@given(worlds())
def test_what_comes_back_stands_beside_what_was_taken(world: World) -> None:
    """Told in order, the ledger of a segment never sums to less than zero on the way."""
    its = Books(world)
    assume(not world.account.entries)
    final = its.finalize()
    for invoice in final:
        its.regenerate(its.void(invoice))
    for balance in its.account.balances:
        for segment in balance.segments:
            within = segment.starting_at <= START and segment.ending_before >= MARCH
            left = Decimal(0)
            for entry in ledger(balance, its.account.entries, LATER):
                if entry.segment_id == segment.id and within:
                    left += entry.amount
                    assert left >= 0


def item(amount: int) -> ScheduleItem:
    """Return a date of a schedule, 1 January, whose id is `item <amount>`."""
    price = Decimal(amount)
    return ScheduleItem(id=f"item {amount}", timestamp=START, amount=price, quantity=Decimal(1), unit_price=price)


def charged(*items: ScheduleItem, **changes: object) -> Account:
    """Return an account with one contract that asks for these items."""
    schedule = InvoiceSchedule(credit_type_id=USD.id, schedule_items=items)
    contract = Contract(
        id="one",
        customer_id="customer",
        starting_at=START,
        created_at=START,
        created_by="test",
        usage_statement_schedule=StatementSchedule(Frequency.MONTHLY, START),
        scheduled_charges=(ScheduledCharge(id="fee", product_id="fixed", schedule=schedule),),
    )
    fixed = ProductState(name="fixed", created_at=START, created_by="test")
    return Account(
        customer=Customer(id="customer", name="c", created_at=START, updated_at=START),
        contracts=(structs.replace(contract, **changes),),
        rates={},
        cards={},
        products={"fixed": Product(id="fixed", type=ProductType.FIXED, initial=fixed)},
        metrics={},
        balances=(),
        entries=(),
        invoiced=frozenset(),
    )


def kept(account: Account, kind: InvoiceType) -> tuple[Account, Invoice]:
    """Return the account with its last invoice of a kind (of March, or of 1 January) kept, and that invoice, void."""
    draft = [each.invoice for each in drafts(account, {}, LATER) if each.invoice.type is kind][-1]
    items = frozenset(line.schedule_item_id for line in draft.line_items if line.schedule_item_id)
    void = structs.replace(draft, status=InvoiceStatus.VOID)
    return structs.replace(account, invoiced=frozenset({draft.id}), awaited_items=items), void


def test_items_are_asked_for_as_they_are_today() -> None:
    """Another amount counts, an item that is gone is left out, and one that was added since has its own invoice."""
    account, void = kept(charged(item(300), item(50)), InvoiceType.SCHEDULED)
    assert void.total == 350
    assert [each.invoice.total for each in drafts(account, {}, START) if each.invoice.type is void.type] == []
    changed = structs.replace(item(300), amount=Decimal(250), unit_price=Decimal(250))
    today = structs.replace(account, contracts=charged(changed, item(70)).contracts)
    made = regenerated(today, void, {}, LATER).invoice
    assert [(line.schedule_item_id, line.total) for line in made.line_items] == [("item 300", 250)]
    assert (made.total, made.regenerated_from_invoice_id) == (250, void.id)
    assert [each.invoice.total for each in drafts(today, {}, START) if each.invoice.type is void.type] == [70]


@pytest.mark.parametrize(
    ("kind", "changes", "reason"),
    [
        (InvoiceType.SCHEDULED, {"scheduled_charges": ()}, "agreed any more"),
        (InvoiceType.SCHEDULED, {"archived_at": LATER}, "archived"),
        (InvoiceType.USAGE, {"archived_at": LATER}, "archived"),
        (InvoiceType.USAGE, {"ending_before": day(31)}, "ends before its period"),
        (InvoiceType.USAGE, {"ending_before": day(80)}, "lasts until 2026-03-22"),
    ],
)
def test_when_nothing_can_be_asked_for_it_is_refused(kind: InvoiceType, changes: dict, reason: str) -> None:
    """Nothing is left, or the period is not over: no empty invoice, and none that asks for half of it."""
    account, void = kept(charged(item(300)), kind)
    today = structs.replace(account, contracts=charged(item(300), **changes).contracts)
    with pytest.raises(InvalidError, match=reason):
        regenerated(today, void, {}, LATER)


def test_a_true_up_waits_for_its_usage() -> None:
    """It is refused while a billing period that counts is open; once all are final it asks for what is left, anew."""
    promise = Balance(
        id="promise",
        type=BalanceType.POSTPAID,
        customer_id="customer",
        product_id="fixed",
        credit_type_id=USD.id,
        segments=(Segment("s", Decimal(400), START, day(31)),),
        created_at=START,
        created_by="test",
        priority=Decimal(1),
        contract_id="one",
        invoice_schedule=InvoiceSchedule(credit_type_id=USD.id, schedule_items=(item(400),)),
    )
    account = structs.replace(charged(ending_before=day(31)), balances=(promise,))
    final, void = kept(account, InvoiceType.SCHEDULED)
    assert void.total == 400
    with pytest.raises(InvalidError, match="not final yet"):
        regenerated(final, void, {}, LATER)
    january, statement = kept(account, InvoiceType.USAGE)
    final = structs.replace(final, invoiced=final.invoiced | january.invoiced)
    used = LedgerEntry(
        id="e",
        balance_id="promise",
        segment_id="s",
        kind=EntryKind.AUTOMATED_INVOICE_DEDUCTION,
        amount=Decimal(-300),
        timestamp=day(31),
        invoice_id="another",
    )
    final = structs.replace(final, entries=(used,))
    with pytest.raises(InvalidError, match="not final yet"):
        regenerated(final, void, {}, LATER, [statement])
    made = regenerated(final, void, {}, LATER)
    assert (made.invoice.total, [each.amount for each in made.entries]) == (100, [-100])
    books.check(made.invoice, made.entries)
    (back,) = credited(structs.replace(made.invoice, status=InvoiceStatus.FINALIZED), made.entries)
    assert (back.kind, back.amount) == (EntryKind.TRUEUP, 100)


def test_a_step_out_of_turn_is_refused() -> None:
    """Only what is final can be voided, only what is void regenerated, and that once."""
    account, void = kept(charged(item(300)), InvoiceType.USAGE)
    with pytest.raises(InvalidError, match="void already"):
        credited(void, [])
    with pytest.raises(InvalidError, match="void it first"):
        regenerated(account, structs.replace(void, status=InvoiceStatus.FINALIZED), {}, LATER)
    made = regenerated(account, void, {}, MONTHS_END).invoice
    with pytest.raises(ConflictError, match=made.id):
        regenerated(structs.replace(account, invoiced=account.invoiced | {made.id}), void, {}, MONTHS_END)


def test_books_that_contradict_an_invoice_are_found() -> None:
    """An entry too few, one too many, one of another balance."""
    line = LineItem(
        type=LineType.APPLIED, name="a", total=Decimal(-5), credit_type_id=USD.id, balance_id="b", segment_id="s"
    )
    _, void = kept(charged(item(300)), InvoiceType.USAGE)
    final = structs.replace(void, status=InvoiceStatus.FINALIZED, line_items=(line,), total=line.total)
    taken = LedgerEntry(
        id="e",
        balance_id="b",
        segment_id="s",
        kind=EntryKind.AUTOMATED_INVOICE_DEDUCTION,
        amount=Decimal(-5),
        timestamp=START,
        invoice_id=final.id,
    )
    books.check(final, [taken])
    back = credited(final, [taken])
    books.check(structs.replace(final, status=InvoiceStatus.VOID), [taken, *back])
    elsewhere = structs.replace(taken, balance_id="another")
    for wrong in ([], [taken, taken], [elsewhere], [taken, *back], [taken, elsewhere]):
        with pytest.raises(AssertionError):
            books.check(final, wrong)
