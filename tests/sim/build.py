"""The world's nouns become Winkel's: its structs (`model/`), and rows through the real store."""

import itertools
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from msgspec import structs
from msgspec.structs import replace

from sim import world
from sim.oracle_told import Asked
from sim.world import Tenant
from winkel.api.edit_requests import EditContract
from winkel.api.pro_service_invoices import LineIn, ScheduleInvoice
from winkel.api.subscription_edits import (
    QuantityUpdate,
    SeatIdsUpdate,
    SeatUpdates,
    SubscriptionUpdate,
    UnassignedSeatsUpdate,
)
from winkel.model import (
    allocation,
    commit,
    contract,
    customer,
    hierarchy,
    invoice,
    ledger,
    metric,
    money,
    override,
    period,
    price,
    pro_service,
    product,
    proration,
    rate_card,
    recurring,
    subscription,
)
from winkel.model.credit_type import BY_ID, QUANTITY, CreditType, Units
from winkel.store import balances, contracts, customers, metrics, products, rate_cards, tenants
from winkel.store.database import Connection

CURRENCIES = {each.name.split()[0]: each.id for each in BY_ID.values()}
MADE = datetime(2020, 1, 1, tzinfo=UTC)
"""When everything was made of which the world does not say when."""

_numbers = itertools.count()


async def tenant(tx: Connection, made: Tenant, at: datetime) -> None:
    """Make a tenant with all that is known of it at the instant; sets `made.id`."""
    made.id = (await tenants.create_tenant(tx, f"{made.name} #{next(_numbers)}", at)).id
    for each in made.customers:
        await customers.insert(tx, made.id, customer_of(each, at))
    for each in made.metrics:
        if each.made_at <= at:
            await metrics.insert(tx, made.id, metric_of(each))
    for card_id, currency in made.cards.items():
        await rate_cards.insert(tx, made.id, card_of(card_id, currency, at))
    for each in made.products:
        if each.made_at <= at:
            await product_with_rates(tx, made, each)
    for each in made.contracts:
        await contracts.insert(tx, made.id, contract_of(each))
    for each in made.balances:
        await balances.insert(tx, made.id, balance_of(each))


async def product_with_rates(tx: Connection, made: Tenant, each: world.Product) -> None:
    """Make a product, and give it its rates."""
    whole = product_of(each)
    await products.insert(tx, made.id, whole)
    for update in whole.updates:
        await products.add_update(tx, made.id, each.id, update)
    rates = [rate_of(one, made.cards[one.card_id]) for one in made.rates if one.product_id == each.id]
    wanted = rate_cards.NewRate.__struct_fields__
    await rate_cards.add_rates(
        tx, made.id, [rate_cards.NewRate(**{name: getattr(one, name) for name in wanted}) for one in rates]
    )


def card_of(card_id: str, currency: str, at: datetime, worths: Iterable[tuple[str, str]] = ()) -> rate_card.RateCard:
    """Return a rate card, with what custom units are worth on it."""
    return rate_card.RateCard(
        id=card_id,
        name="card",
        created_at=at,
        created_by="sim",
        fiat_credit_type_id=CURRENCIES[currency],
        credit_type_conversions=tuple(rate_card.Conversion(unit, Decimal(worth)) for unit, worth in worths),
    )


def units_of(made: Tenant) -> Units:
    """Return currencies and custom pricing units; the id of a custom one is its name."""
    return {**BY_ID, **{name: CreditType(name, name, is_currency=False, created_at=MADE) for name in made.units}}


def unit_id(name: str) -> str:
    """Return the id of a currency or a custom pricing unit, or the one that stands for none."""
    return QUANTITY if name == world.QUANTITY else CURRENCIES.get(name, name)


def customer_of(each: world.Customer, at: datetime) -> customer.Customer:
    """Return a customer with the aliases that are known at the instant."""
    aliases = tuple(alias for alias, known_at in each.aliases if known_at <= at)
    return customer.Customer(id=each.id, name=each.name, created_at=at, updated_at=at, ingest_aliases=aliases)


