"""Which rules the cases have put to the test: proof that the generator still makes all that is interesting."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from sim.features_commits import of_commits
from sim.features_composites import COMPOSITES, of_composites
from sim.features_corrections import CORRECTIONS, of_corrections
from sim.features_dated import DATED, of_dated
from sim.features_edits import EDITS, of_edits
from sim.features_families import FAMILIES, of_families
from sim.features_imports import IMPORTED, of_imports
from sim.features_moves import MOVED, of_moves
from sim.features_previews import PREVIEWED, of_previews
from sim.features_priced import PRICED, of_priced
from sim.features_quantity import COVERED, of_covered
from sim.features_renewals import RENEWALS, of_renewals
from sim.features_seats import SEATS, of_seats
from sim.features_services import SERVICES, of_services
from sim.features_subscribed import SUBSCRIBED, of_subscribed
from sim.features_subscriptions import SUBSCRIPTIONS, of_subscriptions
from sim.features_terms import FILTERS, RECURRING, of_filters, of_recurring
from sim.features_told import TOLD, of_told
from sim.features_units import UNITS, of_units
from sim.features_windows import WINDOWS, of_windows
from sim.oracle_bill import Bill, Line
from sim.oracle_books import Books
from sim.oracle_charge import Payer
from sim.oracle_draw import ORDER, applies, is_open, payers, precedence
from sim.oracle_family import CONSOLIDATED
from sim.oracle_override import concerns, holds
from sim.oracle_period import periods
from sim.oracle_rate import rate_at, terms_at
from sim.oracle_rollover import Rolled
from sim.oracle_target import Use
from sim.oracle_told import Answer
from sim.oracle_trueup import true_up_of
from sim.world import Balance, Case, Contract, Edit, Import, Move, Override, Preview, Specifier, Terms

EXPECTED = (
    # 1, amounts
    "currency EUR", "currency USD", "20 decimal places", "amount of nothing", "price of zero",
    # 2, periods
    "WEEKLY", "MONTHLY", "QUARTERLY", "ANNUAL", "anchor on the 29th", "anchor on the 30th", "anchor on the 31st",
    "short first period", "contract ends in a period", "several contracts", "late for a final period",
    "late for a draft", "drafts after final ones", "finalized at once",
    # 3, quantities
    "COUNT", "SUM", "MAX", "LATEST", "UNIQUE", "LATEST falls", "SUM falls", "MULTIPLY", "DIVIDE", "ROUND_UP",
    "ROUND_DOWN", "ROUND_HALF_UP", "name changes", "metric changes", "conversion changes", "rounding changes",
    "tags change", "groups change", "alias",
    # 4, rates
    "tiered", "several tiers", "tier filled exactly", "tiers over a change of price", "rates overlap", "same start",
    "older rate holds again", "no rate", "not entitled", "pricing groups", "presentation groups", "group value absent",
    "line of nothing",
    # 5, overrides
    "OVERWRITE", "OVERWRITE of groups", "MULTIPLIER", "TIERED", "entitled by contract", "withheld by contract",
    "of several OVERWRITE", "OVERWRITE beats multiplier", "of several LOWEST_MULTIPLIER", "of several EXPLICIT",
    "of equal EXPLICIT", "override changes in a period", "override for product", "override for tags",
    "override for pricing", "override for presentation", "override for everything",
    # 6, balances
    "balance for product", "balance for tags", "balance for products or tags", "specifier product", "specifier tags",
    "specifier pricing", "specifier presentation", "balance for everything", "balance of contract",
    "balance of customer", "balance for some contracts", "balance in another currency", "paid by several",
    "paid in part", "used up exactly", "used up", "split by balance", "set off", "more taken back than charged",
    "several statements of one balance", *(f"order: {each}" for each in ORDER[:-1]),
    "line order: start", "line order: unit price", "line order: name", "line order: product", "line order: groups",
    # 6, commit rates
    "paid at a commit rate", "commit rate of zero", "list rate of zero, paid", "tiers of both rates",
    "tiers cut by others", "runs dry in a tier", "both rates on an invoice", "commit rate changes alone",
    "no commit rate",
    "given back, commit rate", "given back at zero, commit rate", "several balances, several prices",
    "for commits OVERWRITE", "for commits MULTIPLIER", "for commits TIERED", "for commits LIST_RATE",
    "for commits COMMIT_RATE", "for commits any balance", "for commits this balance", "for commits other balances",
    "for commits several", "for commits before others", "for commits without a commit rate",
    # 6, units
    *COVERED,
    # 6, postpaid commits
    "promise counts", "promise and payer on a line", "promise fulfilled", "promise at a commit rate", "true-up",
    "true-up of nothing", "true-up waits for usage", "true-up is final", "promise without true-up",
    # 7, ledgers
    "manual entry", "overdrawn", "expired", "several segments",
    # 8, scheduled
    "commit invoiced", "charge invoiced", "not invoiced", "several items of a date", "two currencies of a date",
    "another invoice for a date", "customer's commit invoiced", "charge with a name", "renamed product",
    "contract ends earlier", "dates to come are dropped",
    # 8, discounts, and charges on usage invoices
    *DATED,
    # 16, custom pricing units
    *UNITS,
    # 4, CUSTOM rates and the order of products; 16, overwrites in another unit
    *PRICED,
    # 18, renewals
    *RENEWALS,
    # 17, seats
    *SEATS,
    # 13, 14, 17, seats and quantities that are told late
    *TOLD,
    # 8, professional services
    *SERVICES,
    # 11, windows; 12, previews
    *WINDOWS, *PREVIEWED,
    # 19, imported invoices
    *IMPORTED,
    # 20, hierarchies
    *FAMILIES,
    # 10, corrections
    *CORRECTIONS,
    # 8, dates of issue that were moved
    *MOVED,
    # 14, edits
    *EDITS,
    # 3, usage filters; 9, recurring commits and credits
    *FILTERS, *RECURRING,
    # 13; 5, composite products
    *SUBSCRIPTIONS, *SUBSCRIBED, *COMPOSITES,
)  # fmt: skip
"""Every feature that must occur again and again."""


class Sight(Struct, frozen=True, dict=True):
    """What the oracle saw at one instant: drafts, and those of them that became final."""

    at: datetime
    drafts: list[Bill]
    final: list[Bill]
    books: Books
    balances: list[Balance]
    """Those that were known then."""
    rolled: list[Rolled] = field(default_factory=list)
    """What has rolled over, and what would by these drafts."""
    answers: list[Answer] = field(default_factory=list)
    """What became of changes that were asked for since the instant before."""
    brought: list[tuple[Import, Bill | None]] = field(default_factory=list)
    """What was imported then, before drafts were made; None: that was refused."""
    previewed: list[tuple[Preview, list[Bill]]] = field(default_factory=list)
    """What events would cost that nobody sent."""
    corrected: list[tuple[str, Bill, Bill | None, list[Edit]]] = field(default_factory=list)
    """(VOID or REGENERATE, which invoice, the one in its place, what was edited since the void).

    None is in its place: that was refused.
    """
    edited: list[tuple[Edit, bool]] = field(default_factory=list)
    """What was to be changed before invoices were looked at again, and whether it was."""
    moved: list[tuple[Bill, Move, bool]] = field(default_factory=list)
    """Which open invoice was to be moved, and whether it was."""

    @cached_property
    def by_id(self) -> dict[str, Balance]:
        """The same by their ids."""
        return {each.id: each for each in self.balances}


def features(case: Case, sights: list[Sight]) -> Counter[str]:
    """Return the features of a case, and the number of its contracts."""
    found: set[str] = set()
    for sight in sights:
        found.update(_of_sight(case, sight))
        found.update(of_families(case, sight))
        found.update(of_seats(case, sight))
        found.update(of_told(sight))
        found.update(of_services(case, sight))
        found.update(of_imports(case, sight))
        found.update(of_previews(case, sight))
        found.update(of_windows(case, sight))
        for bill in sight.drafts:
            if bill.type == CONSOLIDATED:  # its lines are those of others
                continue
            found.update(of_subscriptions(case, bill, sight.at, sight.by_id))
            found.update(of_dated(case, bill, sight.at))
            found.update(of_units(case, bill, sight.by_id))
            found.update(of_covered(case, bill, sight.by_id))
            found.update(of_subscribed(case, bill, sight.by_id))
            found.update(of_priced(case, bill, sight.by_id))
            found.update(_of_statement(case, sight, bill) if bill.type == "USAGE" else _of_scheduled(case, sight, bill))
    found.update(_of_steps(case, sights))
    found.update(of_corrections(case, sights))
    found.update(of_edits(sights))
    found.update(of_moves(sights))
    return Counter({**dict.fromkeys(found, 1), "contracts": len(case.tenant.contracts)})


# ── Steps ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _of_steps(case: Case, sights: list[Sight]) -> Iterator[str]:
    """Yield what happens over several looks."""
    for sight, later in pairwise(sights):
        if sight.final and any(each.lines for each in later.drafts):
            yield "drafts after final ones"
        dates = {(each.contract_id, each.start, each.currency) for each in sight.final if each.type == "SCHEDULED"}
        if any((each.contract_id, each.start, each.currency) in dates for each in later.drafts):
            yield "another invoice for a date"
        ends = [each for each in sight.final if each.end]
        for event in case.counted:
            if sight.at < event.known_at <= later.at:
                over = any(each.start <= event.at < each.end for each in ends if each.end)
                yield "late for a final period" if over else "late for a draft"
        for end in case.tenant.ends:
            if sight.at < end.said_at <= later.at and any(each.contract_id == end.contract_id for each in later.drafts):
                yield "contract ends earlier"
                gone = {(each.start, each.type) for each in sight.drafts if each.contract_id == end.contract_id}
                gone -= {(each.start, each.type) for each in (*later.drafts, *sight.final)}
                if any(kind == "SCHEDULED" for _, kind in gone):
                    yield "dates to come are dropped"
    for sight in sights:
        for bill in sight.drafts:
            if bill.usage_until and bill.start <= sight.at:
                yield "true-up is final" if bill in sight.final else "true-up waits for usage"
    if any(len(sight.final) > 1 for sight in sights):
        yield "finalized at once"


def _of_sight(case: Case, sight: Sight) -> Iterator[str]:
    """Yield what all drafts of one instant show together."""
    paying = Counter(segment_id for bill in sight.drafts for segment_id in bill.paid)
    if any(count > 1 for count in paying.values()):
        yield "several statements of one balance"
    if len({bill.contract_id for bill in sight.drafts if bill.lines}) > 1:
        yield "several contracts"
    dates = Counter((bill.contract_id, bill.start) for bill in sight.drafts if bill.type == "SCHEDULED")
    if any(count > 1 for count in dates.values()):
        yield "two currencies of a date"
    yield from of_recurring(case, sight.balances, sight.drafts)
    yield from of_renewals(case, sight)
    for balance in sight.balances:
        told = sight.books.ledger(balance, sight.at, sight.drafts)
        left = {each.id: sum(amount for _, _, one, amount in told if one == each.id) for each in balance.segments}
        kinds = {kind for _, kind, _, _ in told}
        yield from (name for kind, name in (("MANUAL", "manual entry"), ("EXPIRATION", "expired")) if kind in kinds)
        if len(balance.segments) > 1 and len({one for _, _, one, _ in told}) > 1:
            yield "several segments"
        if any(amount < 0 for amount in left.values()):
            yield "overdrawn"
        for segment in balance.segments:
            if segment.id in paying and left[segment.id] == 0:
                yield "used up"


# ── Scheduled invoices ──────────────────────────────────────────────────────────────────────────────────────────────


def _of_scheduled(case: Case, sight: Sight, bill: Bill) -> Iterator[str]:
    """Yield what a scheduled invoice shows."""
    yield f"currency {bill.currency}"
    balances = sight.by_id
    if bill.usage_until is not None:
        yield "true-up" if bill.total else "true-up of nothing"
    for line in bill.lines:
        if line.type == "scheduled":
            yield "charge invoiced"
            if line.name == "Fee":
                yield "charge with a name"
        elif line.balance_id:
            yield "commit invoiced" if balances[line.balance_id].contract_id else "customer's commit invoiced"
        if line.name == "Renamed":
            yield "renamed product"
        if not line.total:
            yield "amount of nothing"
    if len(bill.lines) > 1:
        yield "several items of a date"
    asking = [*(each.schedule for each in case.tenant.balances), *_charged(case)]
    if any(each and each.do_not_invoice for each in asking):
        yield "not invoiced"


def _charged(case: Case) -> Iterator[Any]:
    return (charge.schedule for contract in case.tenant.contracts for charge in contract.charges)


# ── Statements ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _of_statement(case: Case, sight: Sight, bill: Bill) -> Iterator[str]:
    """Yield what a usage statement shows."""
    contract = next(each for each in case.tenant.contracts if each.id == bill.contract_id)
    metered = {each.id for each in case.tenant.products if each.first.metric_id}
    usage = [line for line in bill.lines if line.type == "usage" and line.product_id in metered]
    yield from of_composites(case, contract, bill, sight.by_id)
    if not usage or bill.end is None:
        return
    yield f"currency {bill.currency}"
    yield from _of_period(contract, bill)
    yield from _of_products(case, contract, bill, usage)
    for line in usage:
        yield from _of_line(case, bill, line)
        yield from _of_rates(case, contract, line)
        yield from _of_overrides(contract, line)
    yield from _of_lines(usage)
    yield from of_filters(case, contract, bill)
    yield from of_commits(case, contract, usage, sight.by_id)
    yield from _of_payers(case, sight, contract, bill, usage)


def _of_period(contract: Contract, bill: Bill) -> Iterator[str]:
    """Yield how the period came to be."""
    yield contract.frequency
    for day in (29, 30, 31):
        if contract.anchor.day == day and contract.frequency != "WEEKLY":
            suffix = "st" if day == 31 else "th"
            yield f"anchor on the {day}{suffix}"
    if bill.start == contract.starting_at and bill.start != contract.anchor:
        yield "short first period"
    if bill.end == contract.ending_before:
        before = [end for _, end in periods(replace(contract, ending_before=None), bill.start)]
        if before[-1] != bill.end:
            yield "contract ends in a period"


def _of_products(case: Case, contract: Contract, bill: Bill, usage: list[Line]) -> Iterator[str]:
    """Yield what changes about products within the period, and what of their rates cannot be seen on lines."""
    assert bill.end is not None
    names = {
        "name": "name changes", "metric_id": "metric changes", "conversion": "conversion changes",
        "rounding": "rounding changes", "tags": "tags change", "pricing_keys": "groups change",
        "presentation_keys": "groups change",
    }  # fmt: skip
    for product in case.tenant.products:
        lines = [line for line in usage if line.product_id == product.id]
        for at, _ in product.later:
            if lines and bill.start < at < bill.end:
                before, after = terms_at(product, at - timedelta(hours=1)), terms_at(product, at)
                yield from (told for name, told in names.items() if getattr(before, name) != getattr(after, name))
        rates = [
            each for each in case.tenant.rates if (each.card_id, each.product_id) == (contract.card_id, product.id)
        ]
        if rates and not product.first.pricing_keys:
            held = [
                rate_at(rates, max(bill.start, each.hour)) for each in case.counted if bill.start <= each.at < bill.end
            ]
            if any(each is None for each in held):
                yield "no rate"
            if any(each and not each.entitled for each in held) and not contract.overrides:
                yield "not entitled"
            ended = {each.ending_before for each in rates if each.ending_before}
            for at in ended:
                if bill.start < at < bill.end and rate_at(rates, at) is not None:
                    yield "older rate holds again"


def _of_line(case: Case, bill: Bill, line: Line) -> Iterator[str]:
    """Yield what one line shows by itself."""
    product = next(each for each in case.tenant.products if each.id == line.product_id)
    assert line.starting_at is not None
    assert line.quantity is not None
    terms: Terms = terms_at(product, line.starting_at)
    if not line.quantity:
        yield "line of nothing"
        return
    aggregation = next(each.aggregation for each in case.tenant.metrics if each.id == terms.metric_id)
    yield aggregation
    if line.quantity < 0:
        yield f"{aggregation} falls"
    if not line.unit_price:
        yield "price of zero"
    if terms.conversion:
        yield terms.conversion[0]
    if terms.rounding:
        yield terms.rounding[0]
    if line.pricing:
        yield "pricing groups"
    if line.presentation:
        yield "presentation groups"
    if any(value is None for _, value in line.presentation):
        yield "group value absent"
    if line.tier:
        yield "tiered"
        if line.quantity == line.tier[2]:
            yield "tier filled exactly"
    if any(each.customer == "alias" and bill.start <= each.at < (bill.end or each.at) for each in case.counted):
        yield "alias"
    if line.segment_id and line.unit_price and line.quantity * line.unit_price != line.total:
        yield "20 decimal places"


def _of_lines(usage: list[Line]) -> Iterator[str]:
    """Yield what several lines of one statement show together."""
    for one, other in pairwise(usage):
        same = (one.product_id, one.pricing, one.presentation) == (other.product_id, other.pricing, other.presentation)
        if same and one.tier and other.tier and one.tier[0] != other.tier[0]:
            yield "several tiers"
            if one.list_price != other.list_price:
                yield "tiers over a change of price"
    by_group: dict[Any, list[Line]] = {}
    for line in usage:
        by_group.setdefault((line.product_id, line.pricing, line.presentation), []).append(line)
    for some in by_group.values():
        if any(line.total < 0 for line in some) and any(line.total > 0 for line in some):
            yield "set off"
            if sum(line.total for line in some) < 0:
                yield "more taken back than charged"


def _of_rates(case: Case, contract: Contract, line: Line) -> Iterator[str]:
    """Yield how a rate came to hold when a line begins."""
    assert line.starting_at is not None
    holding = [
        each
        for each in case.tenant.rates
        if (each.card_id, each.product_id) == (contract.card_id, line.product_id)
        and tuple(sorted(each.values)) == line.pricing
        and each.starting_at <= line.starting_at
        and (each.ending_before is None or line.starting_at < each.ending_before)
    ]
    if len(holding) > 1:
        yield "rates overlap"
        if len({each.starting_at for each in holding}) == 1:
            yield "same start"


# ── Overrides ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _of_overrides(contract: Contract, line: Line) -> Iterator[str]:
    """Yield which overrides met on a line that somebody used."""
    assert line.starting_at is not None
    if not line.quantity:
        return
    now = [
        each
        for each in contract.overrides
        if not each.for_commits and holds(each, line.starting_at) and _concerned(each, line)
    ]
    kinds = Counter("multiplier" if each.type in {"MULTIPLIER", "TIERED"} else each.type for each in now)
    for each in now:
        if each.type:
            yield each.type
        if each.type == "OVERWRITE" and each.specifiers:
            yield "OVERWRITE of groups"
        if each.entitled is not None:
            yield "entitled by contract" if each.entitled else "withheld by contract"
        if each.starting_at == line.starting_at or each.ending_before == line.starting_at:
            yield "override changes in a period"
        yield from _named("override", each.product_id, each.tags, each.specifiers)
    if kinds["OVERWRITE"] > 1:
        yield "of several OVERWRITE"
    if kinds["OVERWRITE"] and kinds["multiplier"]:
        yield "OVERWRITE beats multiplier"
    if kinds["multiplier"] > 1 and not kinds["OVERWRITE"]:
        yield f"of several {contract.prioritization}"
        priorities = sorted(float(each.priority) for each in now if each.priority)
        if len(priorities) > 1 and priorities[0] == priorities[1]:
            yield "of equal EXPLICIT"


def _concerned(override: Override, line: Line) -> bool:
    return concerns(override, Use(line.product_id, line.tags, line.pricing, line.presentation, ""))


def _named(what: str, product_id: str | None, tags: Iterable[str], specifiers: Iterable[Specifier]) -> Iterator[str]:
    """Yield by what something is named."""
    if product_id:
        yield f"{what} for product"
    if tags:
        yield f"{what} for tags"
    if not product_id and not tags and not specifiers:
        yield f"{what} for everything"
    for each in specifiers:
        if each.pricing:
            yield f"{what} for pricing"
        if each.presentation:
            yield f"{what} for presentation"


# ── Balances ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _of_payers(case: Case, sight: Sight, contract: Contract, bill: Bill, usage: list[Line]) -> Iterator[str]:
    """Yield who pays, in which order, and what decided it."""
    assert bill.end is not None
    able = [
        (balance, segment)
        for balance, segment in payers(case.tenant, sight.balances, contract, bill.start)
        if segment.starting_at < bill.end and bill.start < segment.ending_before
    ]
    paying = [(balance, segment) for balance, segment in able if segment.id in bill.paid]
    for balance, _ in paying:
        yield from _of_balance(balance)
        if balance.type == "POSTPAID":
            yield "promise counts"
            if sight.books.usable(balance, sight.at, sight.drafts) == 0:
                yield "promise fulfilled"
            if balance.rate_type == "COMMIT_RATE":
                yield "promise at a commit rate"
            if not true_up_of(balance):
                yield "promise without true-up"
    if len({balance.type == "POSTPAID" for balance, _ in paying}) > 1:
        yield "promise and payer on a line"
    if any(balance.currency != bill.currency for balance, _ in able):
        yield "balance in another currency"
    for one, other in pairwise([each for each in able if any(_could_pay(each, line, bill) for line in usage)]):
        if one in paying:
            keys = (precedence(case.tenant, contract, *each, bill.start) for each in (one, other))
            yield "order: " + next(name for name, mine, its in zip(ORDER, *keys, strict=True) if mine != its)
    edges = {edge for _, segment in able for edge in (segment.starting_at, segment.ending_before)}
    if any(line.starting_at in edges and line.starting_at != bill.start for line in usage):
        yield "split by balance"
    covered = [line for line in usage if line.segment_id]
    for one, other in pairwise(covered):
        if (one.starting_at, one.name, one.unit_price) == (other.starting_at, other.name, other.unit_price):
            yield "paid by several"
    if any(
        not line.segment_id
        and (other.product_id, other.starting_at, other.tier) == (line.product_id, line.starting_at, line.tier)
        for line in usage
        for other in covered
    ):
        yield "paid in part"
    yield from _of_line_order(usage, paying)
    for _, segment in paying:
        if str(bill.paid[segment.id]) == segment.amount and is_open(segment, bill.start) and bill.total == 0:
            yield "used up exactly"


def _could_pay(payer: Payer, line: Line, bill: Bill) -> bool:
    """Whether it may pay for a line."""
    assert line.starting_at is not None
    use = Use(line.product_id, line.tags, line.pricing, line.presentation, line.unit or bill.currency)
    return line.total > 0 and is_open(payer[1], line.starting_at) and applies(payer[0], use)


def _of_balance(balance: Any) -> Iterator[str]:
    """Yield what kind of balance pays."""
    yield "balance of contract" if balance.contract_id else "balance of customer"
    if balance.contract_ids:
        yield "balance for some contracts"
    if balance.product_ids and balance.tags:
        yield "balance for products or tags"
    elif balance.product_ids:
        yield "balance for product"
    elif balance.tags:
        yield "balance for tags"
    elif not balance.specifiers:
        yield "balance for everything"
    for each in balance.specifiers:
        given = {
            "product": each.product_id,
            "tags": each.tags,
            "pricing": each.pricing,
            "presentation": each.presentation,
        }
        yield from (f"specifier {name}" for name, value in given.items() if value)


def _of_line_order(usage: list[Line], paying: list[Any]) -> Iterator[str]:
    """Yield what decided which of two lines is paid first, if anybody pays."""
    if not paying:
        return
    covered: dict[Any, list[bool]] = {}
    for line in usage:
        if line.total > 0:
            key = (
                line.starting_at,
                line.unit_price,
                line.name,
                line.product_id,
                line.pricing,
                line.presentation,
                line.tier,
            )
            covered.setdefault(key, []).append(line.segment_id is not None)
    for (one, paid), (other, unpaid) in pairwise(covered.items()):
        if any(paid) and not all(unpaid):
            names = ("start", "unit price", "name", "product")
            yield "line order: " + next(
                (name for name, *of in zip(names, one[:4], other[:4], strict=True) if of[0] != of[1]), "groups"
            )
