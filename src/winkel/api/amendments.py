"""POST /v1/contracts/amend: an edit in the words of V1, which only adds (docs/pricing.md §14)."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from litestar import Request, post
from msgspec import Struct

from winkel.api import edits, fields
from winkel.api.auth import writer
from winkel.api.contract_requests import NOT_YET, ContractKey
from winkel.api.discounts import DiscountIn
from winkel.api.edit_requests import EditContract, check_asks
from winkel.api.overrides import OverrideIn
from winkel.api.pro_services import ProServiceIn
from winkel.api.scheduled_charges import ScheduledChargeIn
from winkel.api.state import Api
from winkel.api.terms import CommitIn, CreditIn
from winkel.api.wire import Data, Id
from winkel.model.edit import Amendment, ContractEdit
from winkel.model.errors import InvalidError
from winkel.model.tenant import Caller
from winkel.store import edits as kept_edits
from winkel.store.database import Connection

_ADDED = re.compile(r"`\$\.add_(?=[^`]*`$)")


class AmendContract(ContractKey, Struct, kw_only=True):
    """The body of amend."""

    starting_at: fields.Instant
    commits: list[CommitIn] = []
    credits: list[CreditIn] = []
    overrides: list[OverrideIn] = []
    scheduled_charges: list[ScheduledChargeIn] = []
    discounts: list[DiscountIn] = []
    professional_services: list[ProServiceIn] = []
    netsuite_sales_order_id: str | None = None
    salesforce_opportunity_id: str | None = None

    @property
    def edit(self) -> EditContract:
        """The edit that it is."""
        return EditContract(
            customer_id=self.customer_id,
            contract_id=self.contract_id,
            add_commits=self.commits,
            add_credits=self.credits,
            add_overrides=self.overrides,
            add_scheduled_charges=self.scheduled_charges,
            add_discounts=self.discounts,
            add_professional_services=self.professional_services,
        )


@post("/v1/contracts/amend", guards=[writer], status_code=200)
async def amend(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Add terms to a contract, all or nothing; drafts follow at once. The dates of each say when it counts."""
    asked = await fields.body(request, AmendContract, NOT_YET | {"custom_fields", "total_contract_value"})
    check_asks(asked.edit, "$", "customer_id", "contract_id")
    amendment = Amendment(
        starting_at=fields.hour(asked.starting_at, "$.starting_at"),
        netsuite_sales_order_id=asked.netsuite_sales_order_id,
        salesforce_opportunity_id=asked.salesforce_opportunity_id,
    )
    async with api.database.transaction(caller.tenant_id) as tx:
        with _in_words_of_v1():
            made = await edits.applied(tx, api, caller, asked.edit, amendment)
        _check_start(made)
    return Data(Id(made.id))


async def check_added(
    tx: Connection, tenant_id: int, contract_id: str, amendment_id: UUID | None, its_id: str, place: str
) -> None:
    """Raise `InvalidError` where a body names an amendment that has not added this term to the contract."""
    if amendment_id is None:
        return
    for each in await kept_edits.amendments(tx, tenant_id, [contract_id]):
        if each.id == str(amendment_id) and its_id in each.added("add_commits", "add_pro_services"):
            return
    fields.refuse(f"no amendment {amendment_id} of this contract has added {its_id}", f"{place}.amendment_id")


def _check_start(made: ContractEdit) -> None:
    """Raise `InvalidError` unless an amendment begins within the term of its contract."""
    assert made.amendment is not None, "an amendment"
    start, contract = made.amendment.starting_at, made.before
    if start < contract.starting_at or (contract.ending_before is not None and start >= contract.ending_before):
        fields.refuse("must lie within the term of the contract", "$.starting_at")


@contextmanager
def _in_words_of_v1() -> Iterator[None]:
    """Say of what an edit refuses where it stands in the body of amend."""
    try:
        yield
    except InvalidError as error:
        raise InvalidError(_ADDED.sub("`$.", str(error))) from None


routes = [amend]
