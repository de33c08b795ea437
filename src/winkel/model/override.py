"""Override: how a contract's rates differ from those of its rate card."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from winkel.model.commit import RateSide, Specifier
from winkel.model.errors import InvalidError
from winkel.model.period import Frequency
from winkel.model.price import Price, check_sizes
from winkel.model.word import Word


class OverrideType(Word):
    """What an override does to a rate (metronome-api.md §4.7)."""

    OVERWRITE = "OVERWRITE"
    MULTIPLIER = "MULTIPLIER"
    TIERED = "TIERED"


class Prioritization(Word):
    """Which of several multipliers counts: the one that is cheapest, or the one that is named first."""

    LOWEST_MULTIPLIER = "LOWEST_MULTIPLIER"
    EXPLICIT = "EXPLICIT"


class MultiplierTier(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The units of one tier and what their list prices are multiplied by. `size` None: all units that remain."""

    multiplier: Decimal
    size: Decimal | None = None


class OverrideSpecifier(Specifier, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One way to be meant by an override. Of one that is specific to commits: also the balances that pay.

    Without ids every balance is meant.
    """

    commit_ids: tuple[str, ...] = ()
    any_commit_or_credit_ids: tuple[str, ...] = ()
    billing_frequency: Frequency | None = None
    """Rates of subscriptions for periods of this length."""

    @property
    def balance_ids(self) -> tuple[str, ...]:
        """The balances that it names."""
        return self.commit_ids + self.any_commit_or_credit_ids


class Override(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Another rate, a discount or an entitlement, for some products of one contract, for a time.

    `specifiers` are alternatives; without any, and without tags, it is for every product. `type` None: it only says
    whether the customer is entitled.
    """

    id: str
    starting_at: datetime
    created_at: datetime
    ending_before: datetime | None = None
    type: OverrideType | None = None
    entitled: bool | None = None
    """None: as the rate says."""
    product_id: str | None = None
    applicable_product_tags: tuple[str, ...] = ()
    """A product with any of them."""
    specifiers: tuple[OverrideSpecifier, ...] = ()
    price: Price | None = None
    """Of an OVERWRITE."""
    credit_type_id: str | None = None
    """Of an OVERWRITE: the pricing unit of its price; None: that of the rate."""
    multiplier: Decimal | None = None
    """Of a MULTIPLIER: 0.9 is a discount of 10 %."""
    tiers: tuple[MultiplierTier, ...] = ()
    """Of a TIERED one."""
    priority: Decimal | None = None
    """Of a MULTIPLIER or TIERED one under EXPLICIT prioritization: the lowest number wins."""
    is_commit_specific: bool = False
    """Whether it is only for usage that a balance pays for."""
    target: RateSide = RateSide.LIST_RATE
    """Of one that is specific to commits: which of the two prices it changes."""

    @property
    def product_ids(self) -> set[str]:
        """The products that it names."""
        return {each for each in (self.product_id, *(spec.product_id for spec in self.specifiers)) if each}

    def covers(self, instant: datetime) -> bool:
        """Whether it holds at the instant."""
        return self.starting_at <= instant and (self.ending_before is None or instant < self.ending_before)

    def check(self, prioritization: Prioritization) -> None:
        """Raise `InvalidError` unless it is one thing and complete (metronome-api.md §4.7, Overrides)."""
        targets = [bool(self.product_id), bool(self.applicable_product_tags), bool(self.specifiers)]
        if sum(targets) > 1:
            raise InvalidError("give one of product_id, applicable_product_tags and override_specifiers")
        self._check_commit_specific()
        match self.type:
            case None:
                self._check_entitlement()
            case OverrideType.OVERWRITE:
                self._check_overwrite()
            case OverrideType.MULTIPLIER:
                self._check_multiplier(prioritization)
            case OverrideType.TIERED:
                self._check_tiers(prioritization)

    def _check_commit_specific(self) -> None:
        if self.is_commit_specific:
            if self.type is None or self.entitled is not None:
                raise InvalidError("an override with is_commit_specific true needs a type, and sets no entitled")
        elif self.target is not RateSide.LIST_RATE:
            raise InvalidError("target is for overrides with is_commit_specific true")
        elif any(each.balance_ids for each in self.specifiers):
            raise InvalidError("ids of commits and credits are for overrides with is_commit_specific true")

    def _check_entitlement(self) -> None:
        if self.entitled is None:
            raise InvalidError("type is needed, unless the override only sets entitled")
        self._check_without("overwrite_rate", "multiplier", "tiers", "priority")

    def _check_overwrite(self) -> None:
        if self.price is None:
            raise InvalidError("overwrite_rate is needed for the type OVERWRITE")
        self._check_without("multiplier", "tiers", "priority")
        named = [self.product_id, *(each.product_id for each in self.specifiers)]
        tags = (*self.applicable_product_tags, *(tag for each in self.specifiers for tag in each.product_tags))
        if tags:
            raise InvalidError("an OVERWRITE cannot be for product tags: name its product")
        if not any(named) or any(each.product_id is None for each in self.specifiers):
            raise InvalidError("an OVERWRITE must name its product")
        if any(each.presentation_group_values for each in self.specifiers):
            raise InvalidError("only multipliers can be for presentation_group_values")

    def _check_multiplier(self, prioritization: Prioritization) -> None:
        if self.multiplier is None:
            raise InvalidError("multiplier is needed for the type MULTIPLIER")
        self._check_without("overwrite_rate", "tiers")
        self._check_priority(prioritization)

    def _check_tiers(self, prioritization: Prioritization) -> None:
        if prioritization is not Prioritization.EXPLICIT:
            raise InvalidError("the type TIERED needs multiplier_override_prioritization EXPLICIT")
        check_sizes([each.size for each in self.tiers])
        self._check_without("overwrite_rate", "multiplier")
        self._check_priority(prioritization)

    def _check_priority(self, prioritization: Prioritization) -> None:
        explicit = prioritization is Prioritization.EXPLICIT
        if explicit and self.priority is None:
            raise InvalidError("priority is needed under multiplier_override_prioritization EXPLICIT")
        if not explicit and self.priority is not None:
            raise InvalidError("priority needs multiplier_override_prioritization EXPLICIT")

    def _check_without(self, *fields: str) -> None:
        given: Mapping[str, object] = {
            "overwrite_rate": self.price, "multiplier": self.multiplier, "tiers": self.tiers or None,
            "priority": self.priority,
        }  # fmt: skip
        for name in fields:
            if given[name] is not None:
                raise InvalidError(f"{name} does not go with the type {self.type or 'of an entitlement'}")
