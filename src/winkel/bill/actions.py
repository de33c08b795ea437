"""What people and workers ask of billing: the drafts of a customer, making them final, and correcting what is final."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

import msgspec
import structlog
from msgspec import Struct

from winkel.bill import books, correct, pro_service
from winkel.bill.apart import apart
from winkel.bill.balance import all_remaining
from winkel.bill.breakdown import Window, breakdown
from winkel.bill.draft import Draft, drafted, drafts
from winkel.bill.due import RETRY, due_at, next_look, settled, settling
from winkel.bill.imported import as_metered, imported, statement_to_import
from winkel.bill.issue import Open, open_invoice
from winkel.bill.preview import preview
from winkel.bill.recurring import begun, children, with_children
from winkel.bill.rollover import Rollover, roll, settled_again, with_amounts, with_rollovers, without_awaited
from winkel.bill.statement import Need, needs, needs_of, statement_of
from winkel.meter.preview import usage_of
from winkel.meter.runs import oldest_day
from winkel.model.account import Account
from winkel.model.commit import Balance
from winkel.model.contract import Contract
from winkel.model.errors import InvalidError, NotFoundError
from winkel.model.event import Event
from winkel.model.invoice import ImportedUsage, Invoice, InvoiceStatus, InvoiceType
from winkel.model.ledger import LedgerEntry
from winkel.model.period import Period
from winkel.model.usage import HourUsage
from winkel.store import accounts, balances, billing, contracts, database, invoices, ledger, shards
from winkel.store.billing import Look
from winkel.store.database import Connection
from winkel.store.shards import Lender
from winkel.store.sql import grouped

log = structlog.get_logger(__name__)

LOOKED_THROUGH = 500
"""How many customers are read at once when an open invoice is looked for."""


class Standing(Struct, frozen=True):
    """A customer's account, with what has rolled over as it would be settled now, and what is open of its family."""

    account: Account
    of_family: list[Draft]
    rollovers: list[Rollover]
    """Of the family."""

    @property
    def drafts(self) -> list[Draft]:
        """The customer's own open invoices: those of its relatives are not its to see."""
        return _own(self.account, self.of_family)

    @property
    def deductions(self) -> list[LedgerEntry]:
        """What finalizing all open drafts of the family would take from balances, and settling what rolls over."""
        drawn = [entry for draft in self.of_family for entry in draft.entries]
        return [*drawn, *(each.entry for each in self.rollovers)]


class Failure(Struct, frozen=True):
    """Contracts of a family that could not be billed, and why; no contract is named when it was the whole account."""

    contract_ids: tuple[str, ...]
    problem: str

    def __str__(self) -> str:
        return f"contract {', '.join(self.contract_ids)}: {self.problem}" if self.contract_ids else self.problem


class Billed(Struct, frozen=True):
    """What billing a family came to."""

    customer_id: str
    """The first of its members."""
    invoices: list[Invoice]
    """Those that were finalized."""
    failures: list[Failure]


class _Part(Struct):
    """Contracts of a family that are billed together, and how far that is."""

    account: Account
    needs: list[Need] = []
    drafts: list[Draft] = []
    rollovers: list[Rollover] = []
    failure: Failure | None = None

    @contextmanager
    def trying(self) -> Iterator[None]:
        """Note what goes wrong, so that it stops no other part."""
        try:
            yield
        except Exception as error:
            ids = tuple(each.id for each in self.account.contracts)
            log.exception("billing failed", customer=self.account.customer.id, contracts=ids)
            self.failure = Failure(ids, f"{type(error).__name__}: {error}")


async def standing(
    tx: Connection, further: Sequence[Lender], tenant_id: int, customer_id: str, at: datetime
) -> Standing:
    """Return the account and every draft of a customer, rated now. Raises `NotFoundError`.

    The transaction should be a snapshot, so that no invoice is finalized between two of its reads. `further` are the
    databases beside its own that usage is spread over.
    """
    account = whole(await accounts.load(tx, tenant_id, customer_id), at)
    async with shards.reading(tx, further, tenant_id) as reader:
        (metered,) = await _metered(reader, [(account, needs(account, at))])
    found = drafted(account, metered, at)
    return Standing(with_amounts(account, found.rollovers), found.drafts, found.rollovers)


