"""Winkel's pure pricing over a case: the same function that the bill worker calls, without a database."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from msgspec.structs import replace

from sim import build, real_edit
from sim.compare import bill_of, contents, told
from sim.oracle_bill import Bill
from sim.oracle_ledger import Told
from sim.oracle_told import Asked, before_them
from sim.world import Case, Counted, Edit, Import, Preview, ServiceRequest, Subscription
from support.asked import items_on, standing_for
from winkel.api import contract_edits, contract_ends, pro_service_invoices, renewals
from winkel.api.balance_edits import Settled
from winkel.api.contract_edits import Ground
from winkel.api.transitions import TrueUpBehavior
from winkel.bill import pro_service, recurring, seats
from winkel.bill.balance import balance_of, ledger, part_id, remaining_of
from winkel.bill.breakdown import breakdown
from winkel.bill.correct import credited, needs_again, reconsolidated, regenerated
from winkel.bill.draft import Draft, drafted
from winkel.bill.due import due_at, settled, settling
from winkel.bill.imported import imported, statement_to_import
from winkel.bill.invoiced import Invoiced
from winkel.bill.issue import moved, open_invoice
from winkel.bill.preview import preview
from winkel.bill.rollover import Rollover, settled_again, with_amounts, with_rollovers
from winkel.bill.statement import Need, needs, needs_of, statement_of
from winkel.model.account import Account
from winkel.model.commit import Balance
from winkel.model.contract import Contract
from winkel.model.errors import ConflictError, InvalidError
from winkel.model.invoice import Invoice, InvoiceStatus, InvoiceType
from winkel.model.ledger import LedgerEntry
from winkel.model.metric import Aggregation, BillableMetric
from winkel.model.period import EPOCH, Period, hour_number
from winkel.model.pro_service import ProServiceInvoice
from winkel.model.usage import HourUsage

MICROSECOND = timedelta(microseconds=1)


class Real:
    """The invoices and ledgers of a case, as Winkel has them."""

    def __init__(self, case: Case) -> None:
        self.case = case
        made = case.tenant
        self.metrics = {each.id: build.metric_of(each) for each in made.metrics}
        self.products = {each.id: build.product_of(each) for each in made.products}
        self.balances = tuple(build.balance_of(each) for each in made.balances)
        self.manual = tuple(build.entry_of(each) for each in made.entries)
        self.contracts = tuple(build.contract_of(each) for each in before_them(made).contracts)
        cards = {each.rate_card_id for each in self.contracts}
        self.rates = {
            card: tuple(
                build.rate_of(each, made.cards[card], made.orders.get(card, ()))
                for each in made.rates
                if each.card_id == card
            )
            for card in cards
            if card is not None
        }
        worths = {
            each: [(unit, worth) for (card, unit), worth in made.worths.items() if card == each] for each in made.cards
        }
        self.cards = {each: build.card_of(each, made.cards[each], build.MADE, worths[each]) for each in made.cards}
        self.units = build.units_of(made)
        everyone = [build.customer_of(each, build.MADE) for each in made.customers]
        first = case.seed % len(everyone)  # whoever of a family is asked, the answer is that of all
        self.customer = everyone[first]
        self.relatives = (*everyone[:first], *everyone[first + 1 :])
        self.starts: dict[str, datetime] = {}
        """Statement id → when its period began."""
        self.posted: list[LedgerEntry] = []
        self.final: dict[str, Invoice] = {}
        """By id: final invoices, void ones too."""
        self.bills: dict[str, Bill] = {}
        """The same, as drafts, in the oracle's words."""
        self.items: set[str] = set()
        self.rolled: list[tuple[datetime, Balance]] = []
        """What rolled over for good, and when that was settled."""
        self.rolling: list[Rollover] = []
        self.requests: dict[str, tuple[datetime, str, ProServiceInvoice]] = {}
        """Invoices for services that were agreed on, by id: when, of which contract, and what."""
        self.heard: set[Asked] = set()
        """Changes of subscriptions that were agreed on after these."""
        self.children: dict[str, Balance] = {}
        """By id: children of recurring terms that were kept before such a change."""
        self.standing = self._account(build.MADE)
        """The account for which drafts were made last."""
        self.names: dict[str, str] = {}
        """Our ids of what rolled over → Winkel's."""

    def hear(self, asked: Asked) -> bool:
        """Change seats or a quantity, as `api/edits.py` does; return whether that is agreed on."""
        at = asked.said_at
        contracts, balances = self._terms(at)
        contract = next((each for each in contracts if each.id == asked.contract_id), None)
        if contract is None:
            return False
        if isinstance(asked.change, ServiceRequest):
            return self._ask_for_services(contract, asked.change)
        self.children |= self._begun(at)
        held = {each.id: each for each in map(_named, balances) if each.contract_id == contract.id}
        try:
            contract_edits.edited(contract, held, build.edit_of(asked), Ground({}, self._settled(at), (), at, "sim"))
        except InvalidError:
            return False
        self.heard.add(asked)
        return True

    def _begun(self, at: datetime) -> dict[str, Balance]:
        """Return the children of recurring terms that have begun, by id."""
        kept = (each for each in self._terms(at)[1] if each.recurring_id is not None)
        return {each.id: each for each in kept if not each.segments or each.segments[0].starting_at <= at}

    def _ask_for_services(self, contract: Contract, request: ServiceRequest) -> bool:
        """Schedule an invoice for services, as `api/pro_service_invoices.py` does; return whether that is agreed on."""
        try:
            _, freed = self._asked_for(request.said_at)
            made = pro_service_invoices._invoice(contract, build.services_of(contract.id, request), freed)
        except InvalidError:
            return False
        lines = tuple(replace(each, id=request.item_id(number)) for number, each in enumerate(made.lines))
        self.requests[request.id] = request.said_at, contract.id, replace(made, id=request.id, lines=lines)
        return True

    def _asked_for(self, at: datetime) -> tuple[frozenset[str], frozenset[str]]:
        """Return what final invoices ask for, and what only void ones do that can be made anew."""
        return items_on(self._terms(at)[0], self.final.values())

    def drafts(self, at: datetime) -> list[Draft]:
        """Return all drafts; `rolling` is what rolls over by them."""
        account = self.standing = self._account(at)
        found = drafted(account, self._usage(account, needs(account, at), at), at)
        self.rolling = found.rollovers
        self.starts |= {each.invoice.id: each.invoice.start for each in found.drafts if each.invoice.start is not None}
        return found.drafts

    def windows(self, found: Draft, instants: Sequence[datetime], at: datetime) -> list[Bill]:
        """Return a statement's draft cut at instants from its begin to its end, as `bill/actions.py` does."""
        account, invoice = self._asked_by(found.invoice.customer_id, at), found.invoice
        usage = self._usage(account, needs_of(account, [statement_of(account, invoice)]), at)
        windows = [Period(start, end) for start, end in pairwise(instants)]
        return [bill_of(each.invoice, self.starts) for each in breakdown(account, invoice, usage, windows)]

    def preview(self, asked: Preview) -> list[Draft]:
        """Return what a customer's events would cost, as `bill/actions.py` does."""
        account = self._asked_by(asked.customer_id, asked.at)
        wanted = needs(account, asked.at)
        counting = [need for need in wanted if asked.merge or need.relative_id]
        usage = {**{need.key: [] for need in wanted}, **self._usage(account, counting, asked.at)}
        more = {
            (metric.id, number): [_row(metric, number, each) for each in asked.events if each.metric_id == metric.id]
            for metric in self.metrics.values()
            for number in range(len(metric.keys))
        }
        found = preview(account, usage, more, asked.at)
        return [each for each in found if each.invoice.customer_id == asked.customer_id]

    def _asked_by(self, customer_id: str, at: datetime) -> Account:
        """Return the account of one of the family, with the others as its relatives."""
        account = self._account(at)
        [own] = [each for each in account.customers if each.id == customer_id]
        return replace(account, customer=own, relatives=tuple(each for each in account.customers if each != own))

    def finalize(self, found: list[Draft], until: datetime) -> list[Bill]:
        """Make those of these drafts final that are due, as `bill/actions.py` does."""
        due = [each for each in found if due_at(each, self.case.grace) <= until]
        for draft in due:
            self._keep(draft, due_at(draft, self.case.grace))
        still = [draft for draft in found if due_at(draft, self.case.grace) > until]
        for each in settled(self.standing, self.rolling, still):
            self.posted.append(each.entry)
            self.rolled.append((until, each.balance))
        return [self.bills[each.invoice.id] for each in due]

    def bring(self, asked: Import) -> Bill | None:
        """Import a past statement, as `bill/actions.py` does; None: that is refused."""
        account = self._account(asked.at)
        contract = next((each for each in account.contracts if each.id == asked.contract_id), None)
        period = contract and contract.period_at(asked.start)
        if contract is None or period is None or period.start != asked.start:
            return None
        try:
            statement = statement_to_import(account, contract, period, asked.at)
            draft = imported(account, statement, [build.given_of(each) for each in asked.given])
        except (ConflictError, InvalidError):
            return None
        self.starts[draft.invoice.id] = period.start
        self._keep(draft, asked.at)
        return self.bills[draft.invoice.id]

    def void(self, bill: Bill, at: datetime) -> None:
        """Void the invoice that the oracle means, as `bill/actions.py` does."""
        invoice, account = self._kept(bill, InvoiceStatus.FINALIZED), self._account(at)
        back = credited(invoice, [each for each in self.posted if each.invoice_id == invoice.id])
        self.final[invoice.id] = void = replace(invoice, status=InvoiceStatus.VOID)
        self.posted += back
        self._settle_again(account, void, back, at)

    def regenerate(self, bill: Bill, at: datetime) -> Bill | None:
        """Make the void invoice anew that the oracle means; None: that is refused."""
        void, account = self._kept(bill, InvoiceStatus.VOID), self._account(at)
        try:
            draft = self._anew(account, void, at)
            contract = next(each for each in account.contracts if each.id == void.contract_id)
            pro_service.check_again(contract, void, account.awaited_items)
        except InvalidError:
            return None
        self._keep(draft, at)
        self._settle_again(account, draft.invoice, draft.entries, at)
        return self.bills[draft.invoice.id]

    def edit(self, asked: Edit) -> bool:
        """Change what is agreed from now on, as `api/edits.py` does; False: that is refused."""
        [like] = [each for each in self.case.tenant.contracts if each.id == asked.contract_id]
        [before] = [each for each in self.contracts if each.id == asked.contract_id]
        begun = self._begun(asked.said_at) if asked.recurring else {}
        try:
            made, balances = real_edit.edited(before, self.balances, asked, self.products, self._settled(asked.said_at))
        except InvalidError:
            return False
        self.children |= begun
        made = real_edit.with_new(made, like, asked)
        self.contracts = tuple(made if each.id == made.id else each for each in self.contracts)
        self.balances = tuple(balances)
        return True

    def move(self, bill: Bill, to: datetime, at: datetime) -> bool:
        """Let the open invoice that is meant be issued on another date; False: there is none, or that is refused."""
        open_ones = [each.invoice for each in self.drafts(at)]
        meant = [each.id for each in open_ones if contents(bill_of(each, self.starts)) == contents(bill)]
        found = open_invoice(self.standing, meant[0], at) if meant else None
        if found is None:
            return False
        try:
            dates = moved(found, to).issue_dates
        except InvalidError:
            return False
        self.contracts = tuple(
            replace(each, issue_dates=dates) if each.id == found.contract.id else each for each in self.contracts
        )
        return True

    def _settled(self, at: datetime) -> Settled:
        """Return what is final, and therefore stays."""
        manual = (each for each in self.manual if each.timestamp <= at)
        return Settled((*self.posted, *manual), *self._asked_for(at))

    def _anew(self, account: Account, void: Invoice, at: datetime) -> Draft:
        """Return what takes the place of a void invoice. Raises `InvalidError`."""
        if void.type is InvoiceType.USAGE_CONSOLIDATED:
            return Draft(reconsolidated(account, void, standing_for(self.final, void)), (), None)
        usage = self._usage(account, needs_again(account, void, at), at)
        made = regenerated(account, void, usage, at, self._waiting())
        if made.invoice.start is not None:
            self.starts[made.invoice.id] = made.invoice.start
        return made

    def _waiting(self) -> list[Invoice]:
        """Return the void usage statements that were not made anew."""
        anew = {each.regenerated_from_invoice_id for each in self.final.values()}
        void = (each for each in self._final(InvoiceStatus.VOID) if each.id not in anew)
        return [each for each in void if each.type is InvoiceType.USAGE]

    def _keep(self, draft: Draft, issued_at: datetime) -> None:
        """Keep a draft as a final invoice."""
        invoice = replace(draft.invoice, status=InvoiceStatus.FINALIZED, issued_at=issued_at)
        self.bills[invoice.id], self.final[invoice.id] = bill_of(draft.invoice, self.starts), invoice
        self.posted += draft.entries
        self.items |= _items([invoice])

    def _final(self, status: InvoiceStatus) -> list[Invoice]:
        """Return the kept invoices of a status."""
        return [each for each in self.final.values() if each.status is status]

    def _kept(self, bill: Bill, status: InvoiceStatus) -> Invoice:
        """Return a kept invoice that says what the oracle's does, and was not made anew."""
        anew = {each.regenerated_from_invoice_id for each in self.final.values()}
        return next(
            each
            for each in self._final(status)
            if each.id not in anew and contents(self.bills[each.id]) == contents(bill)
        )

    def _settle_again(self, account: Account, of: Invoice, posted: Iterable[LedgerEntry], at: datetime) -> None:
        """Settle once more what rolled over from contracts on which an invoice draws, as `bill/actions.py` does."""
        contract = next(each for each in account.contracts if each.id == of.contract_id)
        known = settling(account, at)
        for contract_id in contract.draws_on:
            for each in settled_again(known, contract_id, list(posted), f"{of.id} {of.status}"):
                when = next((then for then, one in self.rolled if one.id == each.balance.id), at)
                self.rolled = [(then, one) for then, one in self.rolled if one.id != each.balance.id]
                self.rolled.append((when, each.balance))
                self.posted.append(each.entry)

    def ledgers(self, found: list[Draft], at: datetime) -> dict[str, tuple[list[Told], Fraction, dict[str, Fraction]]]:
        """Return balance id → its ledger with the deductions of these drafts, what may still be used, and by whom."""
        account = with_amounts(self._account(at), self.rolling)
        archived = [each for each in self._agreed(at)[1] if each.archived_at is not None]
        entries = [*account.entries, *(entry for draft in found for entry in draft.entries)]
        entries += [each.entry for each in self.rolling]
        return {
            each.id: (
                told(ledger(each, entries, at)),
                Fraction(balance_of(each, entries, (), at)),
                _parts(each, entries),
            )
            for each in (*account.balances, *archived)
        }

    def _account(self, at: datetime) -> Account:
        """Return what `store/accounts.py` would load at an instant."""
        contracts, balances = self._agreed(at)
        final, awaited = items_on(contracts, self.final.values())
        named = {rate.product_id for card in self.rates.values() for rate in card}
        named |= {each.product_id for each in balances}
        for contract in contracts:
            terms = (
                *contract.dated,
                *contract.recurring_balances,
                *contract.subscriptions,
                *contract.professional_services,
            )
            named |= {each.product_id for each in terms if each.product_id in self.products}
        account = Account(
            customer=self.customer,
            relatives=self.relatives,
            contracts=contracts,
            rates=self.rates,
            cards=self.cards,
            products={each: self.products[each] for each in sorted(named)},
            metrics=self.metrics,
            balances=tuple(each for each in balances if each.archived_at is None),
            entries=(
                *self.posted,
                *(each for each in self.manual if each.timestamp <= at),
                *seats.adjustments(contracts, balances, at),
            ),
            invoiced=frozenset(self.final),
            invoiced_items=final,
            awaited_items=awaited,
            units=self.units,
            kept_balances=frozenset(one for _, balance in self.rolled for one in (balance.id, self.names[balance.id])),
        )
        account = with_rollovers(account, at)
        return replace(account, balances=tuple(map(self._renamed, account.balances)))

    def _renamed(self, balance: Balance) -> Balance:
        """Return what rolled over under the id that the oracle gives it; `names` has the one that Winkel gave it."""
        if balance.rolled_over_from is None or balance.id in self.names:
            return balance
        name = f"{balance.rolled_over_from.balance_id} {balance.contract_id} ROLLOVER"
        self.names[name] = balance.id
        return _with_ids(balance, name, f"{name} access", f"{name} invoice")

    def _agreed(self, at: datetime) -> tuple[tuple[Contract, ...], tuple[Balance, ...]]:
        """Return contracts and balances as they are at an instant, the latter under the ids of the oracle."""
        contracts, balances = self._terms(at)
        return tuple(contracts), tuple(map(_named, balances))

    def _terms(self, at: datetime) -> tuple[list[Contract], list[Balance]]:
        """Return contracts and balances as they are when some end earlier, or are renewed, with children.

        That is what `api/contract_ends.py` and `api/renewals.py` make of them.
        """
        said = sorted((each for each in self.case.tenant.ends if each.said_at <= at), key=lambda each: each.said_at)
        renewing = {each.renewed_by for each in said}
        contracts = {
            each.id: self._known(each, at) for each in self.contracts if not each.transition or each.id in renewing
        }
        agreed = {None, *contracts}
        balances = {each.id: each for each in self.balances if each.created_at <= at and each.contract_id in agreed}
        balances |= self.children
        for end in said:
            contract = contracts[end.contract_id]
            begun = recurring.begun(recurring.children([contract], (), end.said_at), end.said_at)
            balances |= {each.id: each for each in begun if each.id not in balances}
            settled_by_then = (each for settled_at, each in self.rolled if settled_at <= end.said_at)
            balances |= {each.id: each for each in settled_by_then if each.id not in balances}
            known = (_as_of(each, end.said_at) for each in balances.values() if each.contract_id == contract.id)
            own = [each for each in known if each.archived_at is None]
            cut = own
            if contract.ending_before is None or end.ending_before < contract.ending_before:
                later = [each for each in contract.pro_service_invoices if self.requests[each.id][0] >= end.said_at]
                before = [each for each in contract.pro_service_invoices if each not in later]
                contract = replace(contract, pro_service_invoices=tuple(before))
                ended, cut = contract_ends.ended(contract, own, end.ending_before, Invoiced(end.said_at, (), ()))
                asked = (*ended.pro_service_invoices, *later)
                contracts[contract.id] = replace(ended, pro_service_invoices=asked)
            if end.renewed_by is not None:
                trueup = TrueUpBehavior.AS_IS if end.true_ups else TrueUpBehavior.REMOVE
                cut = [
                    renewals.true_up_kept(before, after, trueup, end.ending_before, self.items)
                    for before, after in zip(own, cut, strict=True)
                ]
            balances |= {each.id: replace(each, archived_at=balances[each.id].archived_at) for each in cut}
        balances |= {each.id: each for _, each in self.rolled if each.id not in balances}
        found = [*balances.values(), *recurring.children(contracts.values(), balances, at)]
        return list(contracts.values()), found

    def _known(self, contract: Contract, at: datetime) -> Contract:
        made = next(each for each in self.case.tenant.contracts if each.id == contract.id)
        known = (self._as_known(contract.id, each, at) for each in made.subscriptions if each.known_at <= at)
        asked = (invoice for _, its_id, invoice in self.requests.values() if its_id == contract.id)
        subscriptions = tuple(map(build.subscription_of, known))
        return replace(contract, subscriptions=subscriptions, pro_service_invoices=tuple(asked))

    def _as_known(self, contract_id: str, one: Subscription, at: datetime) -> Subscription:
        """Return a subscription with what is agreed of it: it has a quantity until it is said that it has seats."""
        heard = {
            each.change for each in self.heard if (each.contract_id, each.subscription_id) == (contract_id, one.id)
        }
        later = one.seats_from is not None and one.seats_from > at
        return replace(
            one,
            changes=tuple(each for each in one.changes if each.said_at is None or each in heard),
            seat_key=None if later else one.seat_key,
            seat_changes=tuple(each for each in one.seat_changes if not later and (not each.said_at or each in heard)),
            seats_from=None if later else one.seats_from,
        )

    def _usage(self, account: Account, some: Iterable[Need], at: datetime) -> dict[str, list[HourUsage]]:
        """Return usage under the keys by which it is asked for."""
        usage: dict[str, list[HourUsage]] = defaultdict(list)
        for need in some:
            usage[need.key] += self._rows(account, need, at)
        return usage

    def _rows(self, account: Account, need: Need, at: datetime) -> list[HourUsage]:
        """Return what `store/usage.py` would read: here each event is a row of its own."""
        metric, keys = self.metrics[need.metric_id], account.keys(need.relative_id)
        return [
            _row(metric, need.group_key, each)
            for each in self.case.counted
            if each.metric_id == metric.id
            and each.customer in keys
            and each.known_at <= at
            and need.start_hour <= hour_number(each.at) < need.end_hour
        ]


