"""POST /v1/contracts/updateInvoiceIssueDate (metronome-api.md §3)."""

from typing import Any
from uuid import UUID

from litestar import Request, post
from msgspec import Struct

from winkel.api import commits, fields, wire
from winkel.api.auth import writer
from winkel.api.state import Api
from winkel.api.wire import Data, Id
from winkel.bill import actions, issue
from winkel.model.errors import InvalidError
from winkel.model.tenant import Caller
from winkel.store import contracts


class UpdateIssueDate(Struct, forbid_unknown_fields=True):
    """The body of updateInvoiceIssueDate."""

    invoice_id: UUID
    issue_date: fields.Instant


@post("/v1/contracts/updateInvoiceIssueDate", guards=[writer], status_code=200)
async def update_issue_date(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Issue an open scheduled invoice on another date; what is agreed for its date stays, and all other invoices."""
    asked = await wire.body(request, UpdateIssueDate)
    date, invoice_id = fields.hour(asked.issue_date, "$.issue_date"), str(asked.invoice_id)
    async with api.database.transaction(caller.tenant_id) as tx:
        try:
            found = await actions.holder_of_draft(tx, caller.tenant_id, invoice_id, api.clock())
            await commits.open_customer(tx, caller.tenant_id, found)
            invoice = await actions.open_one(tx, caller.tenant_id, found, invoice_id, api.clock())
        except InvalidError as error:
            fields.refuse(str(error), "$.invoice_id")
        try:
            made = issue.moved(invoice, date)
        except InvalidError as error:
            fields.refuse(str(error), "$.issue_date")
        await contracts.update(tx, caller.tenant_id, made)
    return Data(Id(invoice_id))


routes = [update_issue_date]
