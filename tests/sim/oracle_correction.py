"""The oracle's corrections: final invoices that are voided, and made anew (docs/pricing.md, sections 10 and 18)."""

from datetime import datetime
from fractions import Fraction

from msgspec.structs import replace

from sim.oracle_bill import Bill
from sim.oracle_books import Books
from sim.oracle_draw import reaches
from sim.oracle_family import CONSOLIDATED, addressed, copies_of, draws_on, made_anew
from sim.oracle_import import rated
from sim.oracle_number import exact
from sim.oracle_period import makes, periods
from sim.oracle_rollover import rolls_over
from sim.oracle_scheduled import scheduled, service_lines
from sim.oracle_service import freed, is_too_much
from sim.oracle_trueup import counts_until, true_up_of, true_ups
from sim.world import Balance, Contract, Correction


def chosen(books: Books, correction: Correction) -> int | None:
    """Return the place of the final invoice that is meant, of those that can be voided or made anew; None: none can.

    First stand those that took from balances, or to be made anew usage statements, for true-ups come after them.
    Consolidated invoices are voided before their statements, and made anew after them.
    """
    void = correction.kind == "REGENERATE"
    able = [number for number, bill in enumerate(books.final) if bill.void == void and not bill.regenerated]
    able = [number for number in able if void or not copies_of(books.final, books.final[number])]
    able.sort(key=lambda number: _turn(books.final[number]))
    return able[correction.number % len(able)] if able else None


def _turn(bill: Bill) -> int:
    """Return when an invoice is voided among others, or a void one made anew; the first first."""
    if bill.void:
        return ("USAGE", "SCHEDULED", CONSOLIDATED).index(bill.type)
    return 0 if bill.type == CONSOLIDATED else 1 if bill.paid else 2


def void(books: Books, number: int, at: datetime) -> None:
    """Void an invoice: what balances paid comes back, and what rolled over is settled once more."""
    bill = books.final[number]
    books.final[number] = replace(bill, void_at=at)
    [contract] = [each for each in books.contracts(at) if each.id == bill.contract_id]
    for drawn in draws_on(contract):
        settle_again(books, drawn, at)


def regenerate(books: Books, number: int, at: datetime) -> Bill | None:
    """Make a void invoice anew, final at once; None: that is refused."""
    old = books.final[number]
    [contract] = [each for each in books.contracts(at) if each.id == old.contract_id]
    if _takes_too_much(books, contract, old):
        return None
    items = {line.item_id for line in old.lines} - {None}
    left = books.left(at)
    for each in books.rolled:  # what rolled over and is not used comes back first
        if each.from_contract in draws_on(contract):
            left[each.segment_id] += left[each.balance.segments[0].id]
    if old.type == CONSOLIDATED:
        made = made_anew(books.final, old)
    elif old.type == "USAGE":
        made = _statement(books, contract, old, items, left, at)
    elif any(item.id in items for balance in books.balances(at) for item, _ in true_up_of(balance)):
        made = _true_up(books, old, items, left, at)
    else:
        made = _scheduled(books, contract, old, items, left, at)
    if made is not None:
        made = addressed(books.contracts(at), made)
        books.final[number] = replace(old, regenerated=True)
        books.final.append(made)
        for drawn in draws_on(contract):
            settle_again(books, drawn, at)
    return made


def _takes_too_much(books: Books, contract: Contract, void: Bill) -> bool:
    """Whether other requests have taken the place of what a void invoice asked for services."""
    items = {line.item_id for line in void.lines}
    asked = any(
        line.item_id in items
        for request in contract.service_requests
        for line in service_lines(books.tenant, contract, request)
    )
    return asked and is_too_much(books.tenant, contract, freed(books.final) - items)