def _items(invoices: Iterable[Invoice]) -> set[str]:
    """Return the ids of what is asked for on dates, and by subscriptions, that invoices ask for."""
    lines = (line for each in invoices for line in each.line_items)
    return {line.schedule_item_id for line in lines if line.schedule_item_id}


def _parts(balance: Balance, entries: Iterable[LedgerEntry]) -> dict[str, Fraction]:
    """Return seat → what it has left of its part of a balance."""
    if balance.seat_group_key is None or not balance.segments:
        return {}
    its_id, some = balance.segments[0].id, [each for each in entries if each.balance_id == balance.id]
    left = remaining_of([balance], some)
    return {seat: Fraction(left[part_id(its_id, seat)]) for seat in seats.parts(balance, some)}


def _named(balance: Balance) -> Balance:
    """Return a child of a recurring term under the ids that the oracle gives it: they decide last who pays first."""
    if balance.recurring_id is None:
        return balance
    name = f"{balance.recurring_id} {balance.segments[0].starting_at:%Y-%m-%dT%H}"
    return _with_ids(balance, name, name, name)


def _as_of(balance: Balance, at: datetime) -> Balance:
    """Return a balance as if it had not been archived since."""
    return replace(balance, archived_at=None) if balance.archived_at and balance.archived_at > at else balance


def _with_ids(balance: Balance, its_id: str, segment_id: str, item_id: str) -> Balance:
    """Return a balance, its segment and the item of its schedule with these ids: they decide last who pays first."""
    asked = balance.invoice_schedule
    if asked is not None:
        asked = replace(asked, schedule_items=tuple(replace(each, id=item_id) for each in asked.schedule_items))
    segments = tuple(replace(each, id=segment_id) for each in balance.segments)
    return replace(balance, id=its_id, segments=segments, invoice_schedule=asked)


def _row(metric: BillableMetric, group_key: int, each: Counted) -> HourUsage:
    values = dict(each.values)
    group = tuple(values.get(name) for name in metric.keys[group_key])
    hour = hour_number(each.at)
    match metric.aggregation_type:
        case Aggregation.UNIQUE:
            return HourUsage(each.customer, group, hour, distinct=frozenset({each.value}))
        case Aggregation.LATEST:
            micros = (each.at - EPOCH) // MICROSECOND
            return HourUsage(each.customer, group, hour, Decimal(each.value), micros, each.transaction_id)
        case _:
            return HourUsage(each.customer, group, hour, Decimal(each.value))
