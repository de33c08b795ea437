"""Commits and credits of request bodies → balances (metronome-api.md §4.7)."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from msgspec import Struct, structs

from winkel.api import fields, schedules
from winkel.api.hierarchy import BalanceHierarchyIn, child_access
from winkel.api.schedules import AccessScheduleIn, InvoiceScheduleIn
from winkel.model import money
from winkel.model.commit import AccessType, Balance, BalanceType, RateSide, Segment, Specifier
from winkel.model.product import Product, ProductType
from winkel.model.word import Word
from winkel.store import products
from winkel.store.database import Connection

PRIORITY = Decimal(100)
"""The priority of a contract's commit or credit that names none (metronome-api.md §4.7, threshold commits)."""

NOT_YET = frozenset({"spend_tracker_attributes", "temporary_id", "payment_gate_config"})
"""Fields of commits and credits that the Metronome API has and that Winkel does not know yet."""


class CommitType(Word):
    """When a commit is paid."""

    PREPAID = "PREPAID"
    POSTPAID = "POSTPAID"


class PayingIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """What all commits and credits say, recurring or not: their name, what they pay for, and in which order."""

    product_id: UUID
    applicable_product_ids: list[UUID] = []
    applicable_product_tags: list[fields.Text] = []
    specifiers: list[Specifier] = []
    name: str | None = None
    description: str | None = None
    netsuite_sales_order_id: str | None = None
    priority: Decimal | None = None
    rate_type: RateSide = RateSide.LIST_RATE


class TermsIn(PayingIn, kw_only=True):
    """What all commits and credits are made of that do not recur."""

    access_schedule: AccessScheduleIn
    custom_fields: fields.CustomFields = {}


class CreditIn(TermsIn, kw_only=True):
    """A credit of a contract."""

    rollover_fraction: Decimal | None = None
    hierarchy_configuration: BalanceHierarchyIn | None = None


class CommitIn(CreditIn, kw_only=True):
    """A commit of a contract. `amount` is legacy: the access schedule has it."""

    type: CommitType
    amount: Decimal | None = None
    invoice_schedule: InvoiceScheduleIn | None = None


class CustomerCreditIn(TermsIn, kw_only=True):
    """The body of customerCredits/create."""

    customer_id: UUID
    priority: Decimal
    applicable_contract_ids: list[UUID] = []
    salesforce_opportunity_id: str | None = None
    uniqueness_key: fields.UniquenessKey | None = None


class CustomerCommitIn(CustomerCreditIn, kw_only=True):
    """The body of customerCommits/create."""

    type: CommitType
    invoice_schedule: InvoiceScheduleIn | None = None
    invoice_contract_id: UUID | None = None


class Origin(Struct, frozen=True, kw_only=True):
    """Whose balance it is, and who made it when."""

    customer_id: str
    contract_id: str | None
    created_at: datetime
    created_by: str


async def known_products(tx: Connection, tenant_id: int, terms: Iterable[TermsIn]) -> dict[str, Product]:
    """Return the products that these terms name, as far as they exist."""
    return await products.by_ids(tx, tenant_id, sorted(product_ids(terms)))


def product_ids(terms: Iterable[PayingIn]) -> set[str]:
    """Return the ids of the products that these terms name."""
    ids = {str(each.product_id) for each in terms}
    ids |= {str(product) for each in terms for product in each.applicable_product_ids}
    return ids | named_by(spec for each in terms for spec in each.specifiers)


def named_by(specifiers: Iterable[Specifier]) -> set[str]:
    """Return the ids of the products that specifiers name; what is no id names none (`check_targets` refuses it)."""
    named = {canonical(each).product_id for each in specifiers}
    return {each for each in named if each and _is_id(each)}


def commit(asked: CommitIn | CustomerCommitIn, origin: Origin, known: Mapping[str, Product], place: str) -> Balance:
    """Return a commit. Raises `InvalidError` where the terms contradict themselves or name unknown products."""
    balance = _balance(BalanceType(asked.type), asked, origin, known, place)
    if asked.type is CommitType.POSTPAID and balance.access_type is AccessType.QUANTITY:
        message = "a POSTPAID commit asks for as much as it promises, and QUANTITY promises units: make it PREPAID"
        fields.refuse(message, f"{place}.access_schedule.access_type")
    if asked.invoice_schedule is not None:
        schedule = schedules.invoice_schedule(asked.invoice_schedule, f"{place}.invoice_schedule")
        balance = structs.replace(balance, invoice_schedule=schedule)
    if asked.type is CommitType.POSTPAID:
        check_postpaid(balance, place)
    if isinstance(asked, CommitIn):
        _check_legacy_amount(asked, balance.segments, place)
    elif asked.invoice_contract_id is not None:
        balance = structs.replace(balance, invoice_contract_id=str(asked.invoice_contract_id))
    check_payer(balance, place)
    return balance


def credit(asked: CreditIn | CustomerCreditIn, origin: Origin, known: Mapping[str, Product], place: str) -> Balance:
    """Return a credit. Raises `InvalidError` where the terms contradict themselves or name unknown products."""
    return _balance(BalanceType.CREDIT, asked, origin, known, place)


