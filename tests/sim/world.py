"""The nouns of a simulated world: what is sold, who buys, what arrives. Plain data; nothing of Winkel in it.

Numbers are decimal text, so that generator, oracle and Winkel each read the same digits in their own way.
"""

from datetime import UTC, datetime, timedelta

from msgspec import Struct, field

Values = tuple[tuple[str, str], ...]
"""(property, value) pairs."""
QUANTITY = "units of what is used"
"""In the place of a currency: what a balance holds that pays by units, not by what they cost."""


class Condition(Struct, frozen=True):
    """A property filter of a metric."""

    name: str
    exists: bool | None = None
    in_values: tuple[str, ...] | None = None
    not_in_values: tuple[str, ...] | None = None


class Metric(Struct, frozen=True):
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


class Terms(Struct, frozen=True):
    """What an invoice line depends on, for a product at one time. Without a metric it is a FIXED product."""

    name: str
    metric_id: str | None = None
    pricing_keys: tuple[str, ...] = ()
    presentation_keys: tuple[str, ...] = ()
    conversion: tuple[str, str] | None = None
    """(MULTIPLY or DIVIDE, factor)."""
    rounding: tuple[str, int] | None = None
    """(method, decimal places)."""
    tags: tuple[str, ...] = ()
    shared_products: tuple[str, ...] = ()
    """Of a COMPOSITE product: those of whose spend it asks for a share."""
    shared_tags: tuple[str, ...] = ()
    """The same, of products with any of these tags."""
    without_free: bool = False
    with_composites: bool = False


class Product(Struct, frozen=True):
    """A product: its first terms, and (starting at, terms) from later instants on. Its rates come with it."""

    id: str
    first: Terms
    made_at: datetime
    later: tuple[tuple[datetime, Terms], ...] = ()
    type: str | None = None
    """None: USAGE with a metric, and FIXED without."""


class Price(Struct, frozen=True):
    """A price: FLAT or TIERED, of a COMPOSITE product PERCENTAGE or TIERED_PERCENTAGE.

    `tiers` are (size, unit price); a flat price is one tier without a size.
    """

    kind: str
    tiers: tuple[tuple[str | None, str], ...]
    quantity: str | None = None
    """Of a SUBSCRIPTION price, which is flat: how many units every contract is charged for."""
    formula: str | None = None
    """Of a CUSTOM price, which is flat and zero: by what somebody else works it out."""


class Rate(Struct, frozen=True):
    """The price of a product on a card, for one combination of pricing group values."""

    id: str
    card_id: str
    product_id: str
    price: Price
    starting_at: datetime
    ending_before: datetime | None
    entitled: bool
    values: Values
    number: int
    """The order in which rates were added."""
    commit: Price | None = None
    """What units cost that a balance at commit rates pays for."""
    frequency: str | None = None
    """Of a SUBSCRIPTION product: for how long the price is."""
    unit: str | None = None
    """The custom pricing unit that the price is in; None: the currency of the card. One for each product on a card."""


class Specifier(Struct, frozen=True):
    """One way to be meant; all parts must match."""

    product_id: str | None = None
    tags: tuple[str, ...] = ()
    pricing: Values = ()
    presentation: Values = ()
    balance_ids: tuple[str, ...] = ()
    """Of an override for commits: the balances that pay; none: any."""
    frequency: str | None = None
    """Of an override: the subscriptions with a price for so long."""


class Override(Struct, frozen=True):
    """How a contract's rates differ from its card's. `type` is None when it only says who is entitled."""

    id: str
    type: str | None
    starting_at: datetime
    ending_before: datetime | None = None
    entitled: bool | None = None
    product_id: str | None = None
    tags: tuple[str, ...] = ()
    specifiers: tuple[Specifier, ...] = ()
    price: Price | None = None
    multipliers: tuple[tuple[str | None, str], ...] = ()
    """(size, multiplier): one without a size of a MULTIPLIER, several of a TIERED override."""
    priority: str | None = None
    for_commits: bool = False
    """Whether it is only for units that balances pay for."""
    target: str = "LIST_RATE"
    """Of one for commits: which of the two prices it changes."""
    unit: str | None = None
    """Of an OVERWRITE: the currency or the custom pricing unit that its price is in; None: that of the rate."""


class Item(Struct, frozen=True):
    """A date on which something is asked for: quantity × unit price."""

    id: str
    at: datetime
    quantity: str
    unit_price: str