def _statement(
    books: Books, contract: Contract, old: Bill, items: set[str | None], left: dict[str, Fraction], at: datetime
) -> Bill | None:
    """Return the statement of a period as the contract has it today, if it is over."""
    for start, end in periods(contract, old.start):
        if start == old.start and end <= at:
            if old.given:
                return rated(books, contract, (start, end), old.given, left, at, old)
            invoiced = books.invoiced(at, without=old)
            return books.statement(contract, start, end, lambda _: books.balances(at), left, at, invoiced, items)
    return None


def _scheduled(
    books: Books, contract: Contract, old: Bill, items: set[str | None], left: dict[str, Fraction], at: datetime
) -> Bill | None:
    """Return what of the items is still agreed; it has its own invoice again, wherever it would stand now.

    It draws balances down on the date for which that is agreed today, the last of several, or to which it was moved.
    """
    subscriptions = tuple(replace(each, scheduled=True) for each in contract.subscriptions)
    contract = replace(contract, on_statements=False, subscriptions=subscriptions)
    balances = books.balances(at)
    some = scheduled(books.tenant, [contract], balances, books.over(), books.invoiced(at, without=old), at)
    some = [each for each in some if items & set(each.item_ids)]
    if not some:
        return None
    agreed = max(each.date for each in some)
    asked = replace(
        some[0],
        date=min(at, books.issued_at(sorted(items, key=str), agreed)),
        lines=[line for each in some for line in each.lines if line.item_id in items],
        charges=[charge for each in some for charge in each.charges if charge.item_id in items],
    )
    return books.scheduled(asked, balances, left, at)


def _true_up(books: Books, old: Bill, items: set[str | None], left: dict[str, Fraction], at: datetime) -> Bill | None:
    """Return what is missing now, if all usage that counts is final."""
    balances, contracts = books.balances(at), books.contracts(at)
    for balance in balances:
        for item, segment in true_up_of(balance):
            until = counts_until(books.tenant, contracts, balance, segment)
            if item.id in items and (until is None or (until <= at and _is_final(books, contracts, balance, until))):
                invoiced = books.invoiced(at, without=old)
                [made] = true_ups(books.tenant, contracts, [balance], invoiced, left)
                return replace(made, start=old.start)
    return None


def _is_final(books: Books, contracts: list[Contract], balance: Balance, until: datetime) -> bool:
    """Whether all usage is on final invoices that a promise may count: not on a void one that waits to be made anew."""
    final = {(bill.contract_id, bill.start) for bill in books.final if bill.type == "USAGE" and not bill.void}
    over = books.over()
    return all(
        (contract.id, start) in final or (not makes(contract, start) and (contract.id, start) not in over)
        for contract in contracts
        if reaches(books.tenant, balance, contract)
        for start, end in periods(contract, until)
        if start < until
    )


def settle_again(books: Books, contract_id: str, at: datetime) -> None:
    """Settle once more what rolled over from a contract.

    As much as the new contract has not used comes back, and rolls over again as far as the fraction allows.
    """
    if all(each.renews != contract_id for each in books.contracts(at)):
        return
    balances, left = books.balances(at), books.left(at)
    by_segment = {segment.id: (each, segment) for each in balances for segment in each.segments}
    for number, each in enumerate(books.rolled):
        if each.from_contract == contract_id:
            [new] = each.balance.segments
            old, segment = by_segment[each.segment_id]
            unused = left[new.id]
            used = each.amount - unused
            most = exact(old.rollover or "0") * exact(segment.amount)
            now = used + max(Fraction(0), min(most - used, left[segment.id] + unused))
            books.rolled[number] = each.holding(now)
    settled = {each.segment_id for each in books.rolled}
    contracts, over = books.contracts(at), books.over()
    for contract in contracts:
        if contract.renews == contract_id and contract.starting_at <= at:
            for one in rolls_over(contract, balances, left):
                old, _ = by_segment[one.segment_id]
                drawing = [each for each in contracts if reaches(books.tenant, old, each)]
                still = any((each.id, start) not in over for each in drawing for start, _ in periods(each, at))
                if one.segment_id not in settled and not still:
                    books.rolled.append(replace(one, settled_at=at))
