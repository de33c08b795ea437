"""Packages as the API shows them (metronome-api.md §10.1, Package)."""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import structs

from winkel.api.subscriptions import ProrationView
from winkel.api.wire import Ref, credit_type_ref
from winkel.model.allocation import Allocation
from winkel.model.commit import AccessType
from winkel.model.credit_type import QUANTITY, USD, Units
from winkel.model.package import Package
from winkel.model.product import Product
from winkel.model.subscription import SubscriptionProration

LISTS = (
    "commits",
    "credits",
    "overrides",
    "recurring_commits",
    "recurring_credits",
    "scheduled_charges",
    "subscriptions",
)
"""The terms of which a package may have several; each has an id."""
ALWAYS = frozenset({"commits", "overrides", "scheduled_charges"})
"""Lists that are shown when they are empty, too."""
SCHEDULES = ("access_schedule", "invoice_schedule", "schedule")
"""What shows its pricing unit with its name, and has items with ids."""
TEMPLATE_IDS = {
    "any_commit_or_credit_ids": "any_commit_or_credit_template_ids",
    "commit_ids": "commit_template_ids",
    "recurring_commit_ids": "recurring_commit_template_ids",
}
"""What specifiers of overrides call otherwise when they are shown."""

Term = dict[str, Any]
"""One term of a package, as it is stored."""


def product_ids(packages: Iterable[Package]) -> set[str]:
    """Return the ids of the products whose names packages show."""
    terms = [term for package in packages for kind in LISTS for term in package.terms.get(kind, ())]
    named = {each.get("product_id") for term in terms for each in (term, term.get("subscription_rate", {}))}
    return {each for each in named if each is not None}


def package_view(package: Package, known: Mapping[str, Product], units: Units) -> dict[str, Any]:
    """Return a package for the wire; `known` has the products that it names."""
    shown: dict[str, Any] = _given(package.terms)
    for kind in LISTS:
        terms = [
            _term(term, known, units, package.id, f"{kind}[{index}]")
            for index, term in enumerate(package.terms.get(kind, ()))
        ]
        if terms or kind in ALWAYS:
            shown[kind] = terms
    _link(shown)
    shown |= {
        "id": package.id,
        "name": package.name,
        "aliases": package.aliases,
        "created_at": package.created_at,
        "created_by": package.created_by,
        "uniqueness_key": package.uniqueness_key,
        "archived_at": package.archived_at,
    }
    return {name: each for name, each in shown.items() if each is not None}


def _link(shown: Term) -> None:
    """Name subscriptions by their ids, in place of temporary ones, in what follows their seats."""
    ids = {each.pop("temporary_id"): each["id"] for each in shown.get("subscriptions", ()) if "temporary_id" in each}
    for term in (*shown.get("recurring_commits", ()), *shown.get("recurring_credits", ())):
        if "subscription_config" in term:
            config = {"allocation": Allocation.POOLED, **term["subscription_config"]}
            term["subscription_config"] = {**config, "subscription_template_id": ids[config.pop("subscription_id")]}


def _term(term: Term, known: Mapping[str, Product], units: Units, package_id: str, place: str) -> Term:
    """Return one term for the wire. Its ids follow from its place: packages do not change."""
    shown = {"id": _id(package_id, place), **_given(term)}
    if "product_id" in shown:
        shown["product"] = _product(shown.pop("product_id"), known)
    for name in SCHEDULES:
        if name in shown:
            shown[name] = _schedule(shown[name], units, package_id, f"{place}.{name}")
    if "access_amount" in shown:
        shown["access_amount"] = {"credit_type_id": _unit(shown["access_amount"]), **shown["access_amount"]}
    if "subscription_rate" in shown:
        rate = shown["subscription_rate"]
        shown["subscription_rate"] = {**rate, "product": _product(rate.pop("product_id"), known)}
        prorated = msgspec.convert(term["proration"], SubscriptionProration)
        shown["proration"] = ProrationView(**structs.asdict(prorated))  # with what goes without saying
    if place.startswith("overrides"):
        specifiers = shown.get("override_specifiers", [])
        shown["override_specifiers"] = [
            {TEMPLATE_IDS.get(name, name): each for name, each in specifier.items()} for specifier in specifiers
        ]
        if "overwrite_rate" in shown:
            shown["overwrite_rate"] = _overwrite(shown["overwrite_rate"], units)
        if "tiers" in shown:
            shown["override_tiers"] = shown.pop("tiers")
    return shown


def _schedule(schedule: Term, units: Units, package_id: str, place: str) -> Term:
    items = [
        {"id": _id(package_id, f"{place}[{index}]"), **each} for index, each in enumerate(schedule["schedule_items"])
    ]
    its_id = _unit(schedule)
    unit = Ref(its_id, "units") if its_id == QUANTITY else credit_type_ref(its_id, units)
    return {**schedule, "credit_type": unit, "schedule_items": items}


def _overwrite(rate: Term, units: Units) -> Term:
    """Return the price of an OVERWRITE with its pricing unit, if it names one."""
    unit = rate.pop("credit_type_id", None)
    return rate if unit is None else {**rate, "credit_type": credit_type_ref(unit, units)}


def _unit(term: Term) -> str:
    """Return what amounts of a term are in: the unit that it names, or what goes without saying."""
    usual = QUANTITY if term.get("access_type") == AccessType.QUANTITY else USD.id
    return str(term.get("credit_type_id", usual))


def _product(product_id: str, known: Mapping[str, Product]) -> Ref:
    return Ref(product_id, known[product_id].initial.name)


def _given(value: Any) -> Any:
    """Return what was given, without fields that say nothing."""
    if isinstance(value, dict):
        return {name: _given(each) for name, each in value.items() if each is not None and each not in ([], {})}
    return [_given(each) for each in value] if isinstance(value, list) else value


def _id(package_id: str, place: str) -> str:
    return str(uuid.uuid5(uuid.UUID(package_id), place))
