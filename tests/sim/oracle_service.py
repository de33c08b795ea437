"""The oracle's professional services: how much may be asked for (docs/pricing.md, section 8)."""

from collections.abc import Collection, Iterable
from fractions import Fraction

from msgspec.structs import replace

from sim.oracle_bill import Bill
from sim.oracle_number import exact
from sim.oracle_scheduled import service_lines
from sim.world import Contract, ServiceRequest, Tenant


def freed(bills: Iterable[Bill]) -> set[str | None]:
    """Return what only void invoices ask for."""
    some = list(bills)
    held = {line.item_id for bill in some if not bill.void for line in bill.lines}
    return {line.item_id for bill in some for line in bill.lines} - held


def is_too_much(tenant: Tenant, contract: Contract, given_up: Collection[str | None]) -> bool:
    """Whether more is asked for some service than its most; what is given up counts no more."""
    lines = [
        (each.service_id, line)
        for request in contract.service_requests
        for each, line in zip(request.rendered, service_lines(tenant, contract, request), strict=True)
    ]
    for service in contract.services:
        asked = [line.total for its_id, line in lines if its_id == service.id and line.item_id not in given_up]
        if sum(asked, Fraction(0)) > exact(service.max_amount):
            return True
    return False


def with_request(contract: Contract, request: ServiceRequest) -> Contract:
    """Return a contract with a request more."""
    return replace(contract, service_requests=(*contract.service_requests, request))
