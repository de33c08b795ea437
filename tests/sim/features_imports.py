"""What a case shows of imported invoices."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sim.oracle_period import makes, periods
from sim.world import Case

if TYPE_CHECKING:
    from sim.features import Sight

IMPORTED = (
    "imported", "import refused", "imported and paid", "imported tiers", "imported and subscribed",
    "imported and asked for on a date", "imported where no statement is made", "imported where one is made",
    "imported, made anew", "statement that is not made", "imported groups",
)  # fmt: skip


def of_imports(case: Case, sight: "Sight") -> Iterator[str]:
    """Yield what an instant shows of imports."""
    contracts = {each.id: each for each in case.tenant.contracts}
    for asked, bill in sight.brought:
        if bill is None:
            yield "import refused"
            continue
        yield "imported"
        yield from ("imported and paid",) * bool(bill.paid)
        yield from ("imported tiers",) * any(line.tier and line.tier[0] > 1 for line in bill.lines)
        yield from ("imported and subscribed",) * any(line.type == "subscription" for line in bill.lines)
        yield from ("imported and asked for on a date",) * any(line.type == "scheduled" for line in bill.lines)
        yield from ("imported groups",) * any(each.pricing or each.presentation for each in asked.given)
        its_own = makes(contracts[asked.contract_id], asked.start)
        yield "imported where one is made" if its_own else "imported where no statement is made"
    for kind, old, new, _ in sight.corrected:
        yield from ("imported, made anew",) * (kind == "REGENERATE" and bool(old.given) and new is not None)
    for contract in contracts.values():
        first = next(iter(periods(contract, sight.at)), None)
        yield from ("statement that is not made",) * (first is not None and not makes(contract, first[0]))
