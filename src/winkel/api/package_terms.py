"""The terms of packages: what they may hold, and how they become the body of a contract (metronome-api.md §4.15)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import msgspec
from msgspec import NODEFAULT, Struct, structs

from winkel.api import aliases, contract_requests, fields, templates
from winkel.api.aliases import AliasIn
from winkel.api.contract_requests import CreateContract
from winkel.model.alias import AliasOwner
from winkel.model.errors import InvalidError, NotFoundError
from winkel.model.package import Package
from winkel.store import packages
from winkel.store.database import Connection

TERMS = frozenset(
    {
        "commits",
        "credits",
        "ending_before",
        "multiplier_override_prioritization",
        "net_payment_terms_days",
        "overrides",
        "prepaid_balance_threshold_configuration",
        "rate_card_alias",
        "rate_card_id",
        "recurring_commits",
        "recurring_credits",
        "scheduled_charges",
        "scheduled_charges_on_usage_invoices",
        "spend_threshold_configuration",
        "spend_trackers",
        "subscriptions",
        "usage_statement_schedule",
    }
)
"""What of a contract the Metronome API lets packages agree; those that Winkel's contracts know, packages know."""
NOT_YET = contract_requests.NOT_YET | {"billing_provider", "delivery_method"}
"""Fields of create that the Metronome API has and that Winkel does not know yet."""
BESIDE_PACKAGE = frozenset(
    {
        "billing_provider_configuration",
        "custom_fields",
        "customer_id",
        "package_alias",
        "package_id",
        "starting_at",
        "transition",
        "uniqueness_key",
    }
)
"""What createContract may say beside a package (metronome-api.md §4.7): all else says the package."""


class OwnTerms(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a package says of its contracts under a name of its own."""

    contract_name: str | None = None


class OwnFields(OwnTerms, frozen=True, kw_only=True):
    """What a package says of itself."""

    name: fields.Text
    aliases: list[AliasIn] = []
    uniqueness_key: fields.UniquenessKey | None = None


_agreed = [each for each in structs.fields(CreateContract) if each.name in TERMS]
PackageTerms = templates.derived(CreateContract, _agreed, OwnTerms)
"""The terms of a package: the template of a contract's."""
CreatePackage = templates.derived(CreateContract, _agreed, OwnFields)
"""The body of create: the terms, and what a package says of itself."""


def kept(asked: OwnFields) -> dict[str, Any]:
    """Return the terms of a new package as they are stored: with all defaults, and all digits of numbers."""
    terms = {each.name: getattr(asked, each.name) for each in structs.fields(PackageTerms)}
    return cast("dict[str, Any]", msgspec.to_builtins(terms, builtin_types=(Decimal,)))


def mixes_units(terms: Mapping[str, Any]) -> bool:
    """Whether a package counts in days and in months: then which of its dates comes first may depend on the start."""
    used = [each.value > 0 and each.months > 0 for each in templates.offsets(_loaded(terms)) if each.value]
    return any(used) and not all(used)


def contract_of(terms: Mapping[str, Any], start: datetime, **more: Any) -> CreateContract:
    """Return the body of createContract by which a contract that starts then has these terms."""
    made = _loaded(terms)
    return cast("CreateContract", templates.dated(made, start, name=made.contract_name, starting_at=start, **more))


async def unpacked(tx: Connection, tenant_id: int, asked: CreateContract) -> CreateContract:
    """Return the body with the terms of its package, if it names one, and with the package's id.

    Raises `InvalidError` for a package that is not there or archived, and for terms beside it.
    """
    if asked.package_id is None and asked.package_alias is None:
        return asked
    _check_alone(asked)
    start = fields.hour(asked.starting_at, "$.starting_at")
    package = await _package(tx, tenant_id, asked, start)
    said = {each.name for each in structs.fields(CreateContract)} & BESIDE_PACKAGE - {"package_id", "starting_at"}
    beside = {each: getattr(asked, each) for each in said}
    return contract_of(package.terms, start, package_id=UUID(package.id), **beside)


@contextmanager
def refusing_package(asked: CreateContract) -> Iterator[None]:
    """Say of what is wrong with the terms of a package that they are the package's: the body does not have them."""
    try:
        yield
    except InvalidError as error:
        if asked.package_id is None:
            raise
        message = f"the package cannot be sold from this start on: {templates.in_template(error)}"
        fields.refuse(message, "$.package_alias" if asked.package_alias else "$.package_id")


def _loaded(terms: Mapping[str, Any]) -> Any:
    return msgspec.convert(terms, PackageTerms)


def _check_alone(asked: CreateContract) -> None:
    """Raise `InvalidError` for anything beside a package that only packages say."""
    for each in structs.fields(CreateContract):
        default = each.default if each.default_factory is NODEFAULT else each.default_factory()
        if each.name not in BESIDE_PACKAGE and getattr(asked, each.name) != default:
            fields.refuse("cannot be given together with a package, which says it", f"$.{each.name}")


async def _package(tx: Connection, tenant_id: int, asked: CreateContract, start: datetime) -> Package:
    """Return the package that is named, or that has the alias at the contract's start. Raises `InvalidError`."""
    by_id, by_alias = asked.package_id, asked.package_alias
    found, place = await aliases.named(tx, tenant_id, AliasOwner.PACKAGE, by_id, by_alias, start)
    try:
        package = await packages.get(tx, tenant_id, found)
    except NotFoundError as error:
        fields.refuse(str(error), place)
    if package.archived_at is not None:
        fields.refuse("this package is archived", place)
    return package
