"""The oracle's invoices of one customer and its family, drafts and final ones, and what they leave of balances."""

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime, timedelta
from fractions import Fraction
from functools import partial
from typing import Any

from msgspec.structs import replace

from sim.oracle_bill import Bill
from sim.oracle_charge import Payer, charges
from sim.oracle_composite import as_shown, composites, share_of, shared_by, steps
from sim.oracle_conversion import conversions
from sim.oracle_draw import Paid, applies, draw, is_open, payers, pays_for, reaches
from sim.oracle_end import balances_at, contracts_at
from sim.oracle_family import CONSOLIDATED, addressed, consolidated, draws_on, family
from sim.oracle_ledger import Told, asked_for, changes, ledger, remaining, usable
from sim.oracle_line import lines
from sim.oracle_period import makes, periods
from sim.oracle_quantity import counts
from sim.oracle_rollover import Rolled, rolls_over
from sim.oracle_scheduled import Asked, below_usage, scheduled
from sim.oracle_seats import later_gifts, part_of, parts
from sim.oracle_subscribed import of_rates
from sim.oracle_subscription import on_statement
from sim.oracle_target import Use
from sim.oracle_trueup import true_up_of, true_ups
from sim.world import Balance, Contract, Counted, Edit, Entry, Tenant

HOUR = timedelta(hours=1)


