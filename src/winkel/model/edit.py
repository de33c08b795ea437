"""Edit: one change of a contract, and the contract as it was before."""

from datetime import datetime
from typing import Any

from msgspec import Struct

from winkel.model.contract import Contract


class Amendment(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What V1 says of an edit that was asked for as an amendment (docs/pricing.md §14)."""

    starting_at: datetime
    """From when on it is said to count; its terms have dates of their own, and those decide."""
    netsuite_sales_order_id: str | None = None
    salesforce_opportunity_id: str | None = None


class ContractEdit(Struct, frozen=True, kw_only=True):
    """A change of a contract's terms, or of its commits and credits (metronome-api.md §4.7, Edit)."""

    id: str
    contract_id: str
    at: datetime
    made_by: str
    record: dict[str, Any]
    """What was changed, as the API tells it: metronome-api.md §10.1, EditRecord."""
    before: Contract
    """The whole contract until then; what its commits and credits were is not part of it."""
    amendment: Amendment | None = None
    """None: it was not asked for as one."""

    def added(self, *names: str) -> set[str]:
        """Return the ids of what its record tells under these names."""
        return {each["id"] for name in names for each in self.record.get(name, ())}
