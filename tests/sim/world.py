"""The nouns of a simulated world: what is sold, who buys, what arrives. Plain data; nothing of Winkel in it.

Numbers are decimal text, so that generator, oracle and Winkel each read the same digits in their own way.
"""

from dataclasses import dataclass, field
from datetime import datetime

Values = tuple[tuple[str, str], ...]
"""(property, value) pairs."""


@dataclass(frozen=True)
class Condition:
    """A property filter of a metric."""

    name: str
    exists: bool | None = None
    in_values: tuple[str, ...] | None = None
    not_in_values: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Metric:
    """A billable metric; `made_at` is the instant from which on the meter knows it."""

    id: str
    name: str
    aggregation: str
    key: str | None
    in_types: tuple[str, ...] | None
    not_in_types: tuple[str, ...] | None
    conditions: tuple[Condition, ...]
    group_keys: tuple[tuple[str, ...], ...]
    made_at: datetime


@dataclass(frozen=True)
class Terms:
    """What an invoice line depends on, for a product at one time."""

    name: str
    metric_id: str
    pricing_keys: tuple[str, ...] = ()
    presentation_keys: tuple[str, ...] = ()
    conversion: tuple[str, str] | None = None
    """(MULTIPLY or DIVIDE, factor)."""
    rounding: tuple[str, int] | None = None
    """(method, decimal places)."""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Product:
    """A usage product: its first terms, and (starting at, terms) from later instants on. Its rates come with it."""

    id: str
    first: Terms
    made_at: datetime
    later: tuple[tuple[datetime, Terms], ...] = ()


@dataclass(frozen=True)
class Rate:
    """A price of a product. `tiers` are (size, unit price); a flat price is one tier without a size."""

    id: str
    card_id: str
    product_id: str
    kind: str
    tiers: tuple[tuple[str | None, str], ...]
    starting_at: datetime
    ending_before: datetime | None
    entitled: bool
    values: Values
    number: int


@dataclass(frozen=True)
class Contract:
    """A contract: which card, from when to when, and how its periods are counted."""

    id: str
    customer_id: str
    card_id: str
    starting_at: datetime
    ending_before: datetime | None
    frequency: str
    anchor: datetime
    created_at: datetime


@dataclass(frozen=True)
class Segment:
    """An amount that may be used from one instant until another."""

    id: str
    amount: str
    starting_at: datetime
    ending_before: datetime


@dataclass(frozen=True)
class Specifier:
    """One way in which a balance is applicable; all parts must match."""

    product_id: str | None = None
    tags: tuple[str, ...] = ()
    pricing: Values = ()
    presentation: Values = ()


@dataclass(frozen=True)
class Balance:
    """A prepaid commit or a credit."""

    id: str
    type: str
    customer_id: str
    contract_id: str | None
    priority: str
    segments: tuple[Segment, ...]
    created_at: datetime
    product_ids: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    specifiers: tuple[Specifier, ...] = ()
    contract_ids: tuple[str, ...] = ()
    invoice_items: tuple[tuple[str, datetime, str], ...] = ()
    """(id, date, amount) of what the customer is asked to pay for it."""
    do_not_invoice: bool = False


@dataclass(frozen=True)
class Customer:
    """A customer, and (alias, from when on it is known) of its aliases."""

    id: str
    name: str
    aliases: tuple[tuple[str, datetime], ...]


@dataclass(frozen=True)
class Event:
    """A usage event. `properties` is the JSON text of an object, as the client wrote it."""

    transaction_id: str
    source: str
    customer: str
    type: str
    at: datetime
    properties: str


@dataclass(frozen=True)
class Request:
    """Events that a client sends together, and when."""

    at: datetime
    events: tuple[Event, ...]


@dataclass
class Tenant:
    """All of one tenant. `id` is 0 until it is made."""

    name: str
    customers: list[Customer] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)
    products: list[Product] = field(default_factory=list)
    fixed_product_id: str = ""
    card_ids: list[str] = field(default_factory=list)
    rates: list[Rate] = field(default_factory=list)
    contracts: list[Contract] = field(default_factory=list)
    balances: list[Balance] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    id: int = 0
