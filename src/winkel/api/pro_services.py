"""Professional services of request bodies → those of a contract, and back (metronome-api.md §10.1: ProService)."""

import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

from msgspec import Struct

from winkel.api import fields
from winkel.api.terms import product_of
from winkel.model.money import plain
from winkel.model.pro_service import ProService
from winkel.model.product import Product, ProductType


class ProServiceIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """Work that a contract agrees, and what may be asked for it at most."""

    product_id: UUID
    unit_price: Decimal
    quantity: Decimal
    max_amount: Decimal
    description: str | None = None
    netsuite_sales_order_id: str | None = None
    custom_fields: fields.CustomFields = {}


class ProServiceView(Struct, omit_defaults=True, kw_only=True):
    """A professional service on the wire."""

    id: str
    product_id: str
    unit_price: Decimal
    quantity: Decimal
    max_amount: Decimal
    description: str | None = None
    netsuite_sales_order_id: str | None = None
    custom_fields: dict[str, str] = {}


def product_ids(asked: Sequence[ProServiceIn]) -> set[str]:
    """Return the ids of the products that services name."""
    return {str(each.product_id) for each in asked}


def pro_service(asked: ProServiceIn, known: Mapping[str, Product], place: str) -> ProService:
    """Return the service. Raises `InvalidError` unless it names a PRO_SERVICE product, and amounts that are amounts."""
    return ProService(
        id=str(uuid.uuid4()),
        product_id=product_of(ProductType.PRO_SERVICE, asked.product_id, known, f"{place}.product_id").id,
        unit_price=fields.number(asked.unit_price, f"{place}.unit_price"),
        quantity=fields.number(asked.quantity, f"{place}.quantity"),
        max_amount=fields.number(asked.max_amount, f"{place}.max_amount"),
        description=asked.description,
        netsuite_sales_order_id=asked.netsuite_sales_order_id,
        custom_fields=asked.custom_fields,
    )


def pro_service_view(made: ProService) -> ProServiceView:
    """Return a service for the wire."""
    return ProServiceView(
        id=made.id,
        product_id=made.product_id,
        unit_price=plain(made.unit_price),
        quantity=plain(made.quantity),
        max_amount=plain(made.max_amount),
        description=made.description,
        netsuite_sales_order_id=made.netsuite_sales_order_id,
        custom_fields=made.custom_fields,
    )
