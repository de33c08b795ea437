"""What a case shows of professional services."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec.structs import replace

from sim.oracle_bill import Bill
from sim.oracle_end import contracts_at
from sim.oracle_period import periods
from sim.oracle_scheduled import service_lines
from sim.oracle_service import freed, is_too_much, with_request
from sim.oracle_told import Answer
from sim.world import Case, Contract, ServiceRequest

if TYPE_CHECKING:
    from sim.features import Sight

SERVICES = (
    "service by amount", "service by quantity", "service at another price", "several services of a request",
    "services beside what has their date", "services beside a usage statement", "services of before",
    "services after the contract", "renamed service", "service of nothing", "services paid by a parent",
    "services refused: too much", "services asked for once more", "services made anew", "services not made anew",
    "services dropped",
)  # fmt: skip


def of_services(case: Case, sight: "Sight") -> Iterator[str]:
    """Yield what an instant shows of services."""
    contracts = {each.id: each for each in sight.books.contracts(sight.at)}
    asked = {
        line.item_id: (contract, request)
        for contract in sight.books.tenant.contracts
        for request in contract.service_requests
        for line in service_lines(sight.books.tenant, contract, request)
    }
    for answer in sight.answers:
        yield from _of_answer(sight, answer)
    for bill in sight.drafts:
        if bill.type == "SCHEDULED" and any(line.item_id in asked for line in bill.lines):
            yield from _of_bill(case, sight, bill, *asked[bill.lines[0].item_id])
    for kind, old, new, _ in sight.corrected:
        if kind == "REGENERATE" and any(line.item_id in asked for line in old.lines):
            yield "services made anew" if new else "services not made anew"
    for contract, request in asked.values():
        if request.said_at <= sight.at and contract.id in contracts:
            yield from ("services dropped",) * (request not in contracts[contract.id].service_requests)


def _of_answer(sight: "Sight", answer: Answer) -> Iterator[str]:
    """Yield what became of a request."""
    asked = answer.asked
    if not isinstance(asked.change, ServiceRequest):
        return
    if answer.refused is not None:
        yield f"services refused: {answer.refused}"
        return
    yield from ("services of before",) * (asked.change.at < asked.said_at)
    books = sight.books
    [contract] = [
        each for each in contracts_at(books.tenant, books.family, asked.said_at) if each.id == asked.contract_id
    ]
    others = tuple(each for each in contract.service_requests if each.said_at < asked.said_at)
    before = with_request(replace(contract, service_requests=others), asked.change)
    given_up = freed(each for each in books.final if each not in sight.final)
    yield from ("services asked for once more",) * (bool(given_up) and is_too_much(books.tenant, before, ()))


def _of_bill(case: Case, sight: "Sight", bill: Bill, contract: Contract, request: ServiceRequest) -> Iterator[str]:
    """Yield what an invoice for services shows."""
    for each in request.rendered:
        yield "service by quantity" if each.quantity else "service by amount"
        yield from ("service at another price",) * (each.unit_price is not None)
    yield from ("several services of a request",) * (len(request.rendered) > 1)
    yield from ("service of nothing",) * any(not line.total for line in bill.lines)
    yield from ("renamed service",) * (bill.lines[0].name == "Later")
    yield from ("services paid by a parent",) * (bill.payer != contract.id)
    key = bill.contract_id, bill.start, bill.currency
    others = [each for each in sight.drafts if (each.contract_id, each.start, each.currency) == key]
    yield from ("services beside what has their date",) * (len([each for each in others if each.end is None]) > 1)
    if contract.on_statements and bill.currency == case.tenant.cards[contract.card_id]:
        ends = {end.date() for start, end in periods(contract, bill.start) if start <= sight.at}
        yield from ("services beside a usage statement",) * (bill.start.date() in ends)
    [known] = [each for each in sight.books.contracts(sight.at) if each.id == contract.id]
    yield from ("services after the contract",) * (
        known.ending_before is not None and bill.start >= known.ending_before
    )