class Schedule(Struct, frozen=True):
    """The dates on which something is asked for, and in which currency."""

    currency: str
    items: tuple[Item, ...]
    do_not_invoice: bool = False


class ScheduledCharge(Struct, frozen=True):
    """What a contract asks for on dates, or as a discount takes off; without a name it has that of its product."""

    id: str
    product_id: str
    name: str | None
    schedule: Schedule
    archived_at: datetime | None = None


class Follows(Struct, frozen=True):
    """The subscription whose seats give to a recurring commit or credit."""

    subscription_id: str
    individual: bool
    """Whether each id that has a seat gets a part of its own."""
    prorated: bool
    """Whether seats that come within a period give a share of it."""


class SeatTerms(Struct, frozen=True):
    """How the seats of a subscription give to a child of a recurring term."""

    follows: Follows
    amount: str
    """What one seat gives for a whole period."""
    whole: tuple[datetime, datetime]
    part: tuple[datetime, datetime]
    """Of the whole period: for which of it something is given."""
    rounding: tuple[str, int] | None
    key: str
    """The property that names who has a seat."""


class Recurring(Struct, frozen=True):
    """A recurring commit or credit: what each period of a term gives, and asks for."""

    id: str
    type: str
    product_id: str
    currency: str
    """Or a custom pricing unit, or `QUANTITY`."""
    amount: tuple[str, str]
    """(quantity, unit price) of what a whole period gives."""
    priority: str
    starting_at: datetime
    ending_before: datetime | None = None
    duration: int = 1
    """For how many periods a child may be used, its own included."""
    rollover: str | None = None
    """That of its children."""
    asked: tuple[str, str] | None = None
    """The same, of what the customer is asked to pay."""
    asked_currency: str = "USD"
    frequency: str | None = None
    """None: that of usage statements."""
    proration: str = "FIRST_AND_LAST"
    rounding: tuple[str, int] | None = None
    """(method, decimal places) of a share of the amount."""
    asked_rounding: tuple[str, int] | None = None
    name: str | None = None
    product_ids: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    specifiers: tuple[Specifier, ...] = ()
    rate_type: str = "LIST_RATE"
    child_access: str | None = None
    child_ids: tuple[str, ...] = ()
    follows: Follows | None = None
    """Then the amount is what one seat gives."""


class SeatChange(Struct, frozen=True):
    """From an instant on there are other seats: first some go, then some come."""

    starting_at: datetime
    added: tuple[str, ...] = ()
    added_unassigned: int = 0
    removed: tuple[str, ...] = ()
    removed_unassigned: int = 0
    said_at: datetime | None = None
    """When it was asked for; None: with the subscription, or when that got seats."""


class Change(Struct, frozen=True):
    """From an instant on a quantity is another one, or so much more or less."""

    starting_at: datetime
    quantity: str | None = None
    delta: str | None = None
    said_at: datetime | None = None
    """When it was asked for; None: with the subscription."""


class Subscription(Struct, frozen=True):
    """So many of a SUBSCRIPTION product for so long, charged once a period."""

    id: str
    product_id: str
    frequency: str
    collection: str
    """ADVANCE or ARREARS."""
    starting_at: datetime
    anchor: datetime
    changes: tuple[Change, ...]
    """In the order in which they were asked for; the first is the quantity at the start."""
    ending_before: datetime | None = None
    prorated: bool = False
    at_once: bool = False
    """Whether an increase is charged at once, or when the period ends."""
    rounding: tuple[str, int] | None = None
    """(method, decimal places) of the unit price of a part."""
    scheduled: bool = False
    """Whether it is on scheduled invoices only."""
    name: str | None = None
    known_at: datetime = datetime(2020, 1, 1, tzinfo=UTC)
    """When it was agreed."""
    seat_key: str | None = None
    """The property that names who has a seat; None: it has a quantity."""
    seat_changes: tuple[SeatChange, ...] = ()
    """In the order in which they were asked for; the first are the seats at the start."""
    seats_from: datetime | None = None
    """When it was agreed that what was a quantity, by its `changes`, has seats; None: it had them before."""


class Service(Struct, frozen=True):
    """A professional service: what a unit costs, how many are expected, and the most that may be asked for."""

    id: str
    product_id: str
    unit_price: str
    quantity: str
    max_amount: str


class Rendered(Struct, frozen=True):
    """What is asked for of a service: an amount, or a quantity, at the agreed unit price or at another one."""

    service_id: str
    amount: str | None = None
    quantity: str | None = None
    unit_price: str | None = None


