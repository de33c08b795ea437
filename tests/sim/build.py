"""Puts a simulated tenant into the database: the world's nouns become Winkel's, through the real store."""

import itertools
from datetime import datetime
from decimal import Decimal

from sim.world import Balance, Contract, Customer, Metric, Product, Rate, Tenant, Terms
from winkel.model import commit, contract, customer, metric, period, price, product, rate_card
from winkel.model.credit_type import USD
from winkel.store import balances, contracts, customers, metrics, products, rate_cards, tenants
from winkel.store.database import Connection

_numbers = itertools.count()


async def tenant(tx: Connection, world: Tenant, at: datetime) -> None:
    """Make a tenant with all that is known of it at the instant; sets `world.id`."""
    world.id = (await tenants.create_tenant(tx, f"{world.name} #{next(_numbers)}", at)).id
    for each in world.customers:
        await customers.insert(tx, world.id, _customer(each, at))
    for each in world.metrics:
        if each.made_at <= at:
            await metrics.insert(tx, world.id, made_metric(each))
    await products.insert(tx, world.id, _fixed(world.fixed_product_id, at))
    for card_id in world.card_ids:
        card = rate_card.RateCard(id=card_id, name="card", created_at=at, created_by="sim", fiat_credit_type_id=USD.id)
        await rate_cards.insert(tx, world.id, card)
    for each in world.products:
        if each.made_at <= at:
            await product_with_rates(tx, world, each, at)
    for each in world.contracts:
        await contracts.insert(tx, world.id, _contract(each))
    for each in world.balances:
        await balances.insert(tx, world.id, _balance(each, world.fixed_product_id))


async def product_with_rates(tx: Connection, world: Tenant, each: Product, at: datetime) -> None:
    """Make a product, and give it its rates."""
    await products.insert(tx, world.id, _product(each, at))
    for starting_at, terms in each.later:
        await products.add_update(tx, world.id, each.id, _update(terms, starting_at, at))
    await rate_cards.add_rates(tx, world.id, [_rate(one) for one in world.rates if one.product_id == each.id])


def _customer(each: Customer, at: datetime) -> customer.Customer:
    aliases = tuple(alias for alias, known_at in each.aliases if known_at <= at)
    return customer.Customer(id=each.id, name=each.name, created_at=at, updated_at=at, ingest_aliases=aliases)


def made_metric(each: Metric) -> metric.BillableMetric:
    """Return the metric as Winkel knows it."""
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


def _terms(terms: Terms) -> dict[str, object]:
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


def _product(each: Product, at: datetime) -> product.Product:
    state = product.ProductState(created_at=at, created_by="sim", **_terms(each.first))
    return product.Product(id=each.id, type=product.ProductType.USAGE, initial=state)


def _fixed(product_id: str, at: datetime) -> product.Product:
    state = product.ProductState(name="Commitment", created_at=at, created_by="sim")
    return product.Product(id=product_id, type=product.ProductType.FIXED, initial=state)


def _update(terms: Terms, starting_at: datetime, at: datetime) -> product.ProductUpdate:
    return product.ProductUpdate(created_at=at, created_by="sim", starting_at=starting_at, **_terms(terms))


def _rate(each: Rate) -> rate_cards.NewRate:
    tiers = tuple(price.Tier(Decimal(unit), None if size is None else Decimal(size)) for size, unit in each.tiers)
    made = price.Flat(tiers[0].price) if each.kind == "FLAT" else price.Tiered(tiers)
    price.check_price(made)
    values = {
        "id": each.id,
        "rate_card_id": each.card_id,
        "product_id": each.product_id,
        "price": made,
        "entitled": each.entitled,
        "starting_at": each.starting_at,
        "ending_before": each.ending_before,
        "credit_type_id": USD.id,
        "pricing_group_values": dict(each.values),
    }
    return rate_cards.NewRate(**values)


def _contract(each: Contract) -> contract.Contract:
    return contract.Contract(
        id=each.id,
        customer_id=each.customer_id,
        starting_at=each.starting_at,
        ending_before=each.ending_before,
        created_at=each.created_at,
        created_by="sim",
        rate_card_id=each.card_id,
        usage_statement_schedule=contract.StatementSchedule(
            frequency=period.Frequency(each.frequency), billing_anchor_date=each.anchor
        ),
    )


def _balance(each: Balance, fixed_product_id: str) -> commit.Balance:
    schedule = None
    if each.invoice_items:
        items = tuple(
            commit.ScheduleItem(
                id=item, timestamp=at, amount=Decimal(amount), quantity=Decimal(1), unit_price=Decimal(amount)
            )
            for item, at, amount in each.invoice_items
        )
        schedule = commit.InvoiceSchedule(
            credit_type_id=USD.id, schedule_items=items, do_not_invoice=each.do_not_invoice
        )
    return commit.Balance(
        id=each.id,
        type=commit.BalanceType(each.type),
        customer_id=each.customer_id,
        product_id=fixed_product_id,
        credit_type_id=USD.id,
        segments=tuple(
            commit.Segment(one.id, Decimal(one.amount), one.starting_at, one.ending_before) for one in each.segments
        ),
        created_at=each.created_at,
        created_by="sim",
        priority=Decimal(each.priority),
        contract_id=each.contract_id,
        applicable_contract_ids=each.contract_ids,
        applicable_product_ids=each.product_ids if not each.specifiers else (),
        applicable_product_tags=each.tags if not each.specifiers else (),
        specifiers=tuple(
            commit.Specifier(one.product_id, one.tags, dict(one.pricing), dict(one.presentation))
            for one in each.specifiers
        ),
        invoice_schedule=schedule,
    )