def metric_of(each: world.Metric) -> metric.BillableMetric:
    """Return a billable metric."""
    types = metric.EventTypeFilter(each.in_types, each.not_in_types)
    found = metric.BillableMetric(
        id=each.id,
        name=each.name,
        aggregation_type=metric.Aggregation(each.aggregation),
        aggregation_key=each.key,
        event_type_filter=types if each.in_types or each.not_in_types else None,
        property_filters=tuple(
            metric.PropertyFilter(
                name=one.name, exists=one.exists, in_values=one.in_values, not_in_values=one.not_in_values
            )
            for one in each.conditions
        ),
        group_keys=each.group_keys,
        created_at=each.made_at,
    )
    found.check()
    return found


def product_of(each: world.Product) -> product.Product:
    """Return a product with all of its versions."""
    return product.Product(
        id=each.id,
        type=product.ProductType(each.type or ("USAGE" if each.first.metric_id else "FIXED")),
        initial=product.ProductState(created_at=MADE, created_by="sim", **_terms(each, each.first)),
        updates=tuple(
            product.ProductUpdate(created_at=MADE, created_by="sim", starting_at=at, **_terms(each, terms))
            for at, terms in each.later
        ),
    )


def _terms(each: world.Product, terms: world.Terms) -> dict[str, object]:
    if each.type == "COMPOSITE":
        return {
            "name": terms.name,
            "tags": terms.tags,
            "composite_product_ids": terms.shared_products or None,
            "composite_tags": terms.shared_tags or None,
            "exclude_free_usage": terms.without_free,
            "include_composite_spend": terms.with_composites,
        }
    conversion = terms.conversion and product.QuantityConversion(
        Decimal(terms.conversion[1]), product.Operation(terms.conversion[0])
    )
    rounding = terms.rounding and product.QuantityRounding(terms.rounding[1], product.RoundingMethod(terms.rounding[0]))
    return {
        "name": terms.name,
        "billable_metric_id": terms.metric_id,
        "pricing_group_key": terms.pricing_keys or None,
        "presentation_group_key": terms.presentation_keys or None,
        "quantity_conversion": conversion,
        "quantity_rounding": rounding,
        "tags": terms.tags,
    }


def price_of(each: world.Price) -> price.Price:
    """Return a price."""
    tiers = tuple(price.Tier(Decimal(unit), None if size is None else Decimal(size)) for size, unit in each.tiers)
    kinds = {
        "FLAT": price.Flat(tiers[0].price),
        "CUSTOM": price.Custom({"formula": each.formula}),
        "SUBSCRIPTION": price.Subscribed(Decimal(each.quantity or 0), price.Flat(tiers[0].price)),
        "TIERED": price.Tiered(tiers),
        "PERCENTAGE": price.Percentage(tiers[0].price),
        "TIERED_PERCENTAGE": price.TieredPercentage(tiers),
    }
    made = kinds[each.kind]
    price.check_price(made)
    return made


def rate_of(each: world.Rate, currency: str, order: tuple[str, ...] = ()) -> rate_card.Rate:
    """Return a rate; it is in the currency of its card unless it has a unit of its own. The order is its card's."""
    return rate_card.Rate(
        id=each.id,
        rate_card_id=each.card_id,
        product_id=each.product_id,
        price=price_of(each.price),
        entitled=each.entitled,
        starting_at=each.starting_at,
        ending_before=each.ending_before,
        number=each.number,
        credit_type_id=unit_id(each.unit or currency),
        pricing_group_values=dict(each.values),
        commit_price=each.commit and price_of(each.commit),
        position=order.index(each.product_id) if each.product_id in order else None,
        billing_frequency=each.frequency and period.Frequency(each.frequency),
    )


