"""One shape, three forms: the fields of a stored type are the columns of its table."""

from typing import Any

import pytest
from msgspec import structs

from winkel.model.commit import Balance
from winkel.model.contract import Contract
from winkel.model.credit_type import CreditType
from winkel.model.customer import Customer
from winkel.model.edit import ContractEdit
from winkel.model.invoice import Invoice
from winkel.model.ledger import LedgerEntry
from winkel.model.metric import BillableMetric
from winkel.model.named_schedule import NamedSchedule
from winkel.model.package import Package
from winkel.model.product import Product
from winkel.model.rate_card import Rate, RateCard
from winkel.model.tenant import Tenant, Token
from winkel.model.usage import DeadLetter, Delta, Series
from winkel.store import database

pytestmark = pytest.mark.anyio

TABLES: dict[str, type[Any]] = {
    "tenant": Tenant,
    "token": Token,
    "customer": Customer,
    "billable_metric": BillableMetric,
    "product": Product,
    "rate_card": RateCard,
    "rate": Rate,
    "contract": Contract,
    "balance": Balance,
    "invoice": Invoice,
    "ledger_entry": LedgerEntry,
    "contract_edit": ContractEdit,
    "credit_type": CreditType,
    "named_schedule": NamedSchedule,
    "package": Package,
    "usage_series": Series,
    "usage_delta": Delta,
    "dead_letter": DeadLetter,
}
ELSEWHERE = {
    ("customer", "ingest_aliases"): "rows of ingest_alias, so that an alias has one holder",
    ("credit_type", "is_currency"): "never: currencies are not kept",
    ("rate_card", "aliases"): "rows of alias, so that a name has one card at a time",
    ("rate", "position"): "rows of rate_card_product, one for each product of a card",
    ("package", "aliases"): "rows of alias, so that a name has one package at a time",
}
"""Fields that are kept in a table of their own."""
COLUMNS_ONLY = {
    ("token", "hash"): "the secret's hash never leaves the database",
    ("product", "created_at"): "the order of lists; the same as initial.created_at",
    ("usage_series", "series_id"): "computed from the fields: Series.id",
    ("dead_letter", "id"): "the order of lists",
    ("contract_edit", "number"): "the order of edits",
    ("contract", "parent_customer_id"): "computed from as_child: who belongs to a family is looked up by it",
    ("contract", "parent_contract_id"): "computed from as_child: the parent is a contract of the same tenant",
    ("dead_letter", "topic"): "the topic of the worker that wrote it",
    **{
        ("dead_letter", name): "what became of it since (store/dead_letters.py)"
        for name in ("attempts", "note", "resolved_at", "resolution", "published_at")
    },
}
"""Columns that are no field."""


async def test_fields_are_columns(database_url: str) -> None:
    """Neither a field without a column nor a column without a field, except those listed with a reason."""
    connection = await database.connect(database_url)
    for table, kind in TABLES.items():
        rows = await connection.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = %s",
            (table,),
        )
        columns = {row["column_name"] for row in await rows.fetchall()}
        columns -= {name for owner, name in COLUMNS_ONLY if owner == table}
        fields = {each.name for each in structs.fields(kind)} - {name for owner, name in ELSEWHERE if owner == table}
        assert columns - {"tenant_id"} == fields - {"tenant_id"}, table
    await connection.close()
