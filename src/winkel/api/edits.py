"""POST /v2/contracts/{commits,credits}/edit: changes of one commit or credit (metronome-api.md §4.7, Edit)."""

from typing import Any
from uuid import UUID

from litestar import Request, post
from msgspec import UNSET, UnsetType, structs

from winkel.api import balance_edits, commits, fields
from winkel.api.auth import writer
from winkel.api.balance_edits import CommitEdit, CreditEdit, Settled
from winkel.api.state import Api
from winkel.api.wire import Data, Id
from winkel.model.commit import Balance, BalanceType
from winkel.model.tenant import Caller
from winkel.store import balances, invoices, ledger, products
from winkel.store.database import Connection

NOT_YET = ("hierarchy_configuration",)
"""Fields of edits that the Metronome API has and that Winkel does not know yet."""
COMMITS = (BalanceType.PREPAID, BalanceType.POSTPAID)


class EditCommit(CommitEdit, kw_only=True):
    """The body of commits/edit."""

    customer_id: UUID
    commit_id: UUID
    applicable_contract_ids: list[UUID] | None | UnsetType = UNSET
    invoice_contract_id: UUID | UnsetType = UNSET


class EditCredit(CreditEdit, kw_only=True):
    """The body of credits/edit."""

    customer_id: UUID
    credit_id: UUID
    applicable_contract_ids: list[UUID] | None | UnsetType = UNSET


@post("/v2/contracts/commits/edit", guards=[writer], status_code=200)
async def edit_commit(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Change a commit of a customer or of a contract; drafts follow at once."""
    asked = await fields.body(request, EditCommit, NOT_YET)
    async with api.database.transaction(caller.tenant_id) as tx:
        balance = await commits.open_balance(tx, api, caller, str(asked.customer_id), str(asked.commit_id), COMMITS)
        made = await _edited(tx, caller.tenant_id, balance, asked)
        if asked.invoice_contract_id is not UNSET:
            made = structs.replace(made, invoice_contract_id=str(asked.invoice_contract_id))
        await _keep(tx, caller.tenant_id, made)
    return Data(Id(made.id))


@post("/v2/contracts/credits/edit", guards=[writer], status_code=200)
async def edit_credit(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Change a credit of a customer or of a contract; drafts follow at once."""
    asked = await fields.body(request, EditCredit, NOT_YET)
    async with api.database.transaction(caller.tenant_id) as tx:
        balance = await commits.open_balance(
            tx, api, caller, str(asked.customer_id), str(asked.credit_id), (BalanceType.CREDIT,)
        )
        made = await _edited(tx, caller.tenant_id, balance, asked)
        await _keep(tx, caller.tenant_id, made)
    return Data(Id(made.id))


async def settled(tx: Connection, tenant_id: int, customer_id: str) -> Settled:
    """Return what is final of a customer's balances."""
    return Settled(
        (await ledger.of_customers(tx, tenant_id, [customer_id])).get(customer_id, ()),
        await invoices.final_items(tx, tenant_id, customer_id),
    )


async def _edited(tx: Connection, tenant_id: int, balance: Balance, asked: EditCommit | EditCredit) -> Balance:
    """Return the balance with the changes. Raises `InvalidError`."""
    named = balance_edits.product_ids([asked]) | balance.product_ids
    known = await products.by_ids(tx, tenant_id, sorted(named))
    final = await settled(tx, tenant_id, balance.customer_id)
    made = balance_edits.edited(balance, asked, known, final, "$")
    if asked.applicable_contract_ids is UNSET:
        return made
    if balance.contract_id is not None:
        fields.refuse("is for balances of the customer; this one belongs to a contract", "$.applicable_contract_ids")
    ids = tuple(str(each) for each in asked.applicable_contract_ids or ())
    return structs.replace(made, applicable_contract_ids=ids)


async def _keep(tx: Connection, tenant_id: int, balance: Balance) -> None:
    await commits.check_contracts(tx, tenant_id, balance)
    await balances.update(tx, tenant_id, balance)


routes = [edit_commit, edit_credit]
