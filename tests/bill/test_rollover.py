"""Laws of renewals, on random customers: what rolls over is neither more nor less than what leaves."""

from datetime import timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from bill.worlds import World, day, worlds
from winkel.bill import books
from winkel.bill.apart import apart
from winkel.bill.balance import all_remaining, ledger
from winkel.bill.correct import credited, needs_again, regenerated
from winkel.bill.draft import Draft, Drafted, drafted
from winkel.bill.due import due_at, settled
from winkel.bill.rollover import Rollover, settled_again, with_rollovers
from winkel.bill.statement import needs
from winkel.model.account import Account
from winkel.model.contract import Transition, TransitionType
from winkel.model.invoice import Invoice, InvoiceStatus, InvoiceType
from winkel.model.ledger import EntryKind
from winkel.model.money import ZERO, multiply, total

GRACE = timedelta(hours=24)
MIDDLE, END = day(31), day(59)
fractions = st.sampled_from([None, Decimal(0), Decimal("0.3"), Decimal("0.5"), Decimal(1)])


@st.composite
def renewed(draw: st.DrawFn) -> World:
    """Return a customer whose first contract is renewed on 1 February; its balances end with it."""
    world = draw(worlds())
    old = structs.replace(world.account.contracts[0], ending_before=MIDDLE)
    new = structs.replace(
        old,
        id="new",
        starting_at=MIDDLE,
        ending_before=draw(st.sampled_from([None, day(120)])),
        transition=Transition(TransitionType.RENEWAL, old.id),
    )
    held = []
    for one in world.account.balances:
        mine = draw(st.sampled_from([True, True, False]))
        each = structs.replace(one, contract_id=old.id, applicable_contract_ids=()) if mine else one
        if each.contract_id == old.id:  # the segments of one balance never overlap
            each = structs.replace(each, segments=each.segments[:1])
        segments = tuple(
            structs.replace(segment, ending_before=min(segment.ending_before, MIDDLE))
            for segment in each.segments
            if segment.starting_at < MIDDLE or each.contract_id != old.id
        )
        if each.contract_id == old.id:
            held.append(structs.replace(each, segments=segments, rollover_fraction=draw(fractions)))
        else:
            held.append(each)
    contracts = (old, *world.account.contracts[1:], new)
    ids = frozenset(each.id for each in held)
    account = structs.replace(world.account, contracts=contracts, balances=tuple(held), kept_balances=ids)
    known = {segment.id for each in held for segment in each.segments}
    entries = tuple(each for each in account.entries if each.segment_id in known)
    return World(structs.replace(account, entries=entries), world.usage, END)


def bill(account: Account, usage: dict, at=END) -> Drafted:
    """Return what is open of an account."""
    whole = with_rollovers(account, at)
    wanted = {need.key for need in needs(whole, at)}
    return drafted(whole, {key: usage[key] for key in wanted}, at)


def keep(account: Account, due: list[Draft], rolled: list[Rollover]) -> Account:
    """Return the account after these are final and settled."""
    entries = [entry for each in due for entry in each.entries] + [each.entry for each in rolled]
    ids = {each.balance.id for each in rolled}
    balances = (*(each for each in account.balances if each.id not in ids), *(each.balance for each in rolled))
    items = {line.schedule_item_id for each in due for line in each.invoice.line_items if line.schedule_item_id}
    return structs.replace(
        account,
        balances=balances,
        entries=(*account.entries, *entries),
        invoiced=account.invoiced | {each.invoice.id for each in due},
        invoiced_items=account.invoiced_items | items,
        kept_balances=account.kept_balances | ids,
    )


def after_grace(account: Account, usage: dict) -> tuple[Account, list[Draft]]:
    """Return the account when the old contract's last statement is final, and what became so."""
    found = bill(account, usage)
    due = [each for each in found.drafts if due_at(each, GRACE) <= MIDDLE + GRACE]
    return keep(
        account, due, settled(account, found.rollovers, [each for each in found.drafts if each not in due])
    ), due


def check(account: Account) -> None:
    """Assert that what rolled over is what left, that it is at most its share, and that nothing is overdrawn."""
    for balance in account.balances:
        its = balance.rolled_over_from
        if its is not None:
            (old,) = [each for each in account.balances if each.id == its.balance_id]
            books.check_rollover(balance, [each for each in account.entries if each.balance_id == old.id])
            most = max(multiply(old.rollover_fraction or ZERO, each.amount) for each in old.segments)
            assert 0 <= balance.segments[0].amount <= most
    had = all_remaining(
        structs.replace(account, entries=tuple(each for each in account.entries if each.kind == "MANUAL"))
    )
    left = all_remaining(account)
    assert all(left[name] >= min(ZERO, had[name]) for name in left), "no cent is used twice"


