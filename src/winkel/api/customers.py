"""/v1/customers: create, get, list, archive, aliases, name, configuration (metronome-api.md §4.4)."""

import uuid
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, get, post
from msgspec import UNSET, Meta, Struct, UnsetType

from winkel.api import fields, pages, wire
from winkel.api.auth import reader, writer
from winkel.api.metrics import metric_page
from winkel.api.parse import id_of
from winkel.api.requests import Paging, query
from winkel.api.state import Api
from winkel.api.wire import Data, Id, Page
from winkel.bill import actions
from winkel.model.customer import Customer
from winkel.model.errors import InvalidError
from winkel.model.event import Identifier
from winkel.model.metric import BillableMetric
from winkel.model.tenant import Caller
from winkel.store import billing, contracts, customers, metrics, products

NAME_MAX = 160
"""A customer's name is cut here, in characters (metronome-api.md §2)."""
ALIASES_MAX = 2000
FILTER_MAX = 100
"""The most ids that a filter of the list may name."""
NOT_YET = ("billing_config", "customer_billing_provider_configurations", "customer_revenue_system_configurations")


class CreateCustomer(Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of create. `external_id` is the old name of a single alias."""

    name: fields.Text
    external_id: Identifier | None = None
    ingest_aliases: tuple[Identifier, ...] = ()
    custom_fields: fields.CustomFields = {}


class CustomerId(Struct, forbid_unknown_fields=True):
    """The body of archive."""

    id: UUID


class SetAliases(Struct, forbid_unknown_fields=True):
    """The body of setIngestAliases: the whole list."""

    ingest_aliases: tuple[Identifier, ...]


class SetName(Struct, forbid_unknown_fields=True):
    """The body of setName."""

    name: fields.Text


class UpdateConfig(Struct, forbid_unknown_fields=True):
    """The body of updateConfig; null clears the account, leaving it out keeps it."""

    salesforce_account_id: Annotated[str, Meta(min_length=1)] | None | UnsetType = UNSET


class CustomerQuery(Paging):
    """The filters of the list; a parameter that is there names one id at least."""

    customer_ids: tuple[UUID, ...] = ()
    ingest_alias: str | None = None
    only_archived: bool = False
    salesforce_account_ids: tuple[fields.Text, ...] = ()


class MetricQuery(Paging):
    """The filters of a customer's list of billable metrics."""

    include_archived: bool = False
    on_current_plan: bool = False


class Brief(Struct):
    """What create and setName answer (metronome-api.md §10.2)."""

    id: str
    external_id: str
    name: str
    ingest_aliases: tuple[str, ...]
    custom_fields: dict[str, str]


class Config(Struct):
    """Identifiers of the customer in other systems."""

    salesforce_account_id: str | None


class BillableStatus(Struct):
    """Whether invoices are meant to be paid; here they always are."""

    value: str = "billable"
    effective_at: datetime | None = None


class Detail(Struct, kw_only=True):
    """A customer as get and list show it (metronome-api.md §10.1)."""

    id: str
    external_id: str
    name: str
    ingest_aliases: tuple[str, ...]
    custom_fields: dict[str, str]
    customer_config: Config
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None
    current_billable_status: BillableStatus


def external_id(customer: Customer) -> str:
    """Return the first identifier under which events of this customer may arrive: an alias, else its id."""
    return customer.ingest_aliases[0] if customer.ingest_aliases else customer.id


def brief(customer: Customer) -> Brief:
    """Return what create and setName answer."""
    return Brief(
        customer.id, external_id(customer), customer.name, customer.ingest_aliases, dict(customer.custom_fields)
    )


def detail(customer: Customer) -> Detail:
    """Return what get and list show."""
    return Detail(
        id=customer.id,
        external_id=external_id(customer),
        name=customer.name,
        ingest_aliases=customer.ingest_aliases,
        custom_fields=customer.custom_fields,
        customer_config=Config(customer.salesforce_account_id),
        created_at=customer.created_at,
        updated_at=customer.updated_at,
        archived_at=customer.archived_at,
        current_billable_status=BillableStatus(),
    )


def _aliases(wanted: tuple[str, ...], customer_id: str) -> tuple[str, ...]:
    """Return the aliases in their order, each once, without the customer's own id, which needs no alias."""
    kept = tuple(alias for alias in dict.fromkeys(wanted) if alias != customer_id)
    if len(kept) > ALIASES_MAX:
        raise InvalidError(f"ingest_aliases has {len(kept)} aliases; a customer may have {ALIASES_MAX}")
    return kept


@post("/v1/customers", status_code=200, guards=[writer])
async def create(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Brief]:
    """Create a customer; events that carried its aliases before are its usage from now on."""
    asked = await fields.body(request, CreateCustomer, NOT_YET)
    at, customer_id = api.clock(), str(uuid.uuid4())
    legacy = (asked.external_id,) if asked.external_id else ()
    customer = Customer(
        id=customer_id,
        name=asked.name[:NAME_MAX],
        created_at=at,
        updated_at=at,
        ingest_aliases=_aliases(legacy + asked.ingest_aliases, customer_id),
        custom_fields=asked.custom_fields,
    )
    async with api.database.transaction(caller.tenant_id) as tx:
        await customers.insert(tx, caller.tenant_id, customer)
    return Data(brief(customer))


@get("/v1/customers/{customer_id:str}", guards=[reader])
async def retrieve(api: Api, caller: Caller, customer_id: str) -> Data[Detail]:
    """Return one customer, archived or not."""
    async with api.database.transaction(caller.tenant_id) as tx:
        return Data(detail(await customers.get(tx, caller.tenant_id, id_of(customer_id, "customer_id"))))


@get("/v1/customers", guards=[reader])
async def list_customers(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Page[Detail]:
    """List customers, oldest first: those that are not archived, or only those that are."""
    asked = query(request, CustomerQuery)
    for name in ("customer_ids", "salesforce_account_ids"):
        if len(getattr(asked, name)) > FILTER_MAX:
            raise InvalidError(f"{name} may name up to {FILTER_MAX} ids")
    only = customers.Filter(
        archived=asked.only_archived,
        ids=[str(each) for each in asked.customer_ids] or None,
        alias=asked.ingest_alias,
        salesforce_account_ids=asked.salesforce_account_ids or None,
    )
    limit, after = pages.limit_of(asked.limit), fields.position(asked.next_page)
    async with api.database.transaction(caller.tenant_id) as tx:
        found = await customers.page(tx, caller.tenant_id, only, limit=limit + 1, after=after)
    shown, more = pages.cut(found, limit)
    return Page([detail(each) for each in shown], fields.next_page(shown, more))


@post("/v1/customers/archive", status_code=200, guards=[writer])
async def archive(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Archive a customer and its contracts, for good, and void its invoices; its ingest aliases stay taken."""
    asked = str((await wire.body(request, CustomerId)).id)
    async with api.database.transaction(caller.tenant_id) as tx:
        await billing.lock_customer(tx, caller.tenant_id, asked)
        if children := await contracts.children_of(tx, caller.tenant_id, asked):
            fields.refuse(f"its contract is the parent of {children[0].id}: archive its children first", "$.id")
        await customers.archive(tx, caller.tenant_id, asked, api.clock())
        await actions.void_all(tx, caller.tenant_id, asked, api.clock())
    return Data(Id(asked))


@post("/v1/customers/{customer_id:str}/setIngestAliases", status_code=200, guards=[writer])
async def set_ingest_aliases(
    request: Request[Any, Any, Any], api: Api, caller: Caller, customer_id: str
) -> Response[Any]:
    """Replace all aliases of a customer; the usage under each moves with it, past and future."""
    asked, name = await wire.body(request, SetAliases), id_of(customer_id, "customer_id")
    aliases = _aliases(asked.ingest_aliases, name)
    async with api.database.transaction(caller.tenant_id) as tx:
        await customers.set_aliases(tx, caller.tenant_id, name, aliases, api.clock())
    return wire.empty()


@post("/v1/customers/{customer_id:str}/setName", status_code=200, guards=[writer])
async def set_name(request: Request[Any, Any, Any], api: Api, caller: Caller, customer_id: str) -> Data[Brief]:
    """Rename a customer."""
    asked, at = await wire.body(request, SetName), api.clock()
    async with api.database.transaction(caller.tenant_id) as tx:
        renamed = await customers.set_name(
            tx, caller.tenant_id, id_of(customer_id, "customer_id"), asked.name[:NAME_MAX], at
        )
    return Data(brief(renamed))


@post("/v1/customers/{customer_id:str}/updateConfig", status_code=200, guards=[writer])
async def update_config(request: Request[Any, Any, Any], api: Api, caller: Caller, customer_id: str) -> Response[Any]:
    """Change the identifiers that a customer has in other systems."""
    asked = await fields.body(request, UpdateConfig, ("leave_stripe_invoices_in_draft",))
    name, account = id_of(customer_id, "customer_id"), asked.salesforce_account_id
    async with api.database.transaction(caller.tenant_id) as tx:
        if account is UNSET:
            await customers.get(tx, caller.tenant_id, name)
        else:
            await customers.set_salesforce_account(tx, caller.tenant_id, name, account, api.clock())
    return wire.empty()


@get("/v1/customers/{customer_id:str}/billable-metrics", guards=[reader])
async def list_billable_metrics(
    request: Request[Any, Any, Any], api: Api, caller: Caller, customer_id: str
) -> Page[BillableMetric]:
    """List the billable metrics that may count for a customer; `on_current_plan`: that its contracts price now."""
    asked, name, tenant_id = query(request, MetricQuery), id_of(customer_id, "customer_id"), caller.tenant_id
    limit, after = pages.limit_of(asked.limit), fields.position(asked.next_page)
    async with api.database.transaction(tenant_id, snapshot=True) as tx:
        await customers.get(tx, tenant_id, name)
        ids = None
        if asked.on_current_plan:
            at = api.clock()
            sold = await products.by_ids(tx, tenant_id, await customers.products_on_contract(tx, tenant_id, name, at))
            ids = [each for product in sold.values() if (each := product.at(at).billable_metric_id)]
        found = await metrics.page(
            tx, tenant_id, limit=limit + 1, after=after, include_archived=asked.include_archived, ids=ids
        )
    return metric_page(found, limit)


routes = [
    create,
    retrieve,
    list_customers,
    archive,
    set_ingest_aliases,
    set_name,
    update_config,
    list_billable_metrics,
]
