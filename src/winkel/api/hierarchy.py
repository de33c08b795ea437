"""Hierarchies of contracts: request bodies → the place of a contract, and who may draw on a balance (§4.7, §10.1)."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

from winkel.api import fields
from winkel.model.contract import Contract
from winkel.model.errors import NotFoundError
from winkel.model.hierarchy import (
    CHILDREN_MAX,
    AccessTo,
    AsChild,
    ChildAccess,
    Consolidation,
    ContractRef,
    Payer,
    StatementBehavior,
)
from winkel.store import contracts
from winkel.store.database import Connection


class ParentIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """The contract that is to be the parent."""

    customer_id: UUID
    contract_id: UUID


class ParentBehavior(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What a parent contract does beside sharing, in a body and on the wire."""

    invoice_consolidation_type: Consolidation | None = None


class HierarchyIn(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The place of a new contract: a child, with `parent`, or a parent."""

    parent: ParentIn | None = None
    payer: Payer | None = None
    usage_statement_behavior: StatementBehavior | None = None
    parent_behavior: ParentBehavior | None = None

    def as_child(self, customer_id: str, place: str) -> AsChild | None:
        """Return what makes a contract of this customer a child, if it is one. Raises `InvalidError`."""
        if self.parent is None:
            for name in ("payer", "usage_statement_behavior"):
                if getattr(self, name) is not None:
                    fields.refuse("needs a parent", f"{place}.{name}")
            return None
        if self.parent_behavior is not None:
            fields.refuse("a child contract cannot be a parent: there is one level", f"{place}.parent_behavior")
        if str(self.parent.customer_id) == customer_id:
            fields.refuse("the parent must be a contract of another customer", f"{place}.parent.customer_id")
        payer = self.payer or Payer.SELF
        behavior = self.usage_statement_behavior or StatementBehavior.SEPARATE
        if behavior is StatementBehavior.CONSOLIDATE and payer is Payer.SELF:
            message = "CONSOLIDATE needs the payer PARENT: a child that pays itself has separate statements"
            fields.refuse(message, f"{place}.usage_statement_behavior")
        parent = ContractRef(str(self.parent.customer_id), str(self.parent.contract_id))
        return AsChild(parent, payer, behavior)

    @property
    def consolidation(self) -> Consolidation | None:
        """What a parent does about invoices, if it says so."""
        return None if self.parent_behavior is None else self.parent_behavior.invoice_consolidation_type

    @property
    def parent_customer_ids(self) -> list[str]:
        """The customer of the parent, if there is one."""
        return [] if self.parent is None else [str(self.parent.customer_id)]


class ChildAccessIn(Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Which child contracts may draw on a balance."""

    type: AccessTo
    contract_ids: list[UUID] = []


class BalanceHierarchyIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """What a commit or credit of a contract says for its child contracts."""

    child_access: ChildAccessIn


class ChildView(Struct, omit_defaults=True, kw_only=True):
    """The place of a child contract."""

    parent: ContractRef
    payer: Payer
    usage_statement_behavior: StatementBehavior


class ParentView(Struct, omit_defaults=True, kw_only=True):
    """The place of a parent contract."""

    children: tuple[ContractRef, ...]
    parent_behavior: ParentBehavior | None = None


class BalanceHierarchyView(Struct):
    """For which child contracts a balance pays too."""

    child_access: ChildAccess


def place_view(contract: Contract, children: Iterable[Contract]) -> ChildView | ParentView | None:
    """Return the place of a contract for the wire; None outside of hierarchies.

    `children` may be those of other contracts too. A child sees its parent, and never its siblings.
    """
    if (mine := contract.as_child) is not None:
        return ChildView(parent=mine.parent, payer=mine.payer, usage_statement_behavior=mine.usage_statement_behavior)
    own = [each.ref for each in children if each.parent_id == contract.id]
    behavior = (
        None if contract.consolidation is None else ParentBehavior(invoice_consolidation_type=contract.consolidation)
    )
    return ParentView(children=tuple(own), parent_behavior=behavior) if own or behavior else None


def access_view(access: ChildAccess | None) -> BalanceHierarchyView | None:
    """Return for which child contracts a balance pays too, for the wire; None when nothing was said."""
    return None if access is None else BalanceHierarchyView(access)


def child_access(asked: BalanceHierarchyIn | UnsetType | None) -> ChildAccess | None:
    """Return for which child contracts a balance shall pay too; `check_access` has looked at it."""
    if asked is UNSET or asked is None:
        return None
    return ChildAccess(asked.child_access.type, tuple(str(each) for each in asked.child_access.contract_ids))


async def check_parent(
    tx: Connection, tenant_id: int, child: Contract, as_child: AsChild, at: datetime, place: str
) -> None:
    """Raise `InvalidError` unless a new contract may become a child of the parent (§4.7, Hierarchy).

    The families of both customers must be locked, so that the parent stays as it is.
    """
    parent, where = as_child.parent, f"{place}.parent.contract_id"
    try:
        found = await contracts.get(tx, tenant_id, parent.customer_id, parent.contract_id)
    except NotFoundError:
        fields.refuse(f"the customer {parent.customer_id} has no contract {parent.contract_id}", where)
    if found.archived_at is not None:
        fields.refuse("this contract is archived", where)
    if found.as_child is not None:
        fields.refuse("this contract is a child itself: there is one level", where)
    await check_lasting(tx, tenant_id, as_child, child.ending_before, where)
    begins, renewed = max(at, child.starting_at), child.transition and child.transition.from_contract_id
    siblings = [each for each in await _children(tx, tenant_id, found) if each.id != renewed]
    active = [each for each in siblings if _lasts(each.ending_before, begins)]
    if len(active) >= CHILDREN_MAX:
        fields.refuse(f"this contract has {CHILDREN_MAX} active children: no hierarchy has more than ten nodes", where)


async def check_lasting(tx: Connection, tenant_id: int, as_child: AsChild, end: datetime | None, place: str) -> None:
    """Raise `InvalidError` when a child would go on after its parent was renewed: nobody would share with it."""
    parent = await contracts.get(tx, tenant_id, as_child.parent.customer_id, as_child.parent.contract_id)
    follower = await contracts.successor(tx, tenant_id, parent)
    if follower is not None and _lasts(end, follower.starting_at):
        message = f"contract {follower.id} renews the parent at {follower.starting_at.isoformat()}"
        fields.refuse(f"{message}: end the child by then, and make what follows a child of that contract", place)


async def check_children_end(tx: Connection, tenant_id: int, parent: Contract, end: datetime, place: str) -> None:
    """Raise `InvalidError` when a child goes on after its parent is renewed."""
    for child in await _children(tx, tenant_id, parent):
        if _lasts(child.ending_before, end):
            message = f"its child {child.id}, of customer {child.customer_id}, goes on after {end.isoformat()}"
            fields.refuse(f"{message}: end it by then, and afterwards renew it by a child of the new contract", place)


def _lasts(end: datetime | None, instant: datetime) -> bool:
    """Whether a contract with this end goes on after the instant."""
    return end is None or end > instant


async def check_archive(tx: Connection, tenant_id: int, contract: Contract, place: str) -> None:
    """Raise `InvalidError` while a contract has children: they are archived before it."""
    if children := await _children(tx, tenant_id, contract):
        fields.refuse(f"this contract is the parent of {children[0].id}: archive its children first", place)


async def check_access(tx: Connection, tenant_id: int, contract: Contract, asked: Struct, place: str = "$") -> None:
    """Raise `InvalidError` where a body opens a balance of the contract to others than its children.

    Those of the contract that it renews may be named too: then their own renewals have access (`bill/purse.py`).
    `asked` is the body of a contract, of its edit, or of the edit of one of its commits or credits.
    """
    accesses = list(_accesses(asked, place))
    if not accesses:
        return
    children = {each.id for each in await _children(tx, tenant_id, contract, with_renewed=True)}
    for access, where in accesses:
        if access.type is not AccessTo.NONE and contract.as_child is not None:
            fields.refuse("a child contract has no children to share with: type may be NONE", f"{where}.type")
        if (access.type is AccessTo.CONTRACT_IDS) != bool(access.contract_ids):
            fields.refuse("the type CONTRACT_IDS, and no other, names contracts", f"{where}.contract_ids")
        for index, each in enumerate(access.contract_ids):
            if str(each) not in children:
                fields.refuse(f"{each} is no child of this contract", f"{where}.contract_ids[{index}]")


def _accesses(asked: Struct, place: str) -> Iterator[tuple[ChildAccessIn, str]]:
    """Yield what a body says of child access, itself or in its lists of commits and credits, with its place."""
    for name in asked.__struct_fields__:
        value = getattr(asked, name)
        if isinstance(value, BalanceHierarchyIn):
            yield value.child_access, f"{place}.{name}.child_access"
        elif isinstance(value, list):
            for index, each in enumerate(value):
                if isinstance(each, Struct):
                    yield from _accesses(each, f"{place}.{name}[{index}]")


async def _children(
    tx: Connection, tenant_id: int, contract: Contract, *, with_renewed: bool = False
) -> list[Contract]:
    """Return the live children of a contract, oldest first, perhaps with those of the contract that it renews."""
    every = await contracts.children_of(tx, tenant_id, contract.customer_id)
    renewed = contract.transition.from_contract_id if with_renewed and contract.transition else contract.id
    return [each for each in every if each.parent_id in {contract.id, renewed}]
