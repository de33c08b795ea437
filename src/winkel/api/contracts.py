"""POST /v1/contracts/{create,get,list,archive,updateEndDate} and /v2/contracts/{get,list} (metronome-api.md §4.7)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from litestar import Request, post
from msgspec import structs

from winkel.api import (
    aliases,
    commits,
    contract_ends,
    fields,
    filter_checks,
    hierarchy,
    history,
    overrides,
    pages,
    pro_services,
    renewals,
    scheduled_charges,
    seat_links,
    seats,
    subscriptions,
    terms,
    wire,
)
from winkel.api.auth import reader, writer
from winkel.api.balance_views import BalanceView
from winkel.api.contract_requests import (
    NOT_YET,
    PAGE_MAX,
    ArchiveContract,
    CreateContract,
    GetContract,
    GetContractV2,
    ListContracts,
    UpdateEnd,
    agreed,
)
from winkel.api.contract_views import (
    ContractV1View,
    ContractV2View,
    Created,
    Shown,
    TermViews,
    contract_v1,
    contract_v2,
)
from winkel.api.credit_types import check_units
from winkel.api.package_terms import refusing_package, unpacked
from winkel.api.state import Api
from winkel.api.terms import Origin
from winkel.api.wire import CursorPage, Data, Id
from winkel.bill import actions
from winkel.bill.recurring import children
from winkel.model.alias import AliasOwner
from winkel.model.commit import Balance
from winkel.model.contract import Contract
from winkel.model.errors import NotFoundError
from winkel.model.product import Product
from winkel.model.subscription import Subscription
from winkel.model.tenant import Caller
from winkel.store import (
    balances,
    contracts,
    credit_types,
    customers,
    edits,
    invoices,
    products,
    rate_cards,
    uniqueness_keys,
)
from winkel.store.contracts import Filter
from winkel.store.database import Connection


@post("/v1/contracts/create", guards=[writer], status_code=200)
async def create(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Created]:
    """Make a contract with its commits and credits, all or nothing."""
    asked = await fields.body(request, CreateContract, NOT_YET)
    at, tenant_id = api.clock(), caller.tenant_id
    async with api.database.transaction(tenant_id) as tx:
        place = asked.hierarchy_configuration
        await commits.open_customer(tx, tenant_id, str(asked.customer_id), *place.parent_customer_ids)
        asked = await unpacked(tx, tenant_id, asked)
        with refusing_package(asked):
            contract, held, known = await agree(tx, tenant_id, asked, at, caller.name)
        await uniqueness_keys.claim(tx, tenant_id, "contract", contract.uniqueness_key, contract.id)
        if asked.transition is not None:
            await renewals.end_older(tx, caller, asked.transition, contract, at)
        await contracts.insert(tx, tenant_id, contract)
        for balance in held:
            await balances.insert(tx, tenant_id, balance)
        held += children([contract], (), at)
        if contract.transition is not None:
            rolled = await actions.unsettled(tx, api.further, tenant_id, contract.customer_id, at)
            held += [each for each in rolled if each.contract_id == contract.id]
        views = await commits.views(tx, api.further, tenant_id, held, at=at)
        units = await credit_types.units(tx, tenant_id)
    return Data(Created(contract.id, contract_v2(contract, views, TermViews.of(contract, known, at, units=units))))


@post("/v1/contracts/get", guards=[reader], status_code=200)
async def get_v1(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[ContractV1View]:
    """Return one contract in the shape of V1."""
    asked = await wire.body(request, GetContract)
    return Data(contract_v1(await _one(api, caller, asked)))


@post("/v2/contracts/get", guards=[reader], status_code=200)
async def get_v2(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[ContractV2View]:
    """Return one contract in the shape of V2, as it is or as it was at an instant."""
    asked = await wire.body(request, GetContractV2)
    if asked.as_of_date is not None and asked.include_ledgers:
        fields.refuse("cannot be used together with include_ledgers", "$.as_of_date")
    as_of = asked.as_of_date and fields.instant(asked.as_of_date, "$.as_of_date")
    shown = await _one(api, caller, asked, as_of)
    held = shown.balances if as_of is None else shown.balances_at(as_of)
    return Data(contract_v2(shown.contract, held, shown.terms))


@post("/v1/contracts/list", guards=[reader], status_code=200)
async def list_v1(request: Request[Any, Any, Any], api: Api, caller: Caller) -> CursorPage[ContractV1View]:
    """List the contracts of a customer in the shape of V1, oldest first."""
    found, cursor = await _list(api, caller, await wire.body(request, ListContracts))
    return CursorPage([contract_v1(each) for each in found], cursor)


@post("/v2/contracts/list", guards=[reader], status_code=200)
async def list_v2(request: Request[Any, Any, Any], api: Api, caller: Caller) -> CursorPage[ContractV2View]:
    """List the contracts of a customer in the shape of V2, oldest first."""
    found, cursor = await _list(api, caller, await wire.body(request, ListContracts))
    return CursorPage([contract_v2(each.contract, each.balances, each.terms) for each in found], cursor)


@post("/v1/contracts/archive", guards=[writer], status_code=200)
async def archive(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """End a contract for good, with its commits and credits, and if asked void its final invoices.

    Once more changes nothing, but may still void: an archived contract can have final invoices.
    """
    asked = await wire.body(request, ArchiveContract)
    at, tenant_id, customer_id = api.clock(), caller.tenant_id, str(asked.customer_id)
    async with api.database.transaction(tenant_id) as tx:
        await commits.open_customer(tx, tenant_id, customer_id)
        contract = await contracts.get(tx, tenant_id, customer_id, str(asked.contract_id))
        await renewals.check_settled(tx, api, tenant_id, contract, "$.contract_id")
        await hierarchy.check_archive(tx, tenant_id, contract, "$.contract_id")
        if asked.void_invoices:
            await actions.void_all(tx, tenant_id, customer_id, at, contract.id)
        await commits.check_not_payer(tx, tenant_id, contract, "$.contract_id")
        await contracts.archive(tx, tenant_id, contract.id, at)
        await balances.archive_of_contract(tx, tenant_id, contract.id, at)
    return Data(Id(contract.id))


@post("/v1/contracts/updateEndDate", guards=[writer], status_code=200)
async def update_end_date(request: Request[Any, Any, Any], api: Api, caller: Caller) -> Data[Id]:
    """Set, move or clear the end of a contract.

    An earlier end cuts the access to its commits and credits, drops their invoices to come and stops recurring ones;
    a later one brings nothing back (metronome-api.md §4.7).
    """
    asked = await wire.body(request, UpdateEnd)
    end = fields.hour_or_none(asked.ending_before, "$.ending_before")
    at, tenant_id, customer_id = api.clock(), caller.tenant_id, str(asked.customer_id)
    async with api.database.transaction(tenant_id) as tx:
        await commits.open_customer(tx, tenant_id, customer_id)
        contract = await commits.open_contract(tx, tenant_id, customer_id, str(asked.contract_id))
        await renewals.check_end(tx, tenant_id, contract, end, "$.contract_id")
        allowed = asked.allow_ending_before_finalized_invoice
        await contract_ends.check(tx, tenant_id, contract, end, allowed, "$.ending_before")
        await contract_ends.check_longer(tx, tenant_id, contract, end, "$.ending_before")
        await actions.keep_begun(tx, tenant_id, customer_id, at)
        held = [
            each for each in await balances.of_customer(tx, tenant_id, customer_id) if each.contract_id == contract.id
        ]
        invoiced = await contract_ends.invoiced(tx, tenant_id, customer_id, at)
        made, cut = contract_ends.ended(contract, held, end, invoiced)
        parts = await invoices.charged_parts(tx, tenant_id, customer_id)
        contract_ends.check_outgrown(made, parts, at, "$.ending_before")
        await contracts.update(tx, tenant_id, made)
        for balance in cut:
            await balances.set_schedules(tx, tenant_id, balance)
        await history.note_end(tx, caller, contract, end, at)
    return Data(Id(contract.id))


async def agree(
    tx: Connection, tenant_id: int, asked: CreateContract, at: datetime, by: str
) -> tuple[Contract, list[Balance], Mapping[str, Product]]:
    """Return a new contract, its commits and credits, and the products that its terms name; nothing is kept yet.

    Raises `InvalidError` where the terms contradict themselves, or name what is not there.
    """
    card = await _rate_card(tx, tenant_id, asked)
    named = overrides.product_ids(asked.overrides)
    named |= scheduled_charges.product_ids([*asked.scheduled_charges, *asked.discounts])
    named |= terms.product_ids([*asked.recurring_commits, *asked.recurring_credits])
    named |= subscriptions.product_ids(asked.subscriptions)
    named |= pro_services.product_ids(asked.professional_services)
    known = await products.by_ids(tx, tenant_id, sorted(named))
    await check_units(tx, tenant_id, asked)
    await overrides.check_units(tx, tenant_id, card, asked.overrides, "$.overrides")
    contract = agreed(asked, card, known, at, by)
    subscribed = await _subscriptions(tx, tenant_id, asked, contract, known)
    named_so = subscriptions.named(asked.subscriptions, subscribed, "$.subscriptions")
    places = ("$.recurring_commits", "$.recurring_credits")
    recurring = seat_links.linked(contract.recurring_balances, (), named_so, places)
    contract = structs.replace(contract, subscriptions=subscribed, recurring_balances=recurring)
    if contract.as_child is not None:
        await hierarchy.check_parent(tx, tenant_id, contract, contract.as_child, at, "$.hierarchy_configuration")
    await hierarchy.check_access(tx, tenant_id, contract, asked)
    await filter_checks.check(tx, tenant_id, contract, "$.usage_filter.group_key")
    return contract, await _balances(tx, tenant_id, asked, contract), known


async def _rate_card(tx: Connection, tenant_id: int, asked: CreateContract) -> str | None:
    """Return the card that was named or that has the alias at the contract's start. Raises `InvalidError`."""
    by_id, by_alias = asked.rate_card_id, asked.rate_card_alias
    if by_id is None and by_alias is None:
        return None
    start = fields.hour(asked.starting_at, "$.starting_at")
    found, place = await aliases.named(tx, tenant_id, AliasOwner.RATE_CARD, by_id, by_alias, start)
    try:
        card = await rate_cards.get(tx, tenant_id, found)
    except NotFoundError as error:
        fields.refuse(str(error), place)
    if card.archived_at is not None:
        fields.refuse("this rate card is archived", place)
    return card.id


