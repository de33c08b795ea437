"""Prices a case twice, by Winkel and by the oracle, and compares everything that a customer could see."""

from collections import Counter
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise

from sim.compare import bill_differences, bill_of, differences, short
from sim.contracts import make
from sim.features import Sight, features
from sim.oracle_bill import Bill
from sim.oracle_books import Books
from sim.oracle_correction import chosen, regenerate, void
from sim.oracle_edit import edit
from sim.oracle_end import contracts_at
from sim.oracle_family import children, family
from sim.oracle_import import bring
from sim.oracle_ledger import Told
from sim.oracle_preview import preview
from sim.oracle_told import asked_later, before_them, hear
from sim.oracle_window import summed, units, used_between
from sim.real import Real
from sim.shrink import dump, smallest
from sim.world import Balance, Case, Correction, Edit, Move, SeatChange
from winkel.bill.draft import Draft
from winkel.model.invoice import InvoiceType

AFTER_ALL = datetime(9999, 1, 1, tzinfo=UTC)


class DifferenceError(AssertionError):
    """Winkel and the oracle do not agree."""


def check(seed: int) -> Counter[str]:
    """Compare the case of a seed; return the features that it had. Raises `DifferenceError` with the smallest case."""
    case = make(seed)
    try:
        found, sights = compare(case)
    except Exception as error:
        raise DifferenceError(f"seed {seed} fails; repeat it with: {repeat(seed)}\n\n{dump(case)}") from error
    if found:
        least = smallest(case, differ)
        told = "".join(compare(least)[0][:20])
        raise DifferenceError(f"seed {seed} differs; repeat it with: {repeat(seed)}\n\n{dump(least)}{told}")
    return features(case, sights)


def repeat(seed: int) -> str:
    """Return the command that checks one seed."""
    return f"PYTHONPATH=tests .venv/bin/python -m sim --seed {seed}"


def differ(case: Case) -> bool:
    """Whether they disagree. Where a part is missing that others need, there is nothing to compare."""
    if any(each.ending_before is None for each in case.tenant.ends) or not _is_family(case):
        return False
    subscribed = [each for one in case.tenant.contracts for each in one.subscriptions]
    if any(
        each.seat_changes and (each.seat_key is None or not all(map(_asks, each.seat_changes))) for each in subscribed
    ):
        return False
    contracts = {None, *(each.id for each in case.tenant.contracts)}
    if any(
        {each.contract_id, each.invoice_contract_id, *each.contract_ids} - contracts for each in case.tenant.balances
    ):
        return False
    if any(each.type == "POSTPAID" and each.schedule is None for each in case.tenant.balances):
        return False
    if {each.unit for each in case.tenant.rates} - {None, *case.tenant.units}:
        return False
    try:
        return bool(compare(case)[0])
    except Exception:  # noqa: BLE001
        return False


def _asks(change: SeatChange) -> bool:
    """Whether a change of seats asks for anything; or else it is refused (section 14), whatever is compared."""
    seats = change.added or change.removed or change.added_unassigned or change.removed_unassigned
    return bool(seats) or change.said_at is None


def _is_family(case: Case) -> bool:
    """Whether all are linked, and no child goes on after its parent was renewed (docs/pricing.md, section 20)."""
    made, customers = case.tenant, {each.id for each in case.tenant.customers}
    if not customers or not case.looks or family(made, made.customers[0].id) != customers:
        return False
    parents = {each.parent.contract_id for each in made.contracts if each.parent}
    holders = {each.customer_id for each in (*made.contracts, *made.balances)}
    if parents - {each.id for each in made.contracts} or holders - customers:
        return False
    agreed = contracts_at(made, customers, case.looks[-1])
    return not any(
        each.ending_before is None or each.ending_before > end.ending_before
        for end in made.ends
        if end.renewed_by and end.said_at <= case.looks[-1]
        for each in children(agreed, end.contract_id)
    )


def compare(case: Case) -> tuple[list[str], list[Sight]]:
    """Return where Winkel and the oracle differ, as text, and what the oracle saw."""
    real = Real(case)
    keys = {each.id: {each.id, *(alias for alias, _ in each.aliases)} for each in case.tenant.customers}
    books = Books(
        before_them(case.tenant),
        case.tenant.customers[0].id,
        lambda whose, metric_id: [
            each for each in case.counted if each.customer in keys[whose] and each.metric_id == metric_id
        ],
    )
    sights: list[Sight] = []
    asked = asked_later(case.tenant)
    for at, until in pairwise([*case.looks, AFTER_ALL]):
        answers = [hear(books, each) for each in asked if each.said_at <= at]
        asked = [each for each in asked if each.said_at > at]
        heard = [(each, each.refused is None) for each in answers]
        said = [(each, real.hear(each.asked)) for each in answers]
        if heard != said:
            return [f"\nbefore {at:%Y-%m-%d}", *differences(dict(said), dict(heard))], sights
        brought = [(each, bring(books, each)) for each in case.imports if each.at == at]
        for one, made in brought:
            its = real.bring(one)
            found = bill_differences([its] if its else [], [made] if made else [])
            if found:
                return [f"\nimport at {at:%Y-%m-%d}", *found], sights
        drafts, drafted = books.drafts(at), real.drafts(at)
        rolled = [*books.rolled, *books.rolling]
        held = [*books.balances(at), *(each.balance for each in books.rolling)]
        found = bill_differences([bill_of(each.invoice, real.starts) for each in drafted], drafts)
        found = found or differences(real.ledgers(drafted, at), ledgers(books, held, drafts, at))
        found = found or windows_differ(case, real, books, drafted, drafts, at)
        previewed = [(each, preview(books, each)) for each in case.previews if each.at == at]
        for one, bills in previewed:
            mine = [bill_of(each.invoice, real.starts) for each in real.preview(one)]
            found = found or bill_differences(mine, bills)
        final = books.finalize(drafts, at, case.grace)
        found = found or bill_differences(real.finalize(drafted, at), final)
        sights.append(Sight(at, drafts, final, books, held, rolled, answers, brought, previewed))
        found = found or changed(case, real, books, sights[-1], until)
        if found:
            return [f"\nat {at:%Y-%m-%d}", *found], sights
    return [], sights


