"""Transitions as requests ask for them and as the API shows them (metronome-api.md §4.7, §10.1: Transition)."""

from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct

from winkel.model.contract import Contract, Transition, TransitionType
from winkel.model.word import Word


class TrueUpBehavior(Word):
    """What becomes of true-ups that are dated at the transition or later: asked for all the same, or never."""

    REMOVE = "REMOVE"
    AS_IS = "AS_IS"


class FutureInvoiceBehavior(Struct, frozen=True, forbid_unknown_fields=True):
    """What the older contract asks for after its end."""

    trueup: TrueUpBehavior | None = None
    """Without one: AS_IS."""


class TransitionIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """A transition in the body of create."""

    type: TransitionType
    from_contract_id: UUID
    future_invoice_behavior: FutureInvoiceBehavior = FutureInvoiceBehavior()

    @property
    def transition(self) -> Transition:
        """What the new contract keeps of it."""
        return Transition(self.type, str(self.from_contract_id))


class TransitionView(Struct):
    """A transition as the API shows it, with both contracts that have part in it."""

    from_contract_id: str
    to_contract_id: str
    type: TransitionType


def transition_views(contract: Contract, others: Sequence[Contract]) -> list[TransitionView]:
    """Return the transitions in which a contract has part; `others` are contracts of its customer."""
    every = {each.id: each for each in [*others, contract]}.values()
    return [
        TransitionView(each.transition.from_contract_id, each.id, each.transition.type)
        for each in every
        if each.transition is not None and contract.id in {each.id, each.transition.from_contract_id}
    ]