async def _subscriptions(
    tx: Connection, tenant_id: int, asked: CreateContract, contract: Contract, known: Mapping[str, Product]
) -> tuple[Subscription, ...]:
    """Return the subscriptions of a new contract. Raises `InvalidError`."""
    if not asked.subscriptions:
        return ()
    rates = await rate_cards.rates_of(tx, tenant_id, contract.rate_card_id)
    await seats.check_keys(tx, tenant_id, subscriptions.seat_keys(asked.subscriptions, "$.subscriptions"), rates)
    return tuple(
        subscriptions.subscription(each, contract, known, rates, f"$.subscriptions[{index}]")
        for index, each in enumerate(asked.subscriptions)
    )


async def _balances(tx: Connection, tenant_id: int, asked: CreateContract, contract: Contract) -> list[Balance]:
    """Return the commits and credits of a new contract. Raises `InvalidError`."""
    known = await terms.known_products(tx, tenant_id, [*asked.commits, *asked.credits])
    origin = Origin(
        customer_id=contract.customer_id,
        contract_id=contract.id,
        created_at=contract.created_at,
        created_by=contract.created_by,
    )
    found = [terms.commit(each, origin, known, f"$.commits[{at}]") for at, each in enumerate(asked.commits)]
    return found + [terms.credit(each, origin, known, f"$.credits[{at}]") for at, each in enumerate(asked.credits)]