def whole(account: Account, at: datetime) -> Account:
    """Return the account with the balances that follow from its contracts and are not kept yet."""
    return with_rollovers(with_children(account, at), at)


async def breakdowns(
    tx: Connection,
    further: Sequence[Lender],
    tenant_id: int,
    account: Account,
    every: Account,
    windows: Sequence[Period],
    *,
    grace: timedelta,
    at: datetime,
) -> list[Window]:
    """Return every usage invoice of the account, cut into these windows: the drafts, rated now, and the final ones.

    A draft has the date on which it will be issued. `every` is the account with its archived contracts, for their final
    invoices are broken down too; drafts, and who pays them, follow from those that are live. Both must be `whole`. The
    transaction should be a snapshot. `windows` are at least one, in order and without a gap.
    """
    kept = await invoices.meeting(tx, tenant_id, account.customer.id, Period(windows[0].start, windows[-1].end))
    rated = [statement_of(every, each) for each in kept if not each.imported_usage]
    wanted = [(account, needs(account, at)), (every, needs_of(every, rated))]
    async with shards.reading(tx, further, tenant_id) as reader:
        of_drafts, of_kept = await _metered(reader, wanted)
    own = _own(account, drafts(account, of_drafts, at))
    open_ones = [each for each in own if each.invoice.type is InvoiceType.USAGE]
    still = [msgspec.structs.replace(each.invoice, issued_at=due_at(each, grace)) for each in open_ones]
    found = [window for each in kept for window in _windows(every, each, of_kept, windows)]
    return found + [window for each in still for window in _windows(account, each, of_drafts, windows)]


def _windows(
    account: Account, invoice: Invoice, usage: Mapping[str, Sequence[HourUsage]], windows: Sequence[Period]
) -> list[Window]:
    """Return the breakdown of an invoice: by usage, or by what it was imported from."""
    if invoice.imported_usage:
        account, usage = as_metered(account, statement_of(account, invoice).contract, invoice.imported_usage)
    return breakdown(account, invoice, usage, windows)


class Import(Struct, frozen=True):
    """A past usage statement, with the quantities from which it is to be made."""

    contract_id: str
    period: Period
    issued_at: datetime
    given: tuple[ImportedUsage, ...]


async def importing(tx: Connection, tenant_id: int, customer_id: str, *, keep: bool, at: datetime) -> Account:
    """Return the account of a customer whose past is to be imported; it is locked. Raises `NotFoundError`."""
    account = with_children(await accounts.load(tx, tenant_id, customer_id), at)
    if keep:
        await _keep_children(tx, tenant_id, [account], at)
    return account


async def import_one(
    tx: Connection, tenant_id: int, account: Account, asked: Import, *, keep: bool, at: datetime
) -> tuple[Invoice, Account]:
    """Return an imported invoice, final at once, and the account with it; it is kept if `keep` says so.

    Raises `InvalidError` and `ConflictError` as `bill/imported.py` does.
    """
    own = (each for each in account.contracts if each.customer_id == account.customer.id)
    contract = next((each for each in own if each.id == asked.contract_id), None)
    if contract is None:
        raise InvalidError(f"this customer has no open contract {asked.contract_id}")
    for each in _rolled_before(account, contract, at):
        if keep:
            await balances.insert(tx, tenant_id, each.balance)
            await ledger.post(tx, tenant_id, [each.entry])
        account = msgspec.structs.replace(
            account,
            balances=(*account.balances, each.balance),
            entries=(*account.entries, each.entry),
            kept_balances=account.kept_balances | {each.balance.id},
        )
    draft = imported(account, statement_to_import(account, contract, asked.period, at), asked.given)
    invoice = _final(draft, asked.issued_at, at)
    books.check(invoice, draft.entries)
    if keep:
        await invoices.insert(tx, tenant_id, [invoice])
        await ledger.post(tx, tenant_id, draft.entries)
    items = {line.schedule_item_id for line in invoice.line_items if line.schedule_item_id}
    after = msgspec.structs.replace(
        account,
        entries=(*account.entries, *draft.entries),
        invoiced=account.invoiced | {invoice.id},
        invoiced_items=account.invoiced_items | items,
    )
    return invoice, after


