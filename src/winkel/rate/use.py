"""Use: what was used, and which terms name it."""

from msgspec import Struct, structs

from winkel.model.commit import Specifier
from winkel.model.period import Frequency


class Use(Struct, frozen=True, gc=False):
    """What was used, as far as it decides what it costs and who pays: terms name products, tags and group values."""

    product_id: str
    tags: tuple[str, ...]
    pricing: dict[str, str]
    presentation: dict[str, str | None]
    credit_type_id: str
    billing_frequency: Frequency | None = None
    """Of a subscription."""

    def in_unit(self, credit_type_id: str) -> "Use":
        """Return the same use, where it is priced in this unit."""
        return self if credit_type_id == self.credit_type_id else structs.replace(self, credit_type_id=credit_type_id)

    @property
    def key(self) -> tuple[object, ...]:
        """The same for all charges of one product, one group and one currency."""
        pricing, presentation = frozenset(self.pricing.items()), frozenset(self.presentation.items())
        return self.product_id, pricing, presentation, self.credit_type_id


def matches(specifier: Specifier, use: Use) -> bool:
    """Whether all parts of a specifier hold; values of groups that it doesn't name may be any."""
    return (
        (specifier.product_id is None or specifier.product_id == use.product_id)
        and all(tag in use.tags for tag in specifier.product_tags)
        and specifier.pricing_group_values.items() <= use.pricing.items()
        and specifier.presentation_group_values.items() <= use.presentation.items()
    )