def contract_of(each: world.Contract) -> contract.Contract:
    """Return a contract with its overrides and scheduled charges."""
    prioritization = override.Prioritization(each.prioritization)
    return contract.Contract(
        id=each.id,
        customer_id=each.customer_id,
        starting_at=each.starting_at,
        ending_before=each.ending_before,
        created_at=each.created_at,
        created_by="sim",
        rate_card_id=each.card_id,
        usage_statement_schedule=contract.StatementSchedule(
            frequency=period.Frequency(each.frequency),
            billing_anchor_date=each.anchor,
            invoice_generation_starting_at=each.statements_from,
        ),
        overrides=tuple(override_of(one, prioritization) for one in each.overrides),
        multiplier_override_prioritization=prioritization,
        scheduled_charges=tuple(contract.ScheduledCharge(**_dated(one)) for one in each.charges),
        discounts=tuple(contract.Discount(**_dated(one)) for one in each.discounts),
        scheduled_charges_on_usage_invoices=contract.ChargesOnUsageInvoices.ALL if each.on_statements else None,
        usage_filters=tuple(contract.UsageFilter(one.name, one.values, one.starting_at) for one in each.filters),
        recurring_balances=tuple(map(recurring_of, each.recurring)),
        transition=each.renews and contract.Transition(contract.TransitionType.RENEWAL, each.renews),
        subscriptions=tuple(map(subscription_of, each.subscriptions)),
        professional_services=tuple(map(service_of, each.services)),
        as_child=each.parent and child_of(each.parent),
        consolidation=hierarchy.Consolidation.CONCATENATE if each.consolidates else None,
    )


def child_of(parent: world.Parent) -> hierarchy.AsChild:
    """Return the place of a child contract."""
    behavior = hierarchy.StatementBehavior
    return hierarchy.AsChild(
        hierarchy.ContractRef(parent.customer_id, parent.contract_id),
        hierarchy.Payer.PARENT if parent.pays else hierarchy.Payer.SELF,
        behavior.CONSOLIDATE if parent.joins else behavior.SEPARATE,
    )


def access_of(each: world.Balance | world.Recurring) -> hierarchy.ChildAccess | None:
    """Return for which children of its contract a balance is too."""
    return each.child_access and hierarchy.ChildAccess(hierarchy.AccessTo(each.child_access), each.child_ids)


def _dated(each: world.ScheduledCharge) -> dict[str, Any]:
    return {
        "id": each.id,
        "product_id": each.product_id,
        "schedule": schedule_of(each.schedule),
        "name": each.name,
    }


def subscription_of(each: world.Subscription) -> subscription.Subscription:
    """Return a subscription."""
    behavior, placement = subscription.InvoiceBehavior, subscription.InvoicePlacement
    if each.seats_from is not None and each.seat_key is not None:
        made = subscription_of(replace(each, seat_key=None, seat_changes=())).with_seats(each.seat_key)
        return structs.replace(made, seat_changes=(*made.seat_changes, *map(seats_of, each.seat_changes)))
    found = subscription.Subscription(
        id=each.id,
        product_id=each.product_id,
        billing_frequency=period.Frequency(each.frequency),
        collection_schedule=subscription.CollectionSchedule(each.collection),
        starting_at=each.starting_at,
        ending_before=each.ending_before,
        anchor=each.anchor,
        created_at=MADE,
        seat_group_key=each.seat_key,
        seat_changes=tuple(map(seats_of, each.seat_changes)),
        changes=tuple(
            subscription.QuantityChange(
                starting_at=one.starting_at,
                quantity=None if one.quantity is None else Decimal(one.quantity),
                quantity_delta=None if one.delta is None else Decimal(one.delta),
            )
            for one in each.changes
        ),
        proration=subscription.SubscriptionProration(
            is_prorated=each.prorated,
            invoice_behavior=behavior.BILL_IMMEDIATELY if each.at_once else behavior.BILL_ON_NEXT_COLLECTION_DATE,
            rounding=each.rounding and _rounding(each.rounding),
        ),
        invoice_placement=placement.ON_SCHEDULED_INVOICE if each.scheduled else placement.ON_USAGE_INVOICE,
        name=each.name,
    )
    found.check()
    return found


def seats_of(change: world.SeatChange) -> subscription.SeatChange:
    """Return a change of seats."""
    return subscription.SeatChange(
        starting_at=change.starting_at,
        removed=change.removed,
        removed_unassigned=change.removed_unassigned,
        added=change.added,
        added_unassigned=change.added_unassigned,
    )