def windows_differ(
    case: Case, real: Real, books: Books, drafted: list[Draft], drafts: list[Bill], at: datetime
) -> list[str]:
    """Cut statements into windows; return where one has other units than were used in it, or their sum differs."""
    if not case.cuts:
        return []
    expected = {(each.contract_id, each.start): each for each in drafts if each.type == "USAGE"}
    for draft in drafted:
        if draft.invoice.type is not InvoiceType.USAGE:
            continue
        bill = expected[draft.invoice.contract_id, draft.invoice.period.start]
        assert bill.end is not None
        instants = [bill.start, *(each for each in case.cuts if bill.start < each < bill.end), bill.end]
        parts = real.windows(draft, instants, at)
        used = [units(books, each.lines) for each in parts]
        found = differences(dict(enumerate(used)), dict(enumerate(used_between(books, bill, instants, at))))
        found = found or differences(summed(line for each in parts for line in each.lines), summed(bill.lines))
        if found:
            return [f"\ncut {bill.contract_id} {bill.start:%Y-%m-%d %H:%M}", *found]
    return []


def changed(case: Case, real: Real, books: Books, sight: Sight, until: datetime) -> list[str]:
    """Edit terms and correct final invoices before `until`; return where that, or what is left of balances, differs."""
    asked: list[tuple[datetime, Edit | Correction | Move]] = [(each.said_at, each) for each in case.edits]
    asked += [(each.said_at, each) for each in case.moves]
    asked += [(each.at, each) for each in case.corrections]
    last = sight.at
    for at, each in sorted(asked, key=lambda one: one[0]):
        if sight.at <= at < until:
            match each:
                case Edit():
                    found = edited(real, books, sight, each)
                case Move():
                    found = moved(real, books, sight, each)
                case _:
                    found = corrected(real, books, sight, each)
            if found:
                return found
            last = at
    if not sight.corrected and not sight.edited and not sight.moved:
        return []
    books.rolling = real.rolling = []
    return differences(real.ledgers([], last), ledgers(books, books.balances(last), [], last))


def edited(real: Real, books: Books, sight: Sight, asked: Edit) -> list[str]:
    """Change what is agreed; return whether only one of them refuses."""
    mine, done = real.edit(asked), edit(books, asked)
    sight.edited.append((asked, done))
    return [] if mine == done else [f"{short(asked)}: Winkel {'edits' if mine else 'refuses'}, the oracle does not"]


def moved(real: Real, books: Books, sight: Sight, asked: Move) -> list[str]:
    """Let an open scheduled invoice be issued on another date; return whether only one of them refuses."""
    open_ones = [each for each in books.drafts(asked.said_at) if each.type == "SCHEDULED" and each.lines]
    if not open_ones:
        return []
    bill = open_ones[asked.number % len(open_ones)]
    mine = real.move(bill, asked.to, asked.said_at)
    done = books.move(bill, asked.to, asked.said_at)
    sight.moved.append((bill, asked, done))
    told = f"{short(asked)} of {bill.contract_id} {bill.start:%Y-%m-%d %H:%M} {bill.currency}"
    return [] if mine == done else [f"{told}: Winkel {'moves it' if mine else 'refuses'}, the oracle does not"]


def corrected(real: Real, books: Books, sight: Sight, asked: Correction) -> list[str]:
    """Void a final invoice or make a void one anew; return where that differs."""
    number = chosen(books, asked)
    if number is None:
        return []
    bill, made = books.final[number], None
    told = f"{asked.kind} {bill.type} {bill.contract_id} {bill.start:%Y-%m-%d %H:%M} {bill.currency}"
    found: list[str] = []
    if asked.kind == "VOID":
        void(books, number, asked.at)
        real.void(bill, asked.at)
    else:
        made = regenerate(books, number, asked.at)
        mine = real.regenerate(bill, asked.at)
        found = bill_differences([mine] if mine else [], [made] if made else [])
    since = [each for each in books.edits if bill.void_at is not None and bill.void_at <= each.said_at]
    sight.corrected.append((asked.kind, bill, made, since))
    return [told, *found] if found else []


def ledgers(
    books: Books, held: list[Balance], drafts: list[Bill], at: datetime
) -> dict[str, tuple[list[Told], Fraction, dict[str, Fraction]]]:
    """Return balance id → its ledger with the deductions of drafts, what may still be used, and by which seats."""
    return {
        each.id: (books.ledger(each, at, drafts), books.usable(each, at, drafts), books.parts(each, at, drafts))
        for each in held
    }
