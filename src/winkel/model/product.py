"""Product: what is sold. Usage-based products point to a billable metric."""

from datetime import datetime
from decimal import Decimal

from msgspec import UNSET, Struct, UnsetType, structs

from winkel.model.errors import InvalidError
from winkel.model.metric import BillableMetric
from winkel.model.money import QUOTIENT_PLACES, fits
from winkel.model.word import Word


class ProductType(Word):
    """What kind of charge a product carries (metronome-api.md §4.5)."""

    USAGE = "USAGE"
    """What a billable metric counts."""
    SUBSCRIPTION = "SUBSCRIPTION"
    """What is paid for period by period, whatever is used."""
    COMPOSITE = "COMPOSITE"
    """A share of what other products cost."""
    FIXED = "FIXED"
    """What is asked for on dates: commits, credits, scheduled charges."""
    PRO_SERVICE = "PRO_SERVICE"
    """Professional services."""
    PROFESSIONAL_SERVICE = "PRO_SERVICE"
    """Another spelling of it."""


class Operation(Word):
    """How a quantity conversion applies its factor."""

    MULTIPLY = "MULTIPLY"
    DIVIDE = "DIVIDE"


class RoundingMethod(Word):
    """How a quantity is rounded before it is priced."""

    ROUND_UP = "ROUND_UP"
    ROUND_DOWN = "ROUND_DOWN"
    ROUND_HALF_UP = "ROUND_HALF_UP"


class QuantityConversion(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Turns metered units into sold units (for example tokens into millions of tokens), before rounding."""

    conversion_factor: Decimal
    operation: Operation
    name: str | None = None


class QuantityRounding(Struct, frozen=True, forbid_unknown_fields=True):
    """Rounds a line's quantity after conversion, before pricing."""

    decimal_places: int
    rounding_method: RoundingMethod


class ProductState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The terms of a product from `starting_at` on (None: from ever)."""

    name: str
    created_at: datetime
    created_by: str
    starting_at: datetime | None = None
    billable_metric_id: str | None = None
    pricing_group_key: tuple[str, ...] | None = None
    """Properties on which the price depends; part of the metric's group key."""
    presentation_group_key: tuple[str, ...] | None = None
    """Properties by which invoice lines are split; part of the metric's group key."""
    quantity_conversion: QuantityConversion | None = None
    quantity_rounding: QuantityRounding | None = None
    tags: tuple[str, ...] = ()
    is_refundable: bool | None = None
    netsuite_internal_item_id: str | None = None
    netsuite_overage_item_id: str | None = None
    composite_product_ids: tuple[str, ...] | None = None
    """Of a COMPOSITE: the products of whose spend it asks a share."""
    composite_tags: tuple[str, ...] | None = None
    """The same, for products with any of these tags."""
    exclude_free_usage: bool | None = None
    """Whether spend that free balances pay for is left out."""
    include_composite_spend: bool | None = None
    """Whether the spend of other COMPOSITE products counts, of those that stand before it on the rate card."""

    def check(self, kind: ProductType, metric: BillableMetric | None) -> None:
        """Raise `InvalidError`, with its place, unless these can be the terms of a product of that type (§4.5).

        `metric` is the billable metric that they name, None when they name none.
        """
        if kind is not ProductType.COMPOSITE:
            self._check_without(kind, "composite_product_ids composite_tags exclude_free_usage include_composite_spend")
        elif not (self.composite_product_ids or self.composite_tags):
            raise InvalidError("a COMPOSITE product needs composite_product_ids or composite_tags - at `$`")
        if kind is not ProductType.USAGE:
            self._check_without(
                kind,
                "billable_metric_id pricing_group_key presentation_group_key quantity_conversion quantity_rounding",
            )
        elif metric is None:
            raise InvalidError("billable_metric_id is required for a USAGE product - at `$.billable_metric_id`")
        else:
            self._check_group_keys(metric)
            _check_quantity(self.quantity_conversion, self.quantity_rounding)

    def _check_without(self, kind: ProductType, fields: str) -> None:
        for name in fields.split():
            if getattr(self, name) is not None:
                raise InvalidError(f"{name} is not for products of type {kind.value} - at `$.{name}`")

    def _check_group_keys(self, metric: BillableMetric) -> None:
        pricing, presentation = self.pricing_group_key or (), self.presentation_group_key or ()
        for name, key in (("pricing_group_key", pricing), ("presentation_group_key", presentation)):
            if len(key) != len(set(key)):
                raise InvalidError(f"{name} must name each property once - at `$.{name}`")
        wanted = {*pricing, *presentation}
        if wanted and not any(wanted <= set(key) for key in metric.group_keys):
            place = "pricing_group_key" if pricing else "presentation_group_key"
            raise InvalidError(
                f"pricing_group_key and presentation_group_key together ({', '.join(sorted(wanted))}) must lie within "
                f"one of the group_keys of the billable metric: {[list(key) for key in metric.group_keys]} "
                f"- at `$.{place}`"
            )


def _check_quantity(conversion: QuantityConversion | None, rounding: QuantityRounding | None) -> None:
    if conversion and not (fits(conversion.conversion_factor) and conversion.conversion_factor > 0):
        place, message = "$.quantity_conversion.conversion_factor", "must be above zero and have at most 38 digits"
        raise InvalidError(f"{message} - at `{place}`")
    if rounding and not 0 <= rounding.decimal_places <= QUOTIENT_PLACES:
        place = "$.quantity_rounding.decimal_places"
        raise InvalidError(f"must be a whole number from 0 to {QUOTIENT_PLACES} - at `{place}`")


class ProductUpdate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A scheduled change: fields left UNSET stay as they are."""

    created_at: datetime
    created_by: str
    starting_at: datetime
    name: str | UnsetType = UNSET
    billable_metric_id: str | None | UnsetType = UNSET
    pricing_group_key: tuple[str, ...] | None | UnsetType = UNSET
    presentation_group_key: tuple[str, ...] | None | UnsetType = UNSET
    quantity_conversion: QuantityConversion | None | UnsetType = UNSET
    quantity_rounding: QuantityRounding | None | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    is_refundable: bool | None | UnsetType = UNSET
    netsuite_internal_item_id: str | None | UnsetType = UNSET
    netsuite_overage_item_id: str | None | UnsetType = UNSET
    composite_product_ids: tuple[str, ...] | None | UnsetType = UNSET
    composite_tags: tuple[str, ...] | None | UnsetType = UNSET
    exclude_free_usage: bool | None | UnsetType = UNSET
    include_composite_spend: bool | None | UnsetType = UNSET


class Product(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A product and its versions over time (metronome-api.md §4.5). Its type never changes."""

    id: str
    type: ProductType
    initial: ProductState
    updates: tuple[ProductUpdate, ...] = ()
    """In the order in which they were asked for; a later one wins from its `starting_at` on."""
    custom_fields: dict[str, str] = {}
    archived_at: datetime | None = None

    def at(self, instant: datetime) -> ProductState:
        """Return the terms that hold at the instant.

        Updates apply in the order of their `starting_at`, those of one instant in the order they were made.
        """
        state = self.initial
        for update in sorted(self.updates, key=lambda each: each.starting_at):
            if update.starting_at <= instant:
                changed = {name: value for name, value in structs.asdict(update).items() if value is not UNSET}
                state = structs.replace(state, **changed)
        return state