async def _one(api: Api, caller: Caller, asked: GetContract, as_of: datetime | None = None) -> Shown:
    """Return a contract and what belongs to it, as it is or was. Raises `NotFoundError`."""
    tenant_id, customer_id = caller.tenant_id, str(asked.customer_id)
    async with api.database.transaction(tenant_id, snapshot=True) as tx:
        contract = await contracts.get(tx, tenant_id, customer_id, str(asked.contract_id))
        if as_of is not None:
            contract = await _as_of(tx, tenant_id, contract, as_of)
        (shown,) = await _shown(api, tx, tenant_id, [contract], asked, as_of)
    return shown


async def _as_of(tx: Connection, tenant_id: int, contract: Contract, instant: datetime) -> Contract:
    """Return the contract as it was at the instant. Raises `NotFoundError` when it was not there yet."""
    if instant < contract.created_at:
        raise NotFoundError(f"contract {contract.id} was not there yet")
    (then,) = await edits.before(tx, tenant_id, [contract], instant)
    archived = contract.archived_at if contract.archived_at and contract.archived_at <= instant else None
    return structs.replace(then, archived_at=archived)


async def _list(api: Api, caller: Caller, asked: ListContracts) -> tuple[list[Shown], str | None]:
    """Return one page of contracts with what belongs to them, and the cursor to the next."""
    if asked.covering_date is not None and asked.starting_at is not None:
        fields.refuse("give covering_date or starting_at, not both", "$.covering_date")
    wanted = Filter(
        covering=asked.covering_date and fields.instant(asked.covering_date, "$.covering_date"),
        starting_at=asked.starting_at and fields.instant(asked.starting_at, "$.starting_at"),
        include_archived=asked.include_archived,
    )
    after, customer_id = fields.position(asked.cursor), str(asked.customer_id)
    limit = fields.whole(asked.limit, 1, PAGE_MAX, "$.limit")
    async with api.database.transaction(caller.tenant_id, snapshot=True) as tx:
        await customers.get(tx, caller.tenant_id, customer_id)
        found = await contracts.page(tx, caller.tenant_id, customer_id, wanted, after, limit + 1)
        shown, more = pages.cut(found, limit)
        views = await _shown(api, tx, caller.tenant_id, shown, asked)
    return views, fields.next_page(shown, more)