def _balance(kind: BalanceType, asked: TermsIn, origin: Origin, known: Mapping[str, Product], place: str) -> Balance:
    """Return the balance without what only commits have."""
    check_products(asked, known, place)
    unit, segments = schedules.segments(asked.access_schedule, f"{place}.access_schedule")
    balance = Balance(
        id=str(uuid.uuid4()),
        type=kind,
        customer_id=origin.customer_id,
        contract_id=origin.contract_id,
        created_at=origin.created_at,
        created_by=origin.created_by,
        product_id=str(asked.product_id),
        credit_type_id=unit,
        segments=segments,
        priority=PRIORITY if asked.priority is None else fields.finite(asked.priority, f"{place}.priority"),
        name=asked.name,
        description=asked.description,
        applicable_product_ids=tuple(str(each) for each in asked.applicable_product_ids),
        applicable_product_tags=tuple(asked.applicable_product_tags),
        specifiers=tuple(canonical(each) for each in asked.specifiers),
        rate_type=asked.rate_type,
        netsuite_sales_order_id=asked.netsuite_sales_order_id,
        custom_fields=asked.custom_fields,
    )
    if isinstance(asked, CustomerCreditIn):
        return structs.replace(
            balance,
            applicable_contract_ids=tuple(str(each) for each in asked.applicable_contract_ids),
            salesforce_opportunity_id=asked.salesforce_opportunity_id,
            uniqueness_key=asked.uniqueness_key,
        )
    assert isinstance(asked, CreditIn), "terms belong to a contract or to a customer"
    return structs.replace(
        balance,
        rollover_fraction=fraction(asked.rollover_fraction, f"{place}.rollover_fraction"),
        child_access=child_access(asked.hierarchy_configuration),
    )


def fraction(asked: Decimal | None, place: str) -> Decimal | None:
    """Return the fraction. Raises `InvalidError` outside 0…1 (metronome-api.md §9)."""
    found = fields.number_or_none(asked, place)
    if found is not None and found > 1:
        fields.refuse("must lie between 0 and 1", place)
    return found


def check_postpaid(commit: Balance, place: str) -> None:
    """Raise `InvalidError` unless a postpaid commit promises one amount and is trued up once (§4.7)."""
    if len(commit.segments) != 1:
        fields.refuse("a POSTPAID commit has exactly one item", f"{place}.access_schedule.schedule_items")
    schedule = commit.invoice_schedule
    if schedule is None or len(schedule.schedule_items) != 1:
        fields.refuse("a POSTPAID commit needs exactly one item: the date of its true-up", f"{place}.invoice_schedule")
    if schedule.credit_type_id != commit.credit_type_id:
        message = "must be that of the access_schedule: a true-up asks for what was not used"
        fields.refuse(message, f"{place}.invoice_schedule.credit_type_id")
    (segment,), (item,) = commit.segments, schedule.schedule_items
    if item.amount != segment.amount:
        message = f"asks for {item.amount}, but the access_schedule promises {segment.amount}: they must be equal"
        fields.refuse(message, f"{place}.invoice_schedule")


def check_payer(commit: Balance, place: str) -> None:
    """Raise `InvalidError` unless there is a contract with which a commit is invoiced, if it is."""
    schedule, payer = commit.invoice_schedule, commit.contract_id or commit.invoice_contract_id
    if schedule is not None and not schedule.do_not_invoice and payer is None:
        fields.refuse("is needed, because there is an invoice_schedule", f"{place}.invoice_contract_id")


def _check_legacy_amount(asked: CommitIn, segments: Iterable[Segment], place: str) -> None:
    """Raise `InvalidError` when the legacy `amount` says something else than the access schedule."""
    given = money.total([segment.amount for segment in segments])
    if asked.amount is not None and asked.amount != given:
        fields.refuse(f"is {asked.amount}, but the access_schedule sums to {given}", f"{place}.amount")


class Paying(Protocol):
    """What says what it may pay for: a request, or a balance."""

    @property
    def product_id(self) -> object:
        """The FIXED product in whose name it stands."""

    @property
    def applicable_product_ids(self) -> Sequence[object]:
        """Products that it pays for."""

    @property
    def applicable_product_tags(self) -> Sequence[str]:
        """Tags of products that it pays for."""

    @property
    def specifiers(self) -> Sequence[Specifier]:
        """Alternatives to both."""


def check_products(asked: Paying, known: Mapping[str, Product], place: str) -> None:
    """Raise `InvalidError` unless all products are there, and the balance's own is a FIXED one."""
    product_of(ProductType.FIXED, asked.product_id, known, f"{place}.product_id")
    check_targets(asked, known, place)


def check_targets(asked: Paying, known: Mapping[str, Product], place: str) -> None:
    """Raise `InvalidError` unless all products are there that it may pay for."""
    for index, each in enumerate(asked.applicable_product_ids):
        if str(each) not in known:
            fields.refuse(f"there is no product {each}", f"{place}.applicable_product_ids[{index}]")
    if asked.specifiers and (asked.applicable_product_ids or asked.applicable_product_tags):
        fields.refuse("exclude applicable_product_ids and applicable_product_tags", f"{place}.specifiers")
    for index, spec in enumerate(asked.specifiers):
        _check_specifier(spec, known, f"{place}.specifiers[{index}]")


def product_of(kind: ProductType, product_id: object, known: Mapping[str, Product], place: str) -> Product:
    """Return the product that a term names. Raises `InvalidError` unless it is of this type and not archived."""
    product = known.get(str(product_id))
    if product is None:
        fields.refuse(f"there is no product {product_id}", place)
    if product.type is not kind:
        fields.refuse(f"needs a {kind} product, but this one is {product.type}", place)
    if product.archived_at is not None:
        fields.refuse("this product is archived", place)
    return product


def _check_specifier(spec: Specifier, known: Mapping[str, Product], place: str) -> None:
    if spec == Specifier():
        fields.refuse("names no condition", place)
    if spec.product_id is not None and canonical(spec).product_id not in known:
        fields.refuse(f"there is no product {spec.product_id}", f"{place}.product_id")


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def canonical(spec: Specifier) -> Specifier:
    """Return the specifier with its product id in its one spelling."""
    if spec.product_id is None or not _is_id(spec.product_id):
        return spec
    return structs.replace(spec, product_id=str(UUID(spec.product_id)))
