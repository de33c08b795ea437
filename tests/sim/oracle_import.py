"""The oracle's imported invoices (docs/pricing.md, section 19)."""

from collections.abc import Iterable
from copy import copy
from datetime import UTC, datetime
from fractions import Fraction

from msgspec.structs import replace

from sim.oracle_bill import Bill
from sim.oracle_books import Books
from sim.oracle_number import exact
from sim.oracle_period import periods
from sim.oracle_rate import terms_at
from sim.world import Contract, Counted, Given, Import, Metric, Product, Tenant, Terms

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def bring(books: Books, asked: Import) -> Bill | None:
    """Make a past statement from quantities, final at once; None: that is refused."""
    at = asked.at
    contract = next((each for each in books.contracts(at) if each.id == asked.contract_id), None)
    if contract is None or (contract.id, asked.start) in books.over():
        return None
    for start, end in periods(contract, asked.start):
        if start == asked.start and end <= at:
            made = rated(books, contract, (start, end), asked.given, books.left(at), at)
            if made is not None:
                books.final.append(made)
            return made
    return None


def rated(
    books: Books,
    contract: Contract,
    period: tuple[datetime, datetime],
    given: tuple[Given, ...],
    left: dict[str, Fraction],
    at: datetime,
    void: Bill | None = None,
) -> Bill | None:
    """Return the statement of a period from these quantities; None: not all of them can be billed.

    They are sold units: what is left to do is to sum them up for each product, by the values that they name.
    `void` is the one in whose place it comes.
    """
    if not all(_names_values(books.tenant, contract, each) for each in given):
        return None
    again = set() if void is None else {line.item_id for line in void.lines} - {None}
    invoiced = books.invoiced(at, without=void)

    def statement(some: Iterable[Given], left: dict[str, Fraction]) -> Bill:
        sold = copy(books)
        sold.tenant = _as_sold(books.tenant)
        sold.events = lambda customer_id, metric_id: [
            _as_counted(customer_id, each, number)
            for number, each in enumerate(some)
            if _metric_id(each.product_id) == metric_id
        ]
        unfiltered = replace(contract, filters=())
        return sold.statement(unfiltered, *period, lambda _: books.balances(at), left, at, invoiced, again)

    for each in given:  # one by one, so that none makes up for another
        lines = [
            line
            for line in statement([each], dict(left)).lines
            if line.type == "usage" and line.product_id == each.product_id
        ]
        if sum((line.quantity or Fraction(0) for line in lines), Fraction(0)) != exact(each.quantity):
            return None
    made = statement(given, left)
    return replace(made, given=given, customer_id=contract.customer_id, payer=contract.id)


def _names_values(tenant: Tenant, contract: Contract, given: Given) -> bool:
    """Whether a quantity is of a usage product, and names all values by which that is priced, and no other."""
    product = next((each for each in tenant.products if each.id == given.product_id), None)
    if product is None or product.first.metric_id is None:
        return False
    if all((each.card_id, each.product_id) != (contract.card_id, product.id) for each in tenant.rates):
        return False
    terms = terms_at(product, given.at)
    priced, shown = ({name for name, _ in each} for each in (given.pricing, given.presentation))
    return priced == set(terms.pricing_keys) and shown <= set(terms.presentation_keys)


def _as_counted(customer_id: str, given: Given, number: int) -> Counted:
    values = (*given.pricing, *given.presentation)
    return Counted(_metric_id(given.product_id), customer_id, given.at, str(number), values, given.quantity)


def _as_sold(tenant: Tenant) -> Tenant:
    """Return a tenant in which each usage product is metered by itself, and neither converted nor rounded."""
    products = [each for each in tenant.products if each.first.metric_id is not None]
    metrics = [
        Metric(_metric_id(each.id), each.id, "SUM", "quantity", None, None, (), (), LONG_AGO) for each in products
    ]
    sold = {each.id: _product_as_sold(each) for each in products}
    return replace(tenant, metrics=metrics, products=[sold.get(each.id, each) for each in tenant.products])


def _product_as_sold(product: Product) -> Product:
    def its(terms: Terms) -> Terms:
        return replace(terms, metric_id=_metric_id(product.id), conversion=None, rounding=None)

    later = tuple((at, its(terms)) for at, terms in product.later)
    return replace(product, first=its(product.first), later=later)


def _metric_id(product_id: str) -> str:
    return f"imported {product_id}"
