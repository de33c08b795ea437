"""What a case shows of previews."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sim.world import Case

if TYPE_CHECKING:
    from sim.features import Sight

PREVIEWED = (
    "previewed beside usage", "previewed instead of usage", "previewed without events", "previewed and paid",
    "previewed tiers", "previewed in a family", "previewed for several contracts", "previewed is another invoice",
)  # fmt: skip


def of_previews(case: Case, sight: "Sight") -> Iterator[str]:
    """Yield what an instant shows of previews."""
    drafts = {(each.contract_id, each.start): each.lines for each in sight.drafts if each.type == "USAGE"}
    for asked, bills in sight.previewed:
        if not bills:
            continue
        yield "previewed beside usage" if asked.merge else "previewed instead of usage"
        yield from ("previewed without events",) * (not asked.events)
        yield from ("previewed in a family",) * (len(case.tenant.customers) > 1)
        yield from ("previewed for several contracts",) * (len(bills) > 1)
        yield from ("previewed and paid",) * any(each.paid for each in bills)
        yield from ("previewed tiers",) * any(line.tier and line.tier[0] > 1 for each in bills for line in each.lines)
        another = any(each.lines != drafts[each.contract_id, each.start] for each in bills)
        yield from ("previewed is another invoice",) * another
