"""Contract: what a customer agreed to."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from winkel.model.period import Frequency


class StatementSchedule(Struct, frozen=True):
    """When usage statements are made: every `frequency`, counted from `billing_anchor_date`."""

    frequency: Frequency
    billing_anchor_date: datetime


class Contract(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The rates, the term and the statement schedule of one customer (metronome-api.md §4.7).

    Its commits and credits are kept beside it (`model/commit.py`): they have a life and a ledger of their own.
    """

    id: str
    customer_id: str
    starting_at: datetime
    created_at: datetime
    created_by: str
    usage_statement_schedule: StatementSchedule
    rate_card_id: str | None = None
    ending_before: datetime | None = None
    name: str | None = None
    net_payment_terms_days: Decimal | None = None
    netsuite_sales_order_id: str | None = None
    salesforce_opportunity_id: str | None = None
    total_contract_value: Decimal | None = None
    uniqueness_key: str | None = None
    custom_fields: dict[str, str] = {}
    archived_at: datetime | None = None