def _rolled_before(account: Account, contract: Contract, at: datetime) -> list[Rollover]:
    """Return what rolls over to what a contract draws on, to be settled before a statement of it is imported.

    Raises `InvalidError` while statements are open that may draw on it still.
    """
    known = with_rollovers(account, at)
    left = all_remaining(known)
    renewing = [each for each in account.contracts if each.id in contract.draws_on and each.transition is not None]
    rolled = [one for each in renewing for one in roll(known, each, left)]
    settleable = {each.id for each in settling(known, at).balances}
    if any(each.balance.id not in settleable for each in rolled):
        raise InvalidError("statements of the contract before are open, and leave what rolls over: import those first")
    return rolled


class Hypothetical(Struct, frozen=True):
    """Events that nobody ingested, as they would count for one customer."""

    events: Sequence[Event]
    identities: Mapping[str, bytes]
    """By transaction id, of those events that have one of their sender's."""
    space: str
    """The memory of event identities that knows what was counted (log/log.py)."""
    merge: bool
    """Whether usage counts too, and events that are part of it do not; else only these events count."""


async def previewed(
    tx: Connection, further: Sequence[Lender], tenant_id: int, customer_id: str, asked: Hypothetical, at: datetime
) -> list[Draft]:
    """Return the drafts of current periods as they would be with these events; nothing is kept.

    The transaction should be a snapshot: what was counted and what is remembered of it are written together, so an
    event is in the usage that is read or it is not remembered. Raises `NotFoundError`, and `InvalidError` for an event
    that a billable metric cannot use.
    """
    account = whole(await accounts.load(tx, tenant_id, customer_id), at)
    wanted, events = needs(account, at), asked.events
    async with shards.reading(tx, further, tenant_id) as reader:
        counting = [need for need in wanted if asked.merge or need.relative_id]  # relatives draw on balances as ever
        (metered,) = await _metered(reader, [(account, counting)])
        if asked.merge:
            known = await reader.remembered(asked.space, oldest_day(at.date()), asked.identities.values())
            events = [each for each in events if asked.identities.get(each.transaction_id) not in known]
    usage: dict[str, Sequence[HourUsage]] = {**{need.key: () for need in wanted}, **metered}
    return _own(account, preview(account, usage, usage_of(tenant_id, events, list(account.metrics.values())), at))


def _own(account: Account, some: Iterable[Draft]) -> list[Draft]:
    """Return the drafts of the account's customer, without those of its relatives."""
    return [each for each in some if each.invoice.customer_id == account.customer.id]


async def _metered(
    reader: shards.Reader, wanted: Sequence[tuple[Account, Iterable[Need]]]
) -> list[dict[str, list[HourUsage]]]:
    """Return the usage that each account was asked for, under the keys by which it was; like questions are one."""
    asked: dict[tuple[int, int, int], list[tuple[int, Need]]] = defaultdict(list)
    for number, (_, some) in enumerate(wanted):
        for need in some:
            asked[need.start_hour, need.end_hour, need.group_key].append((number, need))
    found: list[dict[str, list[HourUsage]]] = [defaultdict(list) for _ in wanted]
    for (start, end, group_key), some_needs in asked.items():
        keys = sorted({key for number, need in some_needs for key in wanted[number][0].keys(need.relative_id)})
        metric_ids = sorted({need.metric_id for _, need in some_needs})
        hours = await reader.hours(keys, metric_ids, dict.fromkeys(metric_ids, group_key), start, end)
        rows = grouped(((each.customer_key, metric_id), each) for metric_id in hours for each in hours[metric_id])
        for number, need in some_needs:
            for key in wanted[number][0].keys(need.relative_id):
                found[number][need.key] += rows.get((key, need.metric_id), ())
    return found


async def unkept_children(tx: Connection, tenant_id: int, customer_id: str, at: datetime) -> list[Balance]:
    """Return the children of a customer's recurring commits and credits that are not kept yet: begun, or the next."""
    agreed = await contracts.of_customer(tx, tenant_id, customer_id)
    known = await balances.ids(tx, tenant_id, [customer_id])
    return children(agreed, known.get(customer_id, frozenset()), at)