@settings(max_examples=50)
@given(renewed())
def test_what_rolls_over_is_what_leaves_and_never_more_than_is_left(world: World) -> None:
    """At most the share of the original amount, capped by what is left; shares and rests sum to what was given."""
    found = bill(world.account, world.usage)
    final = keep(world.account, found.drafts, found.rollovers)
    check(final)
    for each in found.rollovers:
        (old,) = [one for one in world.account.balances if one.id == each.entry.balance_id]
        (source,) = [one for one in old.segments if one.id == each.entry.segment_id]
        drawn = [one for one in final.entries if one.segment_id == source.id and one.kind is not EntryKind.ROLLOVER]
        rest = total([source.amount, *(one.amount for one in drawn)])
        assert each.balance.segments[0].amount == min(rest, multiply(old.rollover_fraction, source.amount))
        assert not total([one.amount for one in ledger(old, final.entries, day(200))]), "an expired ledger sums to zero"


@settings(max_examples=50)
@given(renewed())
def test_settling_changes_no_draft(world: World) -> None:
    """What a customer saw of the new contract before the old one was final is what is asked for after it."""
    account, due = after_grace(world.account, world.usage)
    check(account)
    before = [each for each in bill(world.account, world.usage).drafts if each not in due]
    after = bill(account, world.usage)
    assert after.rollovers == []
    assert after.drafts == before


@settings(max_examples=50)
@given(renewed())
def test_the_two_contracts_are_billed_together(world: World) -> None:
    """One that can't be rated holds back the other; taken apart from all others the drafts are the same."""
    whole = with_rollovers(world.account, END)
    (part,) = [each for each in apart(whole) if "new" in {contract.id for contract in each.contracts}]
    assert world.account.contracts[0] in part.contracts
    found = bill(world.account, world.usage)
    parts = [drafted(each, world.usage, END) for each in apart(whole)]
    assert [each for some in parts for each in some.rollovers] == found.rollovers
    assert {each.invoice.id: each for some in parts for each in some.drafts} == {
        each.invoice.id: each for each in found.drafts
    }


@settings(max_examples=50)
@given(renewed(), st.data())
def test_a_correction_loses_and_doubles_nothing(world: World, data: st.DataObject) -> None:
    """Voiding and regenerating an invoice of the old contract, with more or less usage, keeps the books.

    With the same usage, and nothing used since, all is as it was.
    """
    account, due = after_grace(world.account, world.usage)
    mine = [each.invoice for each in due if each.invoice.contract_id == world.account.contracts[0].id]
    if not mine:
        return
    final = structs.replace(mine[-1], status=InvoiceStatus.FINALIZED)
    posted = [each for each in account.entries if each.invoice_id == final.id]
    back = credited(final, posted)
    voided = _again(account, final, back, "void")
    check(voided)
    less = data.draw(st.sampled_from([0, 1, 2]))
    usage = {"metric": world.usage["metric"][less:]}
    void = structs.replace(final, status=InvoiceStatus.VOID)
    assert {each.key for each in needs_again(voided, void, END)} <= set(usage)
    made = regenerated(voided, void, usage, END)
    anew = _again(voided, made.invoice, made.entries, "anew")
    check(anew)
    if not less:
        assert made.invoice.line_items == final.line_items
        assert all_remaining(anew) == {**all_remaining(account), **dict.fromkeys(_emptied(voided, account), ZERO)}


def _again(account: Account, invoice: Invoice, entries, cause: str) -> Account:
    """Return the account after these entries, with what rolled over settled once more."""
    assert invoice.type is InvoiceType.USAGE
    rolled = settled_again(with_rollovers(account, END), invoice.contract_id, entries, cause)
    changed = keep(account, [], rolled)
    return structs.replace(changed, entries=(*changed.entries, *entries), invoiced=account.invoiced | {invoice.id})


def _emptied(voided: Account, account: Account) -> set[str]:
    """Return the segments of balances that only the void invoice gave something to."""
    known = {each.id for each in account.balances}
    return {segment.id for each in voided.balances if each.id not in known for segment in each.segments}


@settings(max_examples=50)
@given(renewed())
def test_nothing_is_shown_before_the_new_contract_begins(world: World) -> None:
    """Until then the old contract may use all of it."""
    before = MIDDLE - timedelta(hours=1)
    assert with_rollovers(world.account, before) == world.account
    assert bill(world.account, world.usage, before).rollovers == []