def edit_of(asked: Asked) -> EditContract:
    """Return the edit by which seats, or a quantity, are changed."""
    change = asked.change
    assert isinstance(change, world.Change | world.SeatChange)
    start = change.starting_at
    update = SubscriptionUpdate(subscription_id=cast("UUID", asked.subscription_id))
    if isinstance(change, world.Change):
        update.quantity_updates = [
            QuantityUpdate(
                starting_at=start,
                quantity=None if change.quantity is None else Decimal(change.quantity),
                quantity_delta=None if change.delta is None else Decimal(change.delta),
            )
        ]
    else:
        goes, comes = (
            [SeatIdsUpdate(seat_ids=list(each), starting_at=start)] if each else []
            for each in (change.removed, change.added)
        )
        fewer, more = (
            [UnassignedSeatsUpdate(quantity=Decimal(each), starting_at=start)] if each else []
            for each in (change.removed_unassigned, change.added_unassigned)
        )
        update.seat_updates = SeatUpdates(
            remove_seat_ids=goes, remove_unassigned_seats=fewer, add_seat_ids=comes, add_unassigned_seats=more
        )
    return EditContract(
        customer_id=UUID(int=0), contract_id=cast("UUID", asked.contract_id), update_subscriptions=[update]
    )


def given_of(each: world.Given) -> invoice.ImportedUsage:
    """Return a quantity of an imported invoice."""
    return invoice.ImportedUsage(
        product_id=each.product_id,
        starting_at=each.at,
        quantity=Decimal(each.quantity),
        pricing_group_values={name: value or "" for name, value in each.pricing},
        presentation_group_values={name: value or "" for name, value in each.presentation},
    )


def service_of(each: world.Service) -> pro_service.ProService:
    """Return a professional service."""
    return pro_service.ProService(
        id=each.id,
        product_id=each.product_id,
        unit_price=Decimal(each.unit_price),
        quantity=Decimal(each.quantity),
        max_amount=Decimal(each.max_amount),
    )


def services_of(contract_id: str, request: world.ServiceRequest) -> ScheduleInvoice:
    """Return the body of a request for an invoice for professional services."""
    return ScheduleInvoice(
        customer_id=UUID(int=0),
        contract_id=cast("UUID", contract_id),
        issued_at=request.at,
        line_items=[
            LineIn(
                professional_service_id=cast("UUID", each.service_id),
                amount=None if each.amount is None else Decimal(each.amount),
                quantity=None if each.quantity is None else Decimal(each.quantity),
                unit_price=None if each.unit_price is None else Decimal(each.unit_price),
            )
            for each in request.rendered
        ],
    )


def recurring_of(each: world.Recurring) -> recurring.RecurringBalance:
    """Return a recurring commit or credit."""
    return recurring.RecurringBalance(
        id=each.id,
        type=commit.BalanceType(each.type),
        product_id=each.product_id,
        access_amount=_amount(each.currency, each.amount),
        commit_duration=each.duration,
        rollover_fraction=each.rollover and Decimal(each.rollover),
        priority=Decimal(each.priority),
        starting_at=each.starting_at,
        ending_before=each.ending_before,
        invoice_amount=each.asked and _amount(each.asked_currency, each.asked),
        recurrence_frequency=each.frequency and period.RecurrenceFrequency(each.frequency),
        proration=proration.Proration(each.proration),
        access_rounding=each.rounding and _rounding(each.rounding),
        invoice_rounding=each.asked_rounding and _rounding(each.asked_rounding),
        rate_type=commit.RateSide(each.rate_type),
        child_access=access_of(each),
        subscription=each.follows and link_of(each.follows),
        name=each.name,
        applicable_product_ids=each.product_ids,
        applicable_product_tags=each.tags,
        specifiers=tuple(map(specifier_of, each.specifiers)),
    )


def link_of(follows: world.Follows) -> allocation.SeatLink:
    """Return how a recurring commit or credit follows a subscription."""
    which = allocation.Allocation.INDIVIDUAL if follows.individual else allocation.Allocation.POOLED
    return allocation.SeatLink(subscription_id=follows.subscription_id, allocation=which, is_prorated=follows.prorated)


