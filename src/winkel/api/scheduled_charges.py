"""Scheduled charges of request bodies → scheduled charges of a contract, and back (metronome-api.md §4.7, §10.1)."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct, structs

from winkel.api import fields, schedules, terms
from winkel.api.balance_views import InvoiceScheduleView, invoicing
from winkel.api.schedules import InvoiceScheduleIn
from winkel.api.wire import Ref
from winkel.bill.invoiced import Invoiced
from winkel.model.contract import Contract, Discount, ScheduledCharge
from winkel.model.product import Product, ProductType


class ScheduledChargeIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """What a contract asks for on dates."""

    product_id: UUID
    schedule: InvoiceScheduleIn
    name: fields.Text | None = None
    netsuite_sales_order_id: str | None = None
    custom_fields: fields.CustomFields = {}


class ScheduledChargeView(Struct, omit_defaults=True, kw_only=True):
    """A scheduled charge on the wire."""

    id: str
    product: Ref
    schedule: InvoiceScheduleView
    custom_fields: dict[str, str] = {}
    name: str | None = None
    netsuite_sales_order_id: str | None = None
    archived_at: datetime | None = None


def product_ids(asked: Sequence[ScheduledChargeIn]) -> set[str]:
    """Return the ids of the products that charges name."""
    return {str(each.product_id) for each in asked}


def scheduled_charge(asked: ScheduledChargeIn, known: Mapping[str, Product], place: str) -> ScheduledCharge:
    """Return the charge. Raises `InvalidError` where it contradicts itself or names no FIXED product."""
    return ScheduledCharge(**dated(asked, known, place))


def dated(asked: ScheduledChargeIn, known: Mapping[str, Product], place: str) -> dict[str, Any]:
    """Return the fields of a charge or a discount. Raises `InvalidError` as `scheduled_charge` does."""
    product = terms.product_of(ProductType.FIXED, asked.product_id, known, f"{place}.product_id")
    return {
        "id": str(uuid.uuid4()),
        "product_id": product.id,
        "schedule": schedules.invoice_schedule(asked.schedule, f"{place}.schedule"),
        "name": asked.name,
        "netsuite_sales_order_id": asked.netsuite_sales_order_id,
        "custom_fields": asked.custom_fields,
    }


def until(contract: Contract, end: datetime, invoiced: Invoiced) -> tuple[ScheduledCharge, ...]:
    """Return the charges of a contract that ends then: without the dates from its end on that are not invoiced yet."""
    return tuple(
        structs.replace(each, schedule=schedules.items_until(each.schedule, end, invoiced))
        for each in contract.scheduled_charges
    )


def scheduled_charge_view(made: ScheduledCharge, known: Mapping[str, Product]) -> ScheduledChargeView:
    """Return a charge for the wire; `known` has its product."""
    return ScheduledChargeView(**shown(made, known))


def shown(made: ScheduledCharge | Discount, known: Mapping[str, Product]) -> dict[str, Any]:
    """Return the fields of a charge or a discount on the wire."""
    product = known[made.product_id]
    return {
        "id": made.id,
        "product": Ref(product.id, product.initial.name),
        "schedule": invoicing(made.schedule),
        "custom_fields": made.custom_fields,
        "name": made.name,
        "netsuite_sales_order_id": made.netsuite_sales_order_id,
        "archived_at": made.archived_at,
    }
