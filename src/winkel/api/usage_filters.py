"""POST /v1/contracts/setUsageFilter (metronome-api.md §4.7, Usage filter)."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, post
from msgspec import Meta, Struct, structs

from winkel.api import commits, fields, filter_checks, history, wire
from winkel.api.auth import writer
from winkel.api.filters import VALUES_MAX, filter_view
from winkel.api.state import Api
from winkel.model.contract import UsageFilter
from winkel.model.tenant import Caller
from winkel.store import contracts


class SetUsageFilter(Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of setUsageFilter."""

    customer_id: UUID
    contract_id: UUID
    group_key: fields.Text
    group_values: Annotated[list[str], Meta(min_length=1, max_length=VALUES_MAX)]
    starting_at: fields.Instant


@post("/v1/contracts/setUsageFilter", guards=[writer], status_code=200)
async def set_usage_filter(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Response[Any]:
    """Filter the usage of a contract from an instant on; drafts follow at once."""
    asked = await wire.body(request, SetUsageFilter)
    made = UsageFilter(asked.group_key, tuple(asked.group_values), fields.hour(asked.starting_at, "$.starting_at"))
    async with api.database.transaction(caller.tenant_id) as tx:
        await commits.open_customer(tx, caller.tenant_id, str(asked.customer_id))
        contract = await commits.open_contract(tx, caller.tenant_id, str(asked.customer_id), str(asked.contract_id))
        added = structs.replace(contract, usage_filters=(*contract.usage_filters, made))
        await filter_checks.check(tx, caller.tenant_id, added, "$.group_key")
        await contracts.update(tx, caller.tenant_id, added)
        await history.note_filter(tx, caller, contract, filter_view(made), api.clock())
    return wire.empty()


routes = [set_usage_filter]
