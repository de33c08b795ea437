"""What a case shows of composite products."""

from collections.abc import Iterator

from sim.oracle_bill import Bill, Line
from sim.oracle_composite import counts
from sim.oracle_override import concerns, holds
from sim.oracle_rate import terms_at
from sim.oracle_target import Use
from sim.world import Balance, Case, Contract, Product

COMPOSITES = (
    "PERCENTAGE", "TIERED_PERCENTAGE", "share in tiers", "share of spend", "share of no spend", "share of zero",
    "share of less than nothing", "share of a product", "share of tags", "share of both", "share of a subscription",
    "share of a composite", "composite not counted", "share without free usage", "share with free usage",
    "free usage left out", "promise is not free", "paid commit is not free", "share changes", "share of others",
    "composite splits usage", "composite paid", "composite paid in part", "promise counts a composite",
    "override for a composite", "no composite rate",
)  # fmt: skip


def of_composites(case: Case, contract: Contract, bill: Bill, balances: dict[str, Balance]) -> Iterator[str]:
    """Yield what a usage statement shows of composite products."""
    products = {each.id: each for each in case.tenant.products if each.type == "COMPOSITE"}
    of_usage = [line for line in bill.lines if line.type == "usage" and line.product_id not in products]
    for product in products.values():
        lines = [line for line in bill.lines if line.product_id == product.id and line.type == "usage"]
        for line in lines:
            yield from _of_line(case, contract, bill, product, line, balances)
        starts = {line.starting_at for line in lines} - {bill.start}
        if starts:
            yield "share changes"
            yield from ("composite splits usage",) * any(line.starting_at in starts for line in of_usage)
            terms = [terms_at(product, at) for at in starts if at]
            if any((each.shared_products, each.shared_tags) != _named(product, bill) for each in terms):
                yield "share of others"
        if not lines and any(each.product_id == product.id for each in case.tenant.rates):
            yield "no composite rate"
        if {True, False} == {line.balance_id is None for line in lines if line.quantity}:
            yield "composite paid in part"


def _named(product: Product, bill: Bill) -> object:
    terms = terms_at(product, bill.start)
    return terms.shared_products, terms.shared_tags


def _of_line(
    case: Case, contract: Contract, bill: Bill, product: Product, line: Line, balances: dict[str, Balance]
) -> Iterator[str]:
    """Yield what one line of a composite product shows."""
    assert line.starting_at is not None
    assert line.list_price is not None
    assert line.quantity is not None
    terms = terms_at(product, line.starting_at)
    yield line.list_price[0]
    yield from ("share in tiers",) * (line.tier is not None and line.tier[0] > 1)
    yield (
        "share of spend"
        if line.quantity > 0
        else "share of no spend"
        if not line.quantity
        else "share of less than nothing"
    )
    yield from ("share of zero",) * (not line.unit_price)
    if line.balance_id:
        yield "composite paid"
        yield from ("promise counts a composite",) * (balances[line.balance_id].type == "POSTPAID")
    use = Use(line.product_id, line.tags, (), (), bill.currency)
    if any(each.type and holds(each, line.starting_at) and concerns(each, use) for each in contract.overrides):
        yield "override for a composite"
    kinds = {each.id: each.type for each in case.tenant.products}
    for other in bill.lines:
        if other.type not in {"usage", "subscription"} or not other.total or other.product_id == product.id:
            continue
        if other.unit != line.unit:
            yield "share in one unit only"
            continue
        composite = kinds[other.product_id] == "COMPOSITE"
        its = Use(other.product_id, other.tags, other.pricing, other.presentation, bill.currency)
        if counts(terms, its, composite=composite):
            yield from _of_counted(terms.without_free, other, balances)
            yield "share of a product" if other.product_id in terms.shared_products else "share of tags"
            yield from ("share of both",) * (other.product_id in terms.shared_products and bool(terms.shared_tags))
            yield from ("share of a subscription",) * (other.type == "subscription")
            yield from ("share of a composite",) * composite
        elif composite and counts(terms, its, composite=False):
            yield "composite not counted"


def _of_counted(without_free: bool, other: Line, balances: dict[str, Balance]) -> Iterator[str]:
    """Yield whether it matters who paid for what is counted."""
    yield "share without free usage" if without_free else "share with free usage"
    if without_free and other.balance_id:
        balance = balances[other.balance_id]
        if balance.type == "POSTPAID":
            yield "promise is not free"
        elif balance.type == "PREPAID" and balance.schedule:
            yield "paid commit is not free"
        else:
            yield "free usage left out"
