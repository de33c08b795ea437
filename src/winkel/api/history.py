"""The history of contracts: writing down what changes in them."""

import uuid
from datetime import datetime
from uuid import UUID

from winkel.api import edit_records
from winkel.api.balance_edits import Removed
from winkel.api.edit_records import EditRecord, Fields
from winkel.api.filters import UsageFilterView
from winkel.model.commit import Balance, BalanceType
from winkel.model.contract import Contract
from winkel.model.edit import Amendment, ContractEdit
from winkel.model.tenant import Caller
from winkel.store import contracts, edits
from winkel.store.database import Connection


async def note(
    tx: Connection, caller: Caller, contract: Contract, record: EditRecord, amendment: Amendment | None = None
) -> ContractEdit:
    """Write down a change of a contract, as it was until now; return what is kept of it."""
    made = edit_records.edit_of(record, contract, caller.name, amendment)
    await edits.insert(tx, caller.tenant_id, made)
    return made


async def note_end(tx: Connection, caller: Caller, contract: Contract, end: datetime | None, at: datetime) -> None:
    """Write down that a contract, as it was until now, ends then."""
    record = EditRecord(id=str(uuid.uuid4()), timestamp=at, update_contract_end_date=end)
    await note(tx, caller, contract, record)


async def note_filter(tx: Connection, caller: Caller, contract: Contract, added: UsageFilterView, at: datetime) -> None:
    """Write down a usage filter that is added to a contract, as it was until now."""
    record = EditRecord(id=str(uuid.uuid4()), timestamp=at, add_usage_filters=[added])
    await note(tx, caller, contract, record)


async def note_balance(tx: Connection, caller: Caller, balance: Balance, change: Fields, at: datetime) -> None:
    """Write down a change of a balance in the history of its contract; one of the customer has none."""
    if balance.contract_id is None:
        return
    contract = await contracts.get(tx, caller.tenant_id, balance.customer_id, balance.contract_id)
    record = EditRecord(id=str(uuid.uuid4()), timestamp=at)
    if balance.type is BalanceType.CREDIT:
        record.update_credits = [change]
    else:
        record.update_commits = [change]
    await note(tx, caller, contract, record)


async def note_archive(tx: Connection, caller: Caller, balance: Balance, at: datetime) -> None:
    """Write down in the history of its contract that a balance is archived; one of the customer has none."""
    if balance.contract_id is None:
        return
    contract = await contracts.get(tx, caller.tenant_id, balance.customer_id, balance.contract_id)
    record = EditRecord(id=str(uuid.uuid4()), timestamp=at)
    if balance.type is BalanceType.CREDIT:
        record.archive_credits = [Removed(UUID(balance.id))]
    else:
        record.archive_commits = [Removed(UUID(balance.id))]
    await note(tx, caller, contract, record)