async def unsettled(
    tx: Connection, further: Sequence[Lender], tenant_id: int, customer_id: str, at: datetime
) -> list[Balance]:
    """Return the balances of what has rolled over to contracts of a customer and is not settled, as it would be now."""
    agreed = await contracts.of_customer(tx, tenant_id, customer_id)
    if not any(each.transition is not None and each.starting_at <= at for each in agreed):
        return []
    now = await standing(tx, further, tenant_id, customer_id, at)
    return [each.balance for each in now.rollovers if each.balance.customer_id == customer_id]


async def keep_begun(tx: Connection, tenant_id: int, customer_id: str, at: datetime) -> None:
    """Keep the children that have begun, before terms change from which they follow. The customer is locked."""
    await balances.insert(tx, tenant_id, *begun(await unkept_children(tx, tenant_id, customer_id, at), at))


async def kept(tx: Connection, tenant_id: int, customer_id: str, balance_id: str, at: datetime) -> Balance:
    """Return a balance that is about to be changed; a child is kept from then on. The customer is locked.

    Raises `NotFoundError`.
    """
    for child in await unkept_children(tx, tenant_id, customer_id, at):
        if child.id == balance_id:
            await balances.insert(tx, tenant_id, child)
    return await balances.get(tx, tenant_id, customer_id, balance_id)


async def finalize_due(
    tx: Connection,
    further: Sequence[Lender],
    tenant_id: int,
    families: Mapping[str, Sequence[str]],
    *,
    grace: timedelta,
    until: datetime,
    at: datetime,
) -> list[Billed]:
    """Make every draft of these families final that is due at `until`, keep what has begun, say when to look again.

    They must be what `billing.take` has taken, so two workers never invoice one period twice, and deductions of one
    balance have one order. `until` is an instant of which it is known that everything that arrived before it has been
    metered.
    Contracts that can't be rated hold back only those that share a balance with them (`apart`); they are tried again
    after `RETRY`. What can't be written raises, and then nothing is.
    """
    read = await accounts.load_some(tx, tenant_id, families)
    known = {customer_id: whole(account, at) for customer_id, account in read.items()}
    parts = {customer_id: [_Part(each) for each in apart(account)] for customer_id, account in known.items()}
    async with shards.reading(tx, further, tenant_id) as reader:
        await _rate(reader, [part for some in parts.values() for part in some], at)
    await _keep_children(tx, tenant_id, known.values(), at)
    final: list[Invoice] = []
    entries: list[LedgerEntry] = []
    looks, came_to = [], []
    for customer_id, some in parts.items():
        due = [draft for part in some for draft in part.drafts if due_at(draft, grace) <= until]
        still = [draft for part in some for draft in part.drafts if due_at(draft, grace) > until]
        made = [_final(draft, due_at(draft, grace), at) for draft in due]
        failures = [part.failure for part in some if part.failure is not None]
        for invoice, draft in zip(made, due, strict=True):
            books.check(invoice, draft.entries)
        rolled = settled(known[customer_id], [each for part in some for each in part.rollovers], still)
        for each in rolled:
            books.check_rollover(each.balance, [each.entry])
            await balances.insert(tx, tenant_id, each.balance)
        entries += [each.entry for each in rolled]
        final += made
        entries += [entry for draft in due for entry in draft.entries]
        again = next_look(known[customer_id], still, grace, at)
        if failures:
            again = min(until + RETRY, again or until + RETRY)
        problem = "\n".join(map(str, failures)) or None
        looks += [Look(each.id, again, problem) for each in known[customer_id].customers]
        came_to.append(Billed(customer_id, made, failures))
    await invoices.insert(tx, tenant_id, final)
    await ledger.post(tx, tenant_id, entries)
    await billing.set_due(tx, tenant_id, looks)
    return came_to


async def _keep_children(tx: Connection, tenant_id: int, some: Iterable[Account], at: datetime) -> None:
    """Keep the children of accounts that have begun."""
    unkept = [
        each for account in some for each in without_awaited(account).balances if each.id not in account.kept_balances
    ]
    await balances.insert(tx, tenant_id, *begun(unkept, at))