async def _shown(
    api: Api,
    tx: Connection,
    tenant_id: int,
    some: Sequence[Contract],
    asked: GetContract | ListContracts,
    as_of: datetime | None = None,
) -> list[Shown]:
    """Return contracts of one customer with their balances and what else was agreed, as of an instant or of now."""
    views = await _views(api, tx, tenant_id, some, asked)
    at = as_of or api.clock()
    first = await edits.before(tx, tenant_id, some)
    amended = await edits.amendments(tx, tenant_id, [each.id for each in some])
    known = await products.by_ids(tx, tenant_id, sorted(set().union(*(each.product_ids for each in (*some, *first)))))
    units = await credit_types.units(tx, tenant_id)
    others = await _others(tx, tenant_id, some, at)
    below = await contracts.children_of(tx, tenant_id, some[0].customer_id) if some else []
    return [
        Shown(
            each,
            views[each.id],
            TermViews.of(each, known, at, others, below, units=units),
            initial,
            TermViews.of(initial, known, at, (), below, units=units),
            [one for one in amended if one.contract_id == each.id],
        )
        for each, initial in zip(some, first, strict=True)
    ]


async def _others(tx: Connection, tenant_id: int, some: Sequence[Contract], at: datetime) -> list[Contract]:
    """Return all contracts of the customer of these that were there at the instant: some may renew others."""
    every = await contracts.of_customer(tx, tenant_id, some[0].customer_id, include_archived=True) if some else ()
    return [each for each in every if each.created_at <= at]


async def _views(
    api: Api, tx: Connection, tenant_id: int, shown: Sequence[Contract], asked: GetContract | ListContracts
) -> dict[str, list[BalanceView]]:
    """Return the balances of these contracts of one customer, by contract."""
    views: dict[str, list[BalanceView]] = {contract.id: [] for contract in shown}
    if not shown:
        return views
    every = await balances.of_customer(tx, tenant_id, shown[0].customer_id, include_archived=True)
    held = [*every, *children(shown, {each.id for each in every}, api.clock())]
    held += await actions.unsettled(tx, api.further, tenant_id, shown[0].customer_id, api.clock())
    own = [each for each in sorted(held, key=commits.order) if each.contract_id in views]
    ledgers, amounts = asked.include_ledgers, asked.include_balance
    seen = await commits.views(
        tx, api.further, tenant_id, own, at=api.clock(), include_ledgers=ledgers, include_balance=amounts
    )
    for balance, view in zip(own, seen, strict=True):
        views[str(balance.contract_id)].append(view)
    return views


routes = [create, get_v1, get_v2, list_v1, list_v2, archive, update_end_date]
