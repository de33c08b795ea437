"""Account: what pricing knows of one customer."""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from winkel.model.commit import Balance
from winkel.model.contract import Contract
from winkel.model.credit_type import BY_ID, Units
from winkel.model.customer import Customer
from winkel.model.ledger import LedgerEntry
from winkel.model.metric import BillableMetric
from winkel.model.product import Product
from winkel.model.rate_card import Rate, RateCard


class Account(Struct, frozen=True, kw_only=True, gc=False):
    """Everything besides usage on which the invoices of one customer depend.

    An account is a snapshot: all of it is read at one instant, so that two parts of it never contradict each other.
    It is that of a whole family: those whom hierarchies of contracts link with the customer draw on the same balances.
    """

    customer: Customer
    relatives: tuple[Customer, ...] = ()
    """The others of the family. What follows holds for all of them."""
    contracts: tuple[Contract, ...]
    """Live ones, oldest first; an archived one gives no invoice even if it is here."""
    rates: Mapping[str, tuple[Rate, ...]]
    """By rate card id; a card without rates may be missing, and cards of others may be there."""
    cards: Mapping[str, RateCard]
    """By id: every rate card that a contract names; those of others may be there."""
    products: Mapping[str, Product]
    """By id: every product that a rate, a balance, a scheduled charge or a recurring balance names."""
    metrics: Mapping[str, BillableMetric]
    """By id: every metric that a product names, now or at any other time; others may be there."""
    balances: tuple[Balance, ...]
    """Of the customers and of their contracts, without archived and retired ones."""
    entries: tuple[LedgerEntry, ...]
    """The posted ledger entries of those balances: deductions of finalized invoices and manual entries. Where children
    were added (`bill/recurring.py, with_children`), also what seats give to them."""
    invoiced: frozenset[str]
    """Ids of invoices that are already finalized or void: their periods are never drafted again."""
    invoiced_items: frozenset[str] = frozenset()
    """Ids of what final invoices ask for (`LineItem.schedule_item_id`): a commit that is added later for the date of a
    finalized scheduled invoice gets an invoice of its own (metronome-api.md §4.7, guards of edit)."""
    awaited_items: frozenset[str] = frozenset()
    """Ids of what no final invoice asks for, and void ones do that can be regenerated (`bill/correct.py`): it is asked
    for again then, and not before (docs/pricing.md, section 10)."""
    units: Units = BY_ID
    kept_balances: frozenset[str] = frozenset()
    """Ids of all balances that are kept, archived and retired ones too.

    Other children of recurring terms are still to be kept.
    """
    archived_renewals: Mapping[str, str] = {}
    """Archived contract → the contract that it renews: a line goes on through those that are not here any more."""

    @property
    def customers(self) -> tuple[Customer, ...]:
        """The whole family."""
        return self.customer, *self.relatives

    def relative_id(self, contract: Contract) -> str:
        """Return whose contract it is: the id of a relative, or nothing for the customer itself."""
        return "" if contract.customer_id == self.customer.id else contract.customer_id

    def keys(self, relative_id: str) -> tuple[str, ...]:
        """Return every identifier that events of a relative carry, or with "" those of the customer itself."""
        return next(each.keys for each in self.customers if not relative_id or each.id == relative_id)

    def children(self, contract: Contract) -> list[Contract]:
        """Return the live child contracts of a contract, oldest first."""
        return [each for each in self.contracts if each.parent_id == contract.id and each.archived_at is None]

    def line(self, contract: Contract) -> Iterator[str]:
        """Yield the ids of a contract and of all that it renews, archived ones too, newest first."""
        renewed = dict(self.archived_renewals)
        renewed |= {each.id: each.transition.from_contract_id for each in self.contracts if each.transition}
        its_id: str | None = contract.id
        while its_id is not None:
            yield its_id
            its_id = renewed.get(its_id)

    def is_open(self, item_id: str) -> bool:
        """Whether something that is asked for on a date, or by a subscription, is on no invoice that counts."""
        return item_id not in self.invoiced_items and item_id not in self.awaited_items