async def _rate(reader: shards.Reader, parts: Sequence[_Part], at: datetime) -> None:
    """Draft every part, or note why it can't be."""
    for part in parts:
        with part.trying():
            part.needs = needs(part.account, at)
    sound = [part for part in parts if part.failure is None]
    usage = await _metered(reader, [(part.account, part.needs) for part in sound])
    for part, metered in zip(sound, usage, strict=True):
        with part.trying():
            found = drafted(part.account, metered, at)
            part.drafts, part.rollovers = found.drafts, found.rollovers


def _final(draft: Draft, issued_at: datetime, at: datetime) -> Invoice:
    """Return a draft as the final invoice that it becomes."""
    return msgspec.structs.replace(draft.invoice, status=InvoiceStatus.FINALIZED, created_at=at, issued_at=issued_at)


async def void(tx: Connection, tenant_id: int, invoice_id: str, at: datetime) -> None:
    """Void a finalized invoice: it asks for nothing any more, and what it took from balances comes back.

    What has rolled over from its contract is settled once more.

    Its period or its schedule items are on no draft until it is regenerated. Raises `NotFoundError` (also for a draft:
    those are not kept), and `InvalidError` when it is void already.
    """
    await _void(tx, tenant_id, await _taken(tx, tenant_id, invoice_id), at)


async def void_all(
    tx: Connection, tenant_id: int, customer_id: str, at: datetime, contract_id: str | None = None
) -> None:
    """Void every finalized invoice of a customer, or of one of its contracts. The customer must be locked."""
    final = await invoices.finalized(tx, tenant_id, customer_id, contract_id)
    for invoice in sorted(final, key=lambda each: each.type is not InvoiceType.USAGE_CONSOLIDATED):
        await _void(tx, tenant_id, invoice, at)


async def regenerate(
    tx: Connection, further: Sequence[Lender], tenant_id: int, invoice_id: str, at: datetime
) -> Invoice:
    """Make a void invoice anew, final at once, and return the new one.

    It is rated with today's terms and all usage that is metered by now. Raises `NotFoundError`, and `InvalidError` or
    `ConflictError` as `bill/correct.py, regenerated` does.
    """
    old = await _taken(tx, tenant_id, invoice_id)
    await tx.execute(database.UNHURRIED)
    account = whole(await accounts.load(tx, tenant_id, old.customer_id), at)
    if old.type is InvoiceType.USAGE_CONSOLIDATED:
        final = await invoices.standing_for(tx, tenant_id, old.id)
        draft = Draft(correct.reconsolidated(account, old, final), (), None)
    else:
        async with shards.reading(tx, further, tenant_id) as reader:
            (metered,) = await _metered(reader, [(account, correct.needs_again(account, old, at))])
        waiting = await invoices.awaiting(tx, tenant_id, [each.id for each in account.customers])
        draft = correct.regenerated(account, old, metered, at, waiting)
        contract = next(each for each in account.contracts if each.id == old.contract_id)
        pro_service.check_again(contract, old, account.awaited_items)
    invoice = _final(draft, at, at)
    books.check(invoice, draft.entries)
    await _keep_children(tx, tenant_id, [account], at)
    await invoices.insert(tx, tenant_id, [invoice])
    await ledger.post(tx, tenant_id, draft.entries)
    drawn = next(each for each in account.contracts if each.id == invoice.contract_id).draws_on
    await _settle_again(tx, tenant_id, account, drawn, draft.entries, f"{invoice.id} {invoice.status}", at)
    return invoice


async def holder_of_draft(tx: Connection, tenant_id: int, invoice_id: str, at: datetime) -> str:
    """Return the customer of an open scheduled invoice. Raises as `open_one` does.

    Drafts are not kept, so this looks through the customers of the tenant until it finds one.
    """
    after = None
    while some := await contracts.holders(tx, tenant_id, after, LOOKED_THROUGH):
        families = await billing.families(tx, tenant_id, some)
        for customer_id, account in (await accounts.load_some(tx, tenant_id, families)).items():
            found = open_invoice(whole(account, at), invoice_id, at)
            if found is not None and found.contract.customer_id == customer_id:
                return customer_id
        after = some[-1]
    raise NotFoundError(f"there is no open scheduled invoice {invoice_id}")


