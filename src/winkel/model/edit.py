"""Edit: one change of a contract, and the contract as it was before."""

from datetime import datetime
from typing import Any

from msgspec import Struct

from winkel.model.contract import Contract


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