def _amount(currency: str, amount: tuple[str, str]) -> recurring.RecurringAmount:
    quantity, unit_price = map(Decimal, amount)
    return recurring.RecurringAmount(unit_id(currency), unit_price, quantity)


def _rounding(asked: tuple[str, int]) -> proration.AmountRounding:
    method, places = asked
    return proration.AmountRounding(places, proration.AmountRoundingMethod(method))


def override_of(each: world.Override, prioritization: override.Prioritization) -> override.Override:
    """Return an override."""
    tiered = each.type == "TIERED"
    found = override.Override(
        id=each.id,
        starting_at=each.starting_at,
        created_at=MADE,
        ending_before=each.ending_before,
        type=each.type and override.OverrideType(each.type),
        entitled=each.entitled,
        product_id=each.product_id,
        applicable_product_tags=each.tags,
        specifiers=tuple(map(override_specifier_of, each.specifiers)),
        price=each.price and price_of(each.price),
        credit_type_id=each.unit and unit_id(each.unit),
        multiplier=Decimal(each.multipliers[0][1]) if each.multipliers and not tiered else None,
        tiers=tuple(
            override.MultiplierTier(Decimal(factor), None if size is None else Decimal(size))
            for size, factor in each.multipliers
            if tiered
        ),
        priority=None if each.priority is None else Decimal(each.priority),
        is_commit_specific=each.for_commits,
        target=commit.RateSide(each.target),
    )
    found.check(prioritization)
    return found


def specifier_of(each: world.Specifier) -> commit.Specifier:
    """Return a specifier."""
    return commit.Specifier(each.product_id, each.tags, dict(each.pricing), dict(each.presentation))


def override_specifier_of(each: world.Specifier) -> override.OverrideSpecifier:
    """Return a specifier of an override."""
    return override.OverrideSpecifier(
        each.product_id,
        each.tags,
        dict(each.pricing),
        dict(each.presentation),
        commit_ids=each.balance_ids[:1],
        any_commit_or_credit_ids=each.balance_ids[1:],
        billing_frequency=each.frequency and period.Frequency(each.frequency),
    )


def schedule_of(each: world.Schedule) -> commit.InvoiceSchedule:
    """Return an invoice schedule."""
    items = tuple(
        commit.ScheduleItem(
            id=one.id,
            timestamp=one.at,
            quantity=Decimal(one.quantity),
            unit_price=Decimal(one.unit_price),
            amount=money.multiply(Decimal(one.quantity), Decimal(one.unit_price)),
        )
        for one in each.items
    )
    return commit.InvoiceSchedule(
        credit_type_id=CURRENCIES[each.currency], schedule_items=items, do_not_invoice=each.do_not_invoice
    )


def balance_of(each: world.Balance) -> commit.Balance:
    """Return a commit or a credit."""
    return commit.Balance(
        id=each.id,
        type=commit.BalanceType(each.type),
        customer_id=each.customer_id,
        product_id=each.product_id,
        credit_type_id=unit_id(each.currency),
        segments=tuple(
            commit.Segment(one.id, Decimal(one.amount), one.starting_at, one.ending_before) for one in each.segments
        ),
        created_at=each.created_at,
        created_by="sim",
        priority=Decimal(each.priority),
        name=each.name,
        contract_id=each.contract_id,
        applicable_contract_ids=each.contract_ids,
        applicable_product_ids=each.product_ids,
        applicable_product_tags=each.tags,
        specifiers=tuple(map(specifier_of, each.specifiers)),
        invoice_schedule=each.schedule and schedule_of(each.schedule),
        invoice_contract_id=each.invoice_contract_id,
        rollover_fraction=each.rollover and Decimal(each.rollover),
        rate_type=commit.RateSide(each.rate_type),
        child_access=access_of(each),
    )


def entry_of(each: world.Entry) -> ledger.LedgerEntry:
    """Return a manual entry of a ledger."""
    return ledger.LedgerEntry(
        id=each.id,
        balance_id=each.balance_id,
        segment_id=each.segment_id,
        kind=ledger.EntryKind.MANUAL,
        amount=Decimal(each.amount),
        timestamp=each.at,
    )