async def open_one(tx: Connection, tenant_id: int, customer_id: str, invoice_id: str, at: datetime) -> Open:
    """Return a customer's open scheduled invoice.

    Raises `NotFoundError` when there is none, and `InvalidError` for a usage statement.
    """
    account = whole(await accounts.load(tx, tenant_id, customer_id), at)
    found = open_invoice(account, invoice_id, at)
    if found is None:
        raise NotFoundError(f"there is no open scheduled invoice {invoice_id}")
    return found


async def _taken(tx: Connection, tenant_id: int, invoice_id: str) -> Invoice:
    """Return a kept invoice whose customer nobody else bills, and whose terms nobody changes, until `tx` ends."""
    customer_id, *others = await invoices.customers_of(tx, tenant_id, invoice_id)
    await billing.lock_customer(tx, tenant_id, customer_id, *others)
    return await invoices.get(tx, tenant_id, customer_id, invoice_id)


async def _void(tx: Connection, tenant_id: int, invoice: Invoice, at: datetime) -> None:
    """Void an invoice of a locked customer. Raises `InvalidError` unless it is finalized, and repeated on no other."""
    # What comes back to a retired commit can be used again, and what it asked for is open again.
    await balances.bring_back(tx, tenant_id, {line.balance_id for line in invoice.line_items if line.balance_id})
    renewed = await _renewed(tx, tenant_id, invoice)
    known = {each: whole(await accounts.load(tx, tenant_id, whose), at) for each, whose in renewed.items()}
    entries = await ledger.of_invoice(tx, tenant_id, invoice.id)
    back = correct.credited(invoice, entries)
    if (repeating := await invoices.repeating(tx, tenant_id, invoice)) is not None:
        raise InvalidError(f"this invoice is on the consolidated invoice {repeating}: void that one first")
    books.check(invoice, entries)
    await invoices.set_void(tx, tenant_id, invoice.id)
    await ledger.post(tx, tenant_id, back)
    void = msgspec.structs.replace(invoice, status=InvoiceStatus.VOID)
    books.check(void, [*entries, *back])
    for contract_id, account in known.items():
        await _settle_again(tx, tenant_id, account, [contract_id], back, f"{void.id} {void.status}", at)


async def _renewed(tx: Connection, tenant_id: int, invoice: Invoice) -> dict[str, str]:
    """Return the contracts on which that of an invoice draws and from which something may have rolled over.

    With whose they are: once the invoice's contract is archived, its parent is of another family.
    """
    contract = await contracts.get(tx, tenant_id, invoice.customer_id, invoice.contract_id)
    whose = {contract.id: contract.customer_id}
    if contract.as_child is not None:
        whose[contract.as_child.parent.contract_id] = contract.as_child.parent.customer_id
    agreed = await contracts.of_customers(tx, tenant_id, list(whose.values()))
    older = {each.transition.from_contract_id for some in agreed.values() for each in some if each.transition}
    return {each: customer_id for each, customer_id in whose.items() if each in older}


async def _settle_again(
    tx: Connection,
    tenant_id: int,
    account: Account,
    contract_ids: Iterable[str],
    posted: Sequence[LedgerEntry],
    cause: str,
    at: datetime,
) -> None:
    """Keep what changes of what rolled over from these contracts, for whose balances these entries were posted.

    `account` is what it was before. As long as open statements may draw on a balance, only what was settled of it is so
    again.
    """
    known = settling(account, at)
    for contract_id in contract_ids:
        for each in settled_again(known, contract_id, posted, cause):
            if each.balance.id in known.kept_balances:
                await balances.set_schedules(tx, tenant_id, each.balance)
            else:
                await balances.insert(tx, tenant_id, each.balance)
            await ledger.post(tx, tenant_id, [each.entry])
            books.check_rollover(each.balance, await ledger.of_balances(tx, tenant_id, [each.entry.balance_id]))
