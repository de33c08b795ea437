"""POST /v1/contracts/setUsageFilter (metronome-api.md §4.7, Usage filter)."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, post
from msgspec import Meta, Struct, structs

from winkel.api import commits, fields, history, wire
from winkel.api.auth import writer
from winkel.api.filters import VALUES_MAX, filter_view
from winkel.api.state import Api
from winkel.bill.statement import group_key_index
from winkel.model.contract import UsageFilter
from winkel.model.errors import InvalidError
from winkel.model.product import Product, ProductState, ProductType
from winkel.model.tenant import Caller
from winkel.store import contracts, metrics, products, rate_cards
from winkel.store.database import Connection


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
        await check(tx, caller.tenant_id, contract.rate_card_id, made, "$")
        added = structs.replace(contract, usage_filters=(*contract.usage_filters, made))
        await contracts.update(tx, caller.tenant_id, added)
        await history.note_filter(tx, caller, contract, filter_view(made), api.clock())
    return wire.empty()


async def check(tx: Connection, tenant_id: int, rate_card_id: str | None, made: UsageFilter, place: str) -> None:
    """Raise `InvalidError` unless the metrics of all products on the card know the key that is filtered by."""
    card = await rate_cards.rates_of(tx, tenant_id, rate_card_id)
    sold = await products.by_ids(tx, tenant_id, sorted({each.product_id for each in card}))
    named = {state.billable_metric_id for each in sold.values() for state in _states(each)}
    known = await metrics.by_ids(tx, tenant_id, sorted(each for each in named if each is not None))
    for product in sold.values():
        for state in _states(product):
            if product.type is ProductType.USAGE and state.billable_metric_id is not None:
                try:
                    group_key_index(known[state.billable_metric_id], state, [made.group_key])
                except InvalidError as error:
                    fields.refuse(str(error), f"{place}.group_key")


def _states(product: Product) -> list[ProductState]:
    """Return the terms of a product at first and after each change."""
    return [product.initial, *(product.at(each.starting_at) for each in product.updates)]


routes = [set_usage_filter]
