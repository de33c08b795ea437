"""Hierarchy: one contract is the parent of others, of other customers (metronome-api.md §4.7, Hierarchy).

One level deep. Each contract is rated by itself; what the parent shares are balances, and what it may take over is
paying, and one invoice for all.
"""

from msgspec import Struct

from winkel.model.word import Word

CHILDREN_MAX = 9
"""The most active children of a contract: with itself they are ten nodes."""


class ContractRef(Struct, frozen=True):
    """A contract, and whose it is."""

    customer_id: str
    contract_id: str


class Payer(Word):
    """Who pays the invoices of a child contract."""

    SELF = "SELF"
    PARENT = "PARENT"


class StatementBehavior(Word):
    """Whether the usage statements of a child contract are also on its parent's consolidated invoices."""

    SEPARATE = "SEPARATE"
    CONSOLIDATE = "CONSOLIDATE"


class Consolidation(Word):
    """Whether a parent contract gives consolidated invoices: its statement and its children's, one after the other."""

    NONE = "NONE"
    CONCATENATE = "CONCATENATE"


class AsChild(Struct, frozen=True):
    """What makes a contract a child. It is agreed when the contract is made, and never changes."""

    parent: ContractRef
    payer: Payer = Payer.SELF
    usage_statement_behavior: StatementBehavior = StatementBehavior.SEPARATE


class AccessTo(Word):
    """Which child contracts a commit or credit of the parent may pay for."""

    ALL = "ALL"
    NONE = "NONE"
    CONTRACT_IDS = "CONTRACT_IDS"


class ChildAccess(Struct, frozen=True, omit_defaults=True):
    """Which child contracts a balance of their parent may pay for; it always may for the parent itself."""

    type: AccessTo
    contract_ids: tuple[str, ...] = ()
    """With CONTRACT_IDS: those, and the contracts that renew them; no others."""

    def admits(self, contract_id: str) -> bool:
        """Whether it may pay for this child contract."""
        return self.type is AccessTo.ALL or contract_id in self.contract_ids
