"""Many customers whose invoices are due, made with a few statements."""

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from winkel.model.credit_type import USD
from winkel.model.metric import Aggregation, BillableMetric
from winkel.model.period import Frequency, add_months, hour_number
from winkel.model.price import Flat
from winkel.model.product import Product, ProductState, ProductType
from winkel.model.rate_card import RateCard
from winkel.store import metrics, products, rate_cards, tenants
from winkel.store.database import Connection
from winkel.store.rate_cards import NewRate

CREDIT, USED = 500, 7
"""Cents of each customer's credit; units used in each period, at 100 cents."""
_CUSTOMERS = """
WITH made AS (
    INSERT INTO customer (tenant_id, id, name, created_at, updated_at)
    SELECT %(tenant)s, gen_random_uuid(), %(name)s || ' ' || number, %(start)s, %(start)s
    FROM generate_series(1, %(count)s) AS number
    RETURNING id
), agreed AS (
    INSERT INTO contract (tenant_id, id, customer_id, rate_card_id, starting_at, ending_before,
                          usage_statement_schedule, created_at, created_by)
    SELECT %(tenant)s, gen_random_uuid(), id, %(card)s, %(start)s, %(end)s,
           jsonb_build_object('frequency', %(frequency)s::text, 'billing_anchor_date', %(start)s::timestamptz),
           %(start)s, 'test'
    FROM made
), given AS (
    INSERT INTO balance (tenant_id, id, type, customer_id, product_id, credit_type_id, segments, priority, rate_type,
                         created_at, created_by)
    SELECT %(tenant)s, gen_random_uuid(), 'CREDIT', id, %(fixed)s, %(usd)s,
           jsonb_build_array(jsonb_build_object('id', gen_random_uuid(), 'amount', %(credit)s::int, 'starting_at',
                             %(start)s::timestamptz, 'ending_before', %(start)s::timestamptz + interval '1 year')),
           1, 'LIST_RATE', %(start)s, 'test'
    FROM made
), counted AS (
    INSERT INTO usage_series
    SELECT %(tenant)s, gen_random_uuid(), %(metric)s, id::text, 0, '{}', 'SUM' FROM made
    RETURNING series_id
)
INSERT INTO usage_hour (tenant_id, series_id, hour, quantity)
SELECT %(tenant)s, series_id, hour, %(used)s FROM counted, unnest(%(hours)s::int[]) AS hour
"""


async def customers(connection: Connection, count: int, *, broken: int = 0) -> None:
    """Make customers with two billing periods that are over, a credit of 5.00 and 7.00 of usage in each period.

    `broken` more have a product whose billable metric does not exist.
    """
    now = datetime.now(UTC)
    start = add_months(now.replace(day=1, hour=0, minute=0, second=0, microsecond=0), -3)
    tenant = await tenants.create_tenant(connection, "due", start)
    metric = BillableMetric(
        id=str(uuid.uuid4()), name="calls", aggregation_type=Aggregation.SUM, aggregation_key="n", created_at=start
    )
    await metrics.insert(connection, tenant.id, metric)
    fixed = await _product(connection, tenant.id, ProductType.FIXED, None, start)
    end = add_months(start, 2)
    hours = [hour_number(add_months(start, month)) + 5 for month in (0, 1)]
    values = {
        "tenant": tenant.id, "start": start, "end": end, "frequency": str(Frequency.MONTHLY), "fixed": fixed,
        "usd": USD.id, "credit": CREDIT, "metric": metric.id, "used": USED, "hours": hours,
    }  # fmt: skip
    for name, number, measured in (("Customer", count, metric.id), ("Broken", broken, str(uuid.uuid4()))):
        card = await _card(connection, tenant.id, measured, start)
        await connection.execute(_CUSTOMERS, {**values, "name": name, "count": number, "card": card})


async def _product(
    connection: Connection, tenant_id: int, kind: ProductType, metric_id: str | None, at: datetime
) -> str:
    state = ProductState(name=kind.value.title(), created_at=at, created_by="test", billable_metric_id=metric_id)
    product = Product(id=str(uuid.uuid4()), type=kind, initial=state)
    await products.insert(connection, tenant_id, product)
    return product.id


async def _card(connection: Connection, tenant_id: int, metric_id: str, at: datetime) -> str:
    """Make a rate card with one product, at 100 cents a unit."""
    product = await _product(connection, tenant_id, ProductType.USAGE, metric_id, at)
    card = RateCard(id=str(uuid.uuid4()), name="card", created_at=at, created_by="test", fiat_credit_type_id=USD.id)
    await rate_cards.insert(connection, tenant_id, card)
    rate = NewRate(
        id=str(uuid.uuid4()),
        rate_card_id=card.id,
        product_id=product,
        price=Flat(Decimal(100)),
        entitled=True,
        starting_at=at - timedelta(days=1),
        credit_type_id=USD.id,
    )
    await rate_cards.add_rates(connection, tenant_id, [rate])
    return card.id