class ServiceRequest(Struct, frozen=True):
    """An invoice for professional services, asked for at a time; `at` is its date."""

    id: str
    said_at: datetime
    at: datetime
    rendered: tuple[Rendered, ...]

    def item_id(self, number: int) -> str:
        """Return the id of one of its lines."""
        return f"{self.id}.{number}"


class Filter(Struct, frozen=True):
    """From an instant on a contract counts only usage that has one of these values; the next one takes its place."""

    name: str
    values: tuple[str, ...]
    starting_at: datetime


class Parent(Struct, frozen=True):
    """The contract of another customer whose child a contract is."""

    customer_id: str
    contract_id: str
    pays: bool = False
    """Whether it pays the child's invoices."""
    joins: bool = False
    """Whether the child's statements are on its consolidated invoices."""


class Contract(Struct, frozen=True):
    """A contract: which card, from when to when, how its periods are counted, and what is special about it."""

    id: str
    customer_id: str
    card_id: str
    starting_at: datetime
    ending_before: datetime | None
    frequency: str
    anchor: datetime
    created_at: datetime
    overrides: tuple[Override, ...] = ()
    """In the order in which they were added."""
    prioritization: str = "LOWEST_MULTIPLIER"
    charges: tuple[ScheduledCharge, ...] = ()
    filters: tuple[Filter, ...] = ()
    """In the order in which they were added."""
    recurring: tuple[Recurring, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    discounts: tuple[ScheduledCharge, ...] = ()
    on_statements: bool = False
    """Whether what is asked for on the last day of a period stands on its usage statement."""
    renews: str | None = None
    """The older contract of which it gets what rolls over. It is known from when the end of that one is said."""
    parent: Parent | None = None
    consolidates: bool = False
    """Of a parent: whether there are consolidated invoices."""
    services: tuple[Service, ...] = ()
    service_requests: tuple[ServiceRequest, ...] = ()
    """In the order in which they were asked for."""
    statements_from: datetime | None = None
    """The start of its first billing period whose statement is made by itself; None: of all."""


class End(Struct, frozen=True):
    """A contract is told to end earlier than it did; when it is renewed, where the other one begins."""

    contract_id: str
    said_at: datetime
    ending_before: datetime
    renewed_by: str | None = None
    true_ups: bool = True
    """Of a renewal: whether true-ups with a date from then on are asked for all the same."""


class Segment(Struct, frozen=True):
    """An amount that may be used from one instant until another."""

    id: str
    amount: str
    starting_at: datetime
    ending_before: datetime


class Balance(Struct, frozen=True):
    """A commit or a credit; without a name it has that of its product. It is known from `created_at` on.

    A POSTPAID commit has one segment, and one date in its schedule: that of its true-up.
    """

    id: str
    type: str
    customer_id: str
    product_id: str
    currency: str
    """Or a custom pricing unit, or `QUANTITY`."""
    contract_id: str | None
    priority: str
    segments: tuple[Segment, ...]
    created_at: datetime
    name: str | None = None
    product_ids: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    specifiers: tuple[Specifier, ...] = ()
    contract_ids: tuple[str, ...] = ()
    schedule: Schedule | None = None
    """What the customer is asked to pay for it."""
    invoice_contract_id: str | None = None
    """The contract on whose invoices it is asked for; None: its own."""
    rate_type: str = "LIST_RATE"
    rollover: str | None = None
    """Which fraction of the amount of a segment rolls over when its contract is renewed."""
    rolled_from: str | None = None
    """The balance of the older contract of which it was left."""
    paid_before: bool = False
    """Whether that one was asked for."""
    child_access: str | None = None
    """Of a parent contract: for which children it is too: ALL, NONE or CONTRACT_IDS."""
    child_ids: tuple[str, ...] = ()
    seats: SeatTerms | None = None
    archived_at: datetime | None = None


class Entry(Struct, frozen=True):
    """A manual entry of a balance's ledger; it is known from its own time on."""

    id: str
    balance_id: str
    segment_id: str
    amount: str
    at: datetime


class Customer(Struct, frozen=True):
    """A customer, and (alias, from when on it is known) of its aliases."""

    id: str
    name: str
    aliases: tuple[tuple[str, datetime], ...]


class Event(Struct, frozen=True):
    """A usage event. `properties` is the JSON text of an object, as the client wrote it."""

    transaction_id: str
    source: str
    customer: str
    type: str
    at: datetime
    properties: str


class Request(Struct, frozen=True):
    """Events that a client sends together, and when."""

    at: datetime
    events: tuple[Event, ...]


class Counted(Struct, frozen=True):
    """An event that a metric counted, under the identifier that it carried."""

    metric_id: str
    customer: str
    at: datetime
    transaction_id: str
    values: tuple[tuple[str, str | None], ...]
    """The properties that are group keys; None where the event had no such property."""
    value: str = "1"
    """The number, or for UNIQUE the text."""
    known_at: datetime = datetime(2020, 1, 1, tzinfo=UTC)
    """When it was metered."""

    @property
    def hour(self) -> datetime:
        """When its hour began."""
        return self.at.replace(minute=0, second=0, microsecond=0)


class Tenant(Struct):
    """All of one tenant. `id` is 0 until it is made."""

    name: str
    customers: list[Customer] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)
    products: list[Product] = field(default_factory=list)
    cards: dict[str, str] = field(default_factory=dict)
    """Rate card id → its currency."""
    units: tuple[str, ...] = ()
    """Custom pricing units."""
    worths: dict[tuple[str, str], str] = field(default_factory=dict)
    """(rate card id, custom unit) → what one of it is worth in the currency of the card."""
    orders: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Rate card id → products in the order that was set for it; the others come after them."""
    rates: list[Rate] = field(default_factory=list)
    contracts: list[Contract] = field(default_factory=list)
    balances: list[Balance] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    id: int = 0


class Correction(Struct, frozen=True):
    """A final invoice is voided, or a void one made anew, when invoices are looked at, or before they are again."""

    at: datetime
    kind: str
    """VOID or REGENERATE."""
    number: int
    """Which one, among all that can be."""


class Edit(Struct, frozen=True):
    """From an instant on something else is agreed, all of it or nothing: what goes, what changes, what is new."""

    contract_id: str
    said_at: datetime
    removed: tuple[str, ...] = ()
    """Overrides."""
    archived: tuple[str, ...] = ()
    """Commits, credits, charges and discounts of the contract."""
    items: tuple[Item, ...] = ()
    """Dates of commits, charges and discounts that are so from now on."""
    segments: tuple[Segment, ...] = ()
    """Parts of commits and credits that are so from now on."""
    recurring: tuple[Recurring, ...] = ()
    """Terms that are so from now on, for the children to come."""
    overrides: tuple[Override, ...] = ()
    charges: tuple[ScheduledCharge, ...] = ()
    discounts: tuple[ScheduledCharge, ...] = ()
    filters: tuple[Filter, ...] = ()
    balances: tuple[Balance, ...] = ()


class Move(Struct, frozen=True):
    """An open scheduled invoice gets another date of issue."""

    said_at: datetime
    number: int
    """Which one, among all that are open."""
    to: datetime


class Given(Struct, frozen=True):
    """A quantity of an imported invoice: so many sold units of a product, used from an instant on."""

    product_id: str
    quantity: str
    at: datetime
    pricing: Values = ()
    presentation: Values = ()


class Import(Struct, frozen=True):
    """A past usage statement that somebody brings along: of which period, and quantities in place of usage."""

    at: datetime
    contract_id: str
    start: datetime
    given: tuple[Given, ...]


class Preview(Struct, frozen=True):
    """Events that nobody sent, as they would count for a customer."""

    at: datetime
    customer_id: str
    merge: bool
    """Whether they count beside its usage, or instead of it."""
    events: tuple[Counted, ...]


class Case(Struct, frozen=True):
    """What a customer, or a family, agreed to and used, and the instants at which its invoices are made final."""

    seed: int
    tenant: Tenant
    counted: tuple[Counted, ...]
    looks: tuple[datetime, ...]
    grace: timedelta
    corrections: tuple[Correction, ...] = ()
    """In the order in which they are asked for."""
    edits: tuple[Edit, ...] = ()
    """In the order in which they are asked for."""
    moves: tuple[Move, ...] = ()
    """In the order in which they are asked for."""
    imports: tuple[Import, ...] = ()
    """Each at an instant at which invoices are looked at, before that."""
    previews: tuple[Preview, ...] = ()
    """Each at an instant at which invoices are looked at."""
    cuts: tuple[datetime, ...] = ()
    """Where drafts of statements are cut into windows, in order."""
