"""Amendments as V1 shows them: what each has added to a contract (metronome-api.md §10.1, Amendment)."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from winkel.api.balance_views import BalanceView
from winkel.api.edit_records import Fields
from winkel.model.commit import BalanceType
from winkel.model.edit import ContractEdit


class AmendmentView(Struct, omit_defaults=True, kw_only=True):
    """An amendment. Its commits and credits are shown as they are now, other terms as they were added."""

    id: str
    starting_at: datetime
    created_at: datetime
    created_by: str
    commits: list[BalanceView]
    credits: list[BalanceView]
    overrides: list[Fields]
    scheduled_charges: list[Fields]
    discounts: list[Fields]
    professional_services: list[Fields]
    netsuite_sales_order_id: str | None = None
    salesforce_opportunity_id: str | None = None


def amendment_view(edit: ContractEdit, balances: Sequence[BalanceView]) -> AmendmentView:
    """Return the amendment as which an edit was asked for; `balances` are those of the contract."""
    assert edit.amendment is not None, "an amendment"
    own = [each for each in balances if each.id in edit.added("add_commits", "add_credits")]
    return AmendmentView(
        id=edit.id,
        starting_at=edit.amendment.starting_at,
        created_at=edit.at,
        created_by=edit.made_by,
        commits=[each for each in own if each.type != BalanceType.CREDIT],
        credits=[each for each in own if each.type == BalanceType.CREDIT],
        overrides=edit.record.get("add_overrides", []),
        scheduled_charges=edit.record.get("add_scheduled_charges", []),
        discounts=edit.record.get("add_discounts", []),
        professional_services=edit.record.get("add_pro_services", []),
        netsuite_sales_order_id=edit.amendment.netsuite_sales_order_id,
        salesforce_opportunity_id=edit.amendment.salesforce_opportunity_id,
    )