class Books:
    """Everything that one customer, and its family, was asked for and gave.

    `tenant` has what is sold and agreed; `events(customer_id, metric_id)` gives what was counted of a customer.
    """

    def __init__(self, tenant: Tenant, customer_id: str, events: Callable[[str, str], Iterable[Counted]]) -> None:
        self.tenant = tenant
        self.family = family(tenant, customer_id)
        self.events = events
        self.final: list[Bill] = []
        self.rolled: list[Rolled] = []
        """What rolled over for good."""
        self.rolling: list[Rolled] = []
        """What would roll over besides, by the drafts that were made last."""
        self.edits: list[Edit] = []
        """What was changed since the beginning."""
        self.moved: dict[tuple[str | None, datetime], datetime] = {}
        """What an invoice asks for, and for when that was agreed → the other date on which it is issued."""

    def drafts(self, at: datetime) -> list[Bill]:
        """Return all open invoices, in the order in which they draw down: by date, usage statements first."""
        self.rolling = []
        balances, contracts = self.balances(at), self.contracts(at)
        left = self.left(at, balances)
        settled = {each.segment_id for each in self.rolled}
        waiting = {each.id: each for each in contracts if each.renews and each.starting_at <= at}

        def usable_by(contract: Contract, until: datetime | None = None) -> list[Balance]:
            """Return the balances, with what rolls over to a contract, and to its parent, by now.

            `until` is the end of its statement: one that is over then draws on nothing that rolls over later.
            """
            for new in draws_on(contract):
                if new not in waiting or (until is not None and until <= waiting[new].starting_at):
                    continue
                some = [each for each in rolls_over(waiting.pop(new), balances, left) if each.segment_id not in settled]
                for each in some:
                    left[each.segment_id] -= each.amount
                    left[each.balance.segments[0].id] = each.amount
                self.rolling += some
            return [*balances, *(each.balance for each in self.rolling)]

        over, invoiced = self.over(), self.invoiced(at)
        turns: list[tuple[Any, Callable[[], Bill]]] = []
        for contract in contracts:
            for start, end in periods(contract, at):
                if (contract.id, start) not in over and makes(contract, start):
                    by_then = partial(usable_by, until=end)
                    make = partial(self.statement, contract, start, end, by_then, left, at, invoiced)
                    turns.append(((end, False, contract.created_at, contract.id), make))
        open_ones = scheduled(self.tenant, contracts, balances, over, invoiced, at)
        for asked in map(self._as_moved, sorted(open_ones, key=lambda each: each.date)):
            by = asked.date, True, asked.contract.created_at, asked.contract.id
            turns.append((by, partial(self.scheduled, asked, balances, left, at)))
        found = [make() for _, make in sorted(turns, key=lambda each: each[0])]
        for contract in list(waiting.values()):
            usable_by(contract)
        balances += [each.balance for each in self.rolling]
        asking = true_ups(self.tenant, contracts, balances, invoiced, left)
        found += [
            replace(each, start=self.moved.get((each.lines[0].item_id, each.start), each.start)) for each in asking
        ]
        found += consolidated(contracts, found, self.over(CONSOLIDATED))
        return [addressed(contracts, each) for each in found]

    def finalize(self, drafts: Iterable[Bill], until: datetime, grace: timedelta) -> list[Bill]:
        """Make final what is due at `until`.

        Statements after their grace (section 2), others on their date (8), true-ups after the usage that counts (6).
        """
        found = [each for each in drafts if due_at(each, grace) <= until]
        self.final += found
        over = self.over()
        known = {each.id: each for each in self.balances(until)}
        for each in self.rolling:
            old = known[each.balance.rolled_from or ""]
            drawing = [one for one in self.contracts(until) if reaches(self.tenant, old, one)]
            if all((one.id, start) in over for one in drawing for start, _ in periods(one, until)):
                self.rolled.append(replace(each, settled_at=until))
        self.rolling = [each for each in self.rolling if all(each.balance != one.balance for one in self.rolled)]
        return found

    def move(self, bill: Bill, to: datetime, at: datetime) -> bool:
        """Let an open invoice be issued on another date; False: its contract has ended by then."""
        [end] = [each.ending_before for each in self.contracts(at) if each.id == bill.contract_id]
        if end is not None and to > end:
            return False
        balances = self.balances(at)
        open_ones = scheduled(self.tenant, self.contracts(at), balances, self.over(), self.invoiced(at), at)
        agreed = {item_id: each.date for each in open_ones for item_id in each.item_ids}
        promised = [*balances, *(each.balance for each in self.rolling)]
        agreed |= {item.id: item.at for each in promised for item, _ in true_up_of(each)}
        self.moved |= {(line.item_id, agreed[line.item_id]): to for line in bill.lines if line.item_id}
        return True

    def issued_at(self, item_ids: Iterable[str | None], agreed: datetime) -> datetime:
        """Return when an invoice is issued that asks for some of these items on the date that was agreed."""
        return next((self.moved[each, agreed] for each in item_ids if (each, agreed) in self.moved), agreed)

    def _as_moved(self, asked: Asked) -> Asked:
        return replace(asked, date=self.issued_at(asked.item_ids, asked.date))

    def ledger(self, balance: Balance, at: datetime, drafts: Iterable[Bill] = ()) -> list[Told]:
        """Return the ledger of a balance, with the deductions of these drafts."""
        return ledger(balance, self._changes(balance, at, drafts), at)

    def usable(self, balance: Balance, at: datetime, drafts: Iterable[Bill] = ()) -> Fraction:
        """Return what the customer may use of a balance, less the deductions of these drafts."""
        return usable(balance, self._changes(balance, at, drafts), at)

    def _changes(self, balance: Balance, at: datetime, drafts: Iterable[Bill]) -> list[Told]:
        bills = [*self.final, *drafts]
        found = changes(balance, self._entries(at), bills, [*self.rolled, *self.rolling])
        return [*found, *later_gifts(self.tenant, balance, at), *self._kept(balance)]

    def _kept(self, balance: Balance) -> Iterator[Told]:
        """Yield what true-ups took of segments that an end has dropped since, and gave back: entries stay (7)."""
        own = {each.id for each in balance.segments}
        made = (each for each in self.tenant.balances if each.id == balance.id)
        told = ((bill, *entry) for each in made for bill in self.final for entry in asked_for(each, bill))
        for bill, at, kind, segment_id, amount in told:
            if segment_id not in own:
                yield at, kind, segment_id, amount
                yield from ((at, kind, segment_id, -amount),) * bill.void

    def parts(self, balance: Balance, at: datetime, drafts: Iterable[Bill] = ()) -> dict[str, Fraction]:
        """Return what each seat has left of its part of a balance, less the deductions of these drafts."""
        return parts(self.tenant, balance, [*self.final, *drafts], at)

    def left(self, at: datetime, balances: Iterable[Balance] | None = None) -> dict[str, Fraction]:
        """Return what final invoices have left of every segment."""
        found: dict[str, Fraction] = {}
        for balance in self.balances(at) if balances is None else balances:
            told = changes(balance, self._entries(at), self.final, self.rolled)
            found |= remaining(balance, [*told, *later_gifts(self.tenant, balance, at)])
            for seat, amount in parts(self.tenant, balance, self.final, at).items():
                found[part_of(balance.segments[0].id, seat)] = amount
        return found

    def taken(self, at: datetime) -> dict[str, Fraction]:
        """Return what final invoices, and contracts to which it rolled over, have taken of every segment."""
        found: dict[str, Fraction] = {}
        for balance in self.balances(at):
            found |= {each.id: Fraction(0) for each in balance.segments}
            for _, _, segment_id, amount in changes(balance, (), self.final, self.rolled):
                found[segment_id] -= amount
        return found

    def over(self, kind: str = "USAGE") -> set[tuple[str, datetime]]:
        """Return (contract id, start) of usage statements, or of consolidated invoices, that are final, or void."""
        return {(bill.contract_id, bill.start) for bill in self.final if bill.type == kind}

    def invoiced(self, at: datetime, without: Bill | None = None) -> set[str | None]:
        """Return what is asked for on dates, and by subscriptions, and is on a final invoice, but on this one.

        Or on a void one that waits to be made anew: none has taken its place, and of a statement its period has not
        fallen behind the end of its contract.
        """
        ends = {each.id: each.ending_before for each in self.contracts(at)}

        def waits(bill: Bill) -> bool:
            end = ends[bill.contract_id]
            return not bill.regenerated and (bill.type == "SCHEDULED" or end is None or bill.start < end)

        counting = [bill for bill in self.final if bill is not without and (not bill.void or waits(bill))]
        return {line.item_id for bill in counting for line in bill.lines}

    def statement(
        self,
        contract: Contract,
        start: datetime,
        end: datetime,
        usable_by: Callable[[Contract], list[Balance]],
        left: dict[str, Fraction],
        at: datetime,
        invoiced: set[str | None],
        again: Collection[str | None] = (),
    ) -> Bill:
        """Return the usage statement of a period, and take from `left` what it draws.

        `again` is what stood on the void one in whose place it comes.
        """
        balances = usable_by(contract)
        able = payers(self.tenant, balances, contract, start)

        def may_pay(use: Use, instant: datetime, kind: str = "usage") -> list[Payer]:
            return [
                (balance, segment)
                for balance, segment in able
                if is_open(segment, instant) and applies(balance, use) and pays_for(balance, kind)
            ]

        def events(metric_id: str) -> list[Counted]:
            theirs = self.events(contract.customer_id, metric_id)
            return [each for each in theirs if each.known_at <= at and counts(contract, each)]

        shares = composites(self.tenant, contract, start, end, able, partial(may_pay, kind="composite"))
        found = charges(self.tenant, contract, start, end, events, able, may_pay, partial(shared_by, shares))
        found += on_statement(self.tenant, contract, end, invoiced)
        found += of_rates(self.tenant, contract, start, end, invoiced)
        paid = draw(found, able, left)
        asked: dict[str, list[Paid]] = {}
        for step in steps(shares):
            wanted = []
            for share in step:
                before = [each.product.id for each in shares[: shares.index(share)]]
                counted = [each for name in before for each in asked.get(name, ())]
                wanted += share_of(share, [*paid, *counted], end)
            drawn = draw(wanted, able, left)
            for share in step:
                asked[share.product.id] = [each for each in drawn if each.charge.use.product_id == share.product.id]
        paid += [each for share in as_shown(self.tenant, contract, shares) for each in asked[share.product.id]]
        paid += draw(list(conversions(self.tenant, contract, paid, start, end, end - HOUR)), able, left)
        below = below_usage(self.tenant, contract, start, balances, invoiced, at, again)
        all_lines = (*lines(self.tenant, paid), *below)
        return Bill(contract.id, "USAGE", start, end, self.tenant.cards[contract.card_id], all_lines)

    def scheduled(self, asked: Asked, balances: list[Balance], left: dict[str, Fraction], at: datetime) -> Bill:
        """Return the scheduled invoice of a date; once that has come, balances pay for subscriptions on it."""
        able = payers(self.tenant, balances, asked.contract, asked.date) if asked.date <= at else []
        paid = draw(asked.charges, able, left)
        if paid:
            last = max(each.paid_at for each in asked.charges if each.paid_at)
            units = conversions(self.tenant, asked.contract, paid, asked.date, asked.date, last)
            paid += draw(list(units), able, left)
        return Bill(
            asked.contract.id, "SCHEDULED", asked.date, None, asked.currency, (*asked.lines, *lines(self.tenant, paid))
        )

    def contracts(self, at: datetime) -> list[Contract]:
        """Return the contracts as they are agreed at an instant."""
        return contracts_at(self.tenant, self.family, at)

    def balances(self, at: datetime) -> list[Balance]:
        """Return the balances that are known at an instant."""
        return balances_at(self.tenant, self.family, at, self.rolled)

    def _entries(self, at: datetime) -> list[Entry]:
        return [each for each in self.tenant.entries if each.at <= at]


def due_at(bill: Bill, grace: timedelta) -> datetime:
    """Return when an invoice becomes final."""
    if bill.end is not None:
        return bill.end + grace
    return max(bill.start, bill.usage_until + grace) if bill.usage_until else bill.start
