"""Customers for the billing benchmarks: five usage lines, a commit and a credit each, and a period that is over.

The same customers twice: as accounts in memory, and as rows of a database, made by one statement.
"""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from msgspec import Struct

from winkel.model.account import Account
from winkel.model.commit import Balance, BalanceType, InvoiceSchedule, ScheduleItem, Segment
from winkel.model.contract import Contract, StatementSchedule
from winkel.model.credit_type import USD
from winkel.model.customer import Customer
from winkel.model.metric import Aggregation, BillableMetric
from winkel.model.period import Frequency, add_months, hour_number, month_start
from winkel.model.price import Flat
from winkel.model.product import Product, ProductState, ProductType
from winkel.model.rate_card import Rate, RateCard
from winkel.model.usage import HourUsage
from winkel.store import metrics, products, rate_cards, tenants
from winkel.store.database import Connection
from winkel.store.rate_cards import NewRate

PRICES = tuple(map(Decimal, ("0.25", "1", "2.5", "0.0375", "12")))
"""Cents a unit of each product."""
CREDIT, COMMIT = Decimal(1_000), Decimal(5_000)
BY = "bench"


def _id() -> str:
    return str(uuid.uuid4())


def begin(at: datetime) -> datetime:
    """Return the first instant of the period: three months ago, so that it is over whatever the time zone."""
    return add_months(month_start(at), -3)


class Catalog(Struct, frozen=True):
    """What all customers share."""

    start: datetime
    metrics: tuple[BillableMetric, ...]
    products: tuple[Product, ...]
    fixed: Product
    card: RateCard

    @classmethod
    def make(cls) -> "Catalog":
        """Return a rate card with one flat rate for each product."""
        start = begin(datetime.now(UTC))
        measured = tuple(
            BillableMetric(
                id=_id(), name=f"m{each}", aggregation_type=Aggregation.SUM, aggregation_key="n", created_at=start
            )
            for each in range(len(PRICES))
        )
        sold = tuple(
            Product(
                id=_id(),
                type=ProductType.USAGE,
                initial=ProductState(
                    name=f"Product {metric.name}", created_at=start, created_by=BY, billable_metric_id=metric.id
                ),
            )
            for metric in measured
        )
        fixed = Product(
            id=_id(),
            type=ProductType.FIXED,
            initial=ProductState(name="Prepaid", created_at=start, created_by=BY),
        )
        card = RateCard(id=_id(), name="bench", created_at=start, created_by=BY, fiat_credit_type_id=USD.id)
        return cls(start, measured, sold, fixed, card)

    @property
    def end(self) -> datetime:
        """When the contracts, and with them the one period, end."""
        return add_months(self.start, 1)

    def rates(self) -> Iterator[NewRate]:
        """Yield the rates of the card."""
        for product, price in zip(self.products, PRICES, strict=True):
            yield NewRate(
                id=_id(),
                rate_card_id=self.card.id,
                product_id=product.id,
                price=Flat(price),
                entitled=True,
                starting_at=self.start,
                credit_type_id=USD.id,
            )


def quantity(number: int, product: int) -> int:
    """Return how much of a product a customer used: below, between and above what its balances hold."""
    return (number * 7 + product * 13) % 1000 + 1


def expected(number: int) -> tuple[Fraction, Fraction, Fraction]:
    """Return what a customer is asked for, and what its credit and its commit pay: computed plainly, in fractions."""
    charged = sum(
        (Fraction(price) * quantity(number, product) for product, price in enumerate(PRICES)), start=Fraction(0)
    )
    credit = min(charged, Fraction(CREDIT))
    commit = min(charged - credit, Fraction(COMMIT))
    return charged - credit - commit, credit, commit


class Customers:
    """Accounts in memory, with their usage."""

    def __init__(self, catalog: Catalog, rows: int) -> None:
        """Make the usage of each product consist of so many rows; together they are `quantity`."""
        self._catalog = catalog
        self._rows = rows
        self._rates = tuple(
            Rate(
                id=each.id, rate_card_id=each.rate_card_id, product_id=each.product_id, price=each.price, entitled=True,
                starting_at=each.starting_at, number=number, credit_type_id=USD.id,
            )
            for number, each in enumerate(catalog.rates())
        )  # fmt: skip
        self._products = {each.id: each for each in (*catalog.products, catalog.fixed)}
        self._metrics = {each.id: each for each in catalog.metrics}

    def account(self, number: int) -> Account:
        """Return a customer's account."""
        catalog = self._catalog
        customer = Customer(id=_id(), name=f"c {number}", created_at=catalog.start, updated_at=catalog.start)
        contract = Contract(
            id=_id(),
            customer_id=customer.id,
            starting_at=catalog.start,
            ending_before=catalog.end,
            created_at=catalog.start,
            created_by=BY,
            usage_statement_schedule=StatementSchedule(Frequency.MONTHLY, catalog.start),
            rate_card_id=catalog.card.id,
        )
        return Account(
            customer=customer,
            contracts=(contract,),
            rates={catalog.card.id: self._rates},
            cards={catalog.card.id: catalog.card},
            products=self._products,
            metrics=self._metrics,
            balances=(self._balance(customer.id, contract.id), self._balance(customer.id, None)),
            entries=(),
            invoiced=frozenset(),
        )

    def usage(self, number: int) -> dict[str, list[HourUsage]]:
        """Return a customer's usage, as it is read from the database."""
        first = hour_number(self._catalog.start)
        found = {}
        for index, metric in enumerate(self._catalog.metrics):
            whole = Decimal(quantity(number, index))
            values = [Decimal(0)] * (self._rows - 1) + [whole]
            found[metric.id] = [
                HourUsage("customer", (), first + 24 * day, value=value) for day, value in enumerate(values)
            ]
        return found

    def _balance(self, customer_id: str, contract_id: str | None) -> Balance:
        """Return a prepaid commit of the contract, or without one a credit of the customer."""
        start = self._catalog.start
        item = ScheduleItem(id=_id(), timestamp=start, amount=COMMIT, quantity=Decimal(1), unit_price=COMMIT)
        return Balance(
            id=_id(),
            type=BalanceType.PREPAID if contract_id else BalanceType.CREDIT,
            customer_id=customer_id,
            contract_id=contract_id,
            product_id=self._catalog.fixed.id,
            credit_type_id=USD.id,
            segments=(Segment(_id(), COMMIT if contract_id else CREDIT, start, start + timedelta(days=365)),),
            created_at=start,
            created_by=BY,
            priority=Decimal(1),
            invoice_schedule=InvoiceSchedule(credit_type_id=USD.id, schedule_items=(item,), do_not_invoice=True)
            if contract_id
            else None,
        )


