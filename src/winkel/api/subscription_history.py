"""POST /v1/contracts/getSubscriptionQuantityHistory (metronome-api.md §4.7, Subscriptions)."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from litestar import Request, post
from msgspec import Struct

from winkel.api import wire
from winkel.api.auth import reader
from winkel.api.contract_requests import ContractKey
from winkel.api.state import Api
from winkel.api.wire import Data
from winkel.bill.statement import currency_of
from winkel.bill.subscription import Worth, worths
from winkel.model.credit_type import is_custom
from winkel.model.errors import NotFoundError
from winkel.model.money import multiply, plain
from winkel.model.tenant import Caller
from winkel.store import accounts, contracts


class GetQuantityHistory(ContractKey, kw_only=True):
    """The body of getSubscriptionQuantityHistory."""

    subscription_id: UUID


class PricedView(Struct):
    """Units at one price, for a whole period."""

    quantity: Decimal
    unit_price: Decimal
    total: Decimal


class QuantitiesView(Struct):
    """What a subscription costs a period from an instant on, by unit price; nothing without entitlement."""

    starting_at: datetime
    data: list[PricedView]


class QuantityHistoryView(Struct, omit_defaults=True, kw_only=True):
    """The quantities of a subscription and what they cost, the oldest first."""

    subscription_id: str
    fiat_credit_type_id: str
    custom_credit_type_id: str | None = None
    """The custom pricing unit in which the prices are, if they are in one."""
    history: list[QuantitiesView]


@post("/v1/contracts/getSubscriptionQuantityHistory", guards=[reader], status_code=200)
async def get_quantity_history(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[QuantityHistoryView]:
    """Return the quantity and the price of a subscription each time that one of them changed, until now."""
    asked = await wire.body(request, GetQuantityHistory)
    tenant_id, customer_id, at = caller.tenant_id, str(asked.customer_id), api.clock()
    async with api.database.transaction(tenant_id, snapshot=True) as tx:
        contract = await contracts.get(tx, tenant_id, customer_id, str(asked.contract_id))
        account = await accounts.load(tx, tenant_id, customer_id, include_archived=True)
    subscription = next((each for each in contract.subscriptions if each.id == str(asked.subscription_id)), None)
    if subscription is None:
        raise NotFoundError(f"this contract has no subscription {asked.subscription_id}")
    card = account.rates.get(contract.rate_card_id or "", ())
    units = {each.credit_type_id for each in card if each.product_id == subscription.product_id}
    named = [each for each in contract.overrides if subscription.product_id in each.product_ids]
    units |= {each.credit_type_id for each in named if each.credit_type_id is not None}
    return Data(
        QuantityHistoryView(
            subscription_id=subscription.id,
            fiat_credit_type_id=currency_of(account, contract),
            custom_credit_type_id=next(filter(is_custom, units), None),
            history=[_view(each) for each in worths(account, contract, subscription, at)],
        )
    )


def _view(worth: Worth) -> QuantitiesView:
    return QuantitiesView(
        worth.starting_at,
        [
            PricedView(plain(each.quantity), plain(each.unit_price), plain(multiply(each.quantity, each.unit_price)))
            for each in worth.parts
        ],
    )


routes = [get_quantity_history]