_ROWS = """
WITH numbered AS (
    SELECT number, gen_random_uuid() AS customer_id, gen_random_uuid() AS contract_id
    FROM generate_series(%(low)s, %(high)s - 1) AS number
), made AS (
    INSERT INTO customer (tenant_id, id, name, created_at, updated_at)
    SELECT %(tenant)s, customer_id, 'c ' || number, %(start)s, %(start)s FROM numbered
), agreed AS (
    INSERT INTO contract (tenant_id, id, customer_id, rate_card_id, starting_at, ending_before,
                          usage_statement_schedule, created_at, created_by)
    SELECT %(tenant)s, contract_id, customer_id, %(card)s, %(start)s, %(end)s,
           jsonb_build_object('frequency', 'MONTHLY', 'billing_anchor_date', %(start)s::timestamptz), %(start)s, 'bench'
    FROM numbered
), given AS (
    INSERT INTO balance (tenant_id, id, type, customer_id, contract_id, product_id, credit_type_id, segments, priority,
                         rate_type, invoice_schedule, created_at, created_by)
    SELECT %(tenant)s, gen_random_uuid(), kind, customer_id, CASE WHEN kind = 'PREPAID' THEN contract_id END, %(fixed)s,
           %(usd)s::uuid,
           jsonb_build_array(jsonb_build_object('id', gen_random_uuid(), 'amount', amount, 'starting_at',
               %(start)s::timestamptz, 'ending_before', %(start)s::timestamptz + interval '1 year')),
           1, 'LIST_RATE', CASE WHEN kind = 'PREPAID' THEN jsonb_build_object('credit_type_id', %(usd)s::uuid,
               'do_not_invoice', true, 'schedule_items', jsonb_build_array(jsonb_build_object(
                   'id', gen_random_uuid(), 'timestamp', %(start)s::timestamptz, 'amount', amount, 'quantity', 1,
                   'unit_price', amount))) END, %(start)s, 'bench'
    FROM numbered, (VALUES ('PREPAID', %(commit)s::int), ('CREDIT', %(credit)s::int)) AS kinds (kind, amount)
), series AS (
    SELECT gen_random_uuid() AS series_id, metric_id, customer_id, number, index
    FROM numbered, unnest(%(metrics)s::uuid[]) WITH ORDINALITY AS metric (metric_id, index)
), named AS (
    INSERT INTO usage_series
    SELECT %(tenant)s, series_id, metric_id, customer_id::text, 0, '{}', 'SUM' FROM series
)
INSERT INTO usage_hour (tenant_id, series_id, hour, quantity)
SELECT %(tenant)s, series_id, %(hour)s, (number * 7 + (index - 1) * 13) %% 1000 + 1 FROM series
"""
_AT_ONCE = 50_000


async def fill(connection: Connection, count: int) -> None:
    """Make a tenant with so many customers that are due."""
    catalog = Catalog.make()
    tenant = await tenants.create_tenant(connection, "bench", catalog.start)
    for metric in catalog.metrics:
        await metrics.insert(connection, tenant.id, metric)
    for product in (*catalog.products, catalog.fixed):
        await products.insert(connection, tenant.id, product)
    await rate_cards.insert(connection, tenant.id, catalog.card)
    await rate_cards.add_rates(connection, tenant.id, list(catalog.rates()))
    values = {
        "tenant": tenant.id, "card": catalog.card.id, "fixed": catalog.fixed.id, "usd": USD.id,
        "metrics": [each.id for each in catalog.metrics], "start": catalog.start, "end": catalog.end,
        "hour": hour_number(catalog.start), "commit": int(COMMIT), "credit": int(CREDIT),
    }  # fmt: skip
    for low in range(0, count, _AT_ONCE):
        await connection.execute(_ROWS, values | {"low": low, "high": min(count, low + _AT_ONCE)})
    await connection.execute("ANALYZE")
