"""Golden stories: the terms and usage of one customer in plain words, and the invoices that follow.

A story is a text file. Lines that begin with `#` are prose. `>` asks a question, and the `|` lines below it are the
answer; `pytest tests/scenarios --accept` writes the answers anew. Every other line tells something:

    word name: clause, clause, …

See README.md in this folder for the words. Amounts in USD are written in dollars (Winkel keeps cents).
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from msgspec import structs

from scenarios import printed, words
from scenarios.told import BEGINNING, Told
from support.asked import standing_for
from winkel.bill import books
from winkel.bill.balance import balance_of, ledger, remaining_of
from winkel.bill.breakdown import breakdown
from winkel.bill.correct import credited, needs_again, reconsolidated, regenerated
from winkel.bill.draft import Draft, drafts
from winkel.bill.due import due_at, settled
from winkel.bill.imported import as_metered, imported, statement_to_import
from winkel.bill.preview import preview
from winkel.bill.rollover import Rollover, settled_again, with_amounts
from winkel.bill.statement import needs, needs_of, statement_of, statements
from winkel.meter.windows import WindowSize, spans
from winkel.model.account import Account
from winkel.model.commit import Balance
from winkel.model.invoice import Invoice, InvoiceStatus, InvoiceType
from winkel.model.ledger import PREFIX, LedgerEntry
from winkel.model.period import EPOCH, Period, hour_number, hour_start
from winkel.model.usage import HourUsage

GRACE = timedelta(hours=24)


class Story(Told):
    """A story under construction: what was told so far, and the answers to what was asked."""

    def ask(self, question: str) -> list[str]:
        """Return the answer to a question."""
        match question.split():
            case ["drafts", "at", day]:
                return self._printed([each.invoice for each in self.drafts(words.moment(day))], words.moment(day))
            case ["finalize", "at", day]:
                return self._printed([each.invoice for each in self.finalize(words.moment(day))], words.moment(day))
            case ["void", *which]:
                return self._void(*which)
            case ["regenerate", *which, "at", day]:
                return self._printed([self._regenerate(*which, words.moment(day)).invoice], words.moment(day))
            case ["import", contract, start, *given, "at", day]:
                made = self._import(contract, words.moment(start), " ".join(given), words.moment(day))
                return self._printed([made], words.moment(day))
            case ["by", size, "from", start, "to", end, "at", day]:
                steps = WindowSize(size), hour_number(words.moment(start)), hour_number(words.moment(end))
                windows = [Period(hour_start(low), hour_start(high)) for low, high in spans(*steps)]
                return self._printed(self.windows(windows, words.moment(day)), words.moment(day))
            case ["preview", mode, metric, *usage, "at", day]:
                rows = self._rows(self.metrics[metric], " ".join(usage).split(", "))
                return self._printed(self.preview(rows, words.moment(day), merge=mode == "merge"), words.moment(day))
            case ["needs", "at", day]:
                wanted = needs(self.account(words.moment(day)), words.moment(day))
                starts = [EPOCH + timedelta(hours=need.start_hour) for need in wanted]
                return [
                    f"{need.key} {printed.day(start)} +{need.end_hour - need.start_hour} h"
                    for need, start in zip(wanted, starts, strict=True)
                ]
            case ["ledger", *name, "at", day]:
                return self._ledger(self._held(words.moment(day))[" ".join(name)], words.moment(day))
            case ["seats", *name, "at", day]:
                return list(self._seats(self._held(words.moment(day))[" ".join(name)], words.moment(day)))
            case ["balances", "at", day]:
                return list(self._balances(words.moment(day)))
            case _:
                raise ValueError(f"a story can't answer {question!r}")

    def windows(self, windows: list[Period], at: datetime) -> list[Invoice]:
        """Return what windows of time have of the usage invoices, final or not; those without usage are left out."""
        account, final = self.account(at), [each for each in self.final.values() if each.type is InvoiceType.USAGE]
        metered = [each for each in final if not each.imported_usage]
        rated = [*statements(account, at), *(statement_of(account, each) for each in metered)]
        usage = self._metered(needs_of(account, rated))
        still = [each.invoice for each in drafts(account, usage, at) if each.invoice.type is InvoiceType.USAGE]
        found = [window for each in (*metered, *still) for window in breakdown(account, each, usage, windows)]
        for each in final:
            if each.imported_usage:
                then, given = as_metered(account, self.contracts[each.contract_id], each.imported_usage)
                found += breakdown(then, each, given, windows)
        shown = [window for window in found if any(line.quantity for line in window.invoice.line_items)]
        return [structs.replace(each.invoice, start=each.period.start, end=each.period.end) for each in shown]

    def preview(self, rows: Iterable[tuple[str, int, HourUsage]], at: datetime, *, merge: bool) -> list[Invoice]:
        """Return the drafts of current periods with more usage, or with other usage."""
        account, more = self.account(at), defaultdict(list)
        for metric_id, index, row in rows:
            more[metric_id, index].append(row)
        wanted = needs(account, at)
        usage = self._metered(wanted) if merge else {each.key: [] for each in wanted}
        return [each.invoice for each in preview(account, usage, more, at)]

    def finalize(self, at: datetime) -> list[Draft]:
        """Make final what is due: usage statements after their grace, scheduled invoices on their date."""
        found = self.drafted(at)
        due = [each for each in found.drafts if due_at(each, GRACE) <= at]
        for each in due:
            self._keep(each)
        self._roll(settled(self.account(at), found.rollovers, [each for each in found.drafts if each not in due]))
        return due

    def _settled_again(
        self, account: Account, contract: str, entries: Iterable[LedgerEntry], cause: str
    ) -> list[Rollover]:
        """Return what changes of what rolled over from the contracts on which one draws."""
        drawn, posted = self.contracts[contract].draws_on, tuple(entries)
        return [each for one in drawn for each in settled_again(account, one, posted, cause)]

    def _roll(self, rolled: Iterable[Rollover]) -> None:
        """Keep what has rolled over."""
        for each in rolled:
            self.balances[each.balance.id] = each.balance
            self.entries.append(each.entry)
            books.check_rollover(each.balance, [one for one in self.entries if one.balance_id == each.entry.balance_id])

    def _keep(self, draft: Draft) -> None:
        """Keep a draft as a final invoice, with its deductions."""
        assert draft.invoice.id not in self.final
        self.final[draft.invoice.id] = structs.replace(draft.invoice, status=InvoiceStatus.FINALIZED)
        self.entries.extend(draft.entries)

    def _kept(self, kind: str, contract: str, day: str, status: InvoiceStatus) -> Invoice:
        """Return the last kept invoice of `USAGE main 2026-01-01`: its type, contract, and first day or date."""
        named = InvoiceType(kind), contract, words.moment(day), status
        found = [
            each
            for each in self.final.values()
            if (each.type, each.contract_id, each.start or each.issued_at, each.status) == named
        ]
        return found[-1]

    def _void(self, kind: str, contract: str, day: str) -> list[str]:
        """Void an invoice; tell what came back to which segment."""
        invoice = self._kept(kind, contract, day, InvoiceStatus.FINALIZED)
        entries = [each for each in self.entries if each.invoice_id == invoice.id]
        back = credited(invoice, entries)
        rolled = self._settled_again(self.account(BEGINNING), contract, back, f"{invoice.id} VOID")
        self.final[invoice.id] = structs.replace(invoice, status=InvoiceStatus.VOID)
        self.entries.extend(back)
        self._roll(rolled)
        return printed.void(invoice, back, self._names(back[0].timestamp) if back else {})

    def _regenerate(self, kind: str, contract: str, day: str, at: datetime) -> Draft:
        """Make a void invoice anew, final at once."""
        void = self._kept(kind, contract, day, InvoiceStatus.VOID)
        account = self.account(at)
        if void.type is InvoiceType.USAGE_CONSOLIDATED:
            made = Draft(reconsolidated(account, void, standing_for(self.final, void)), (), None)
        else:
            made = regenerated(account, void, self._metered(needs_again(account, void, at)), at)
        made = structs.replace(made, invoice=structs.replace(made.invoice, issued_at=at))
        rolled = self._settled_again(account, contract, made.entries, f"{made.invoice.id} FINALIZED")
        self._keep(made)
        self._roll(rolled)
        return made

    def _import(self, contract: str, start: datetime, given: str, at: datetime) -> Invoice:
        """Import the statement of a billing period, final at once, from `Tokens 80 on 2025-12-10 model=a, …`."""
        account, its = self.account(at), self.contracts[contract]
        statement = statement_to_import(account, its, its.period_at(start), at)
        made = imported(account, statement, [words.imported_usage(each, self.products) for each in given.split(", ")])
        self._keep(made)
        return made.invoice

    # ── How answers are printed ─────────────────────────────────────────────────────────────────────────────────────

    def _printed(self, found: list[Invoice], at: datetime) -> list[str]:
        names = self._names(at)
        lines = []
        for each in found:
            lines += ["", *printed.invoice(each, names)]
        return lines[1:] or ["nothing"]

    def _names(self, at: datetime) -> dict[str, str]:
        """Return the names of children by their segments, whose ids say nothing."""
        return {
            each.segments[0].id: name
            for name, each in self._held(at).items()
            if each.recurring_id or each.rolled_over_from
        }

    def _held(self, at: datetime) -> dict[str, Balance]:
        """Return the balances at the instant by name, what rolled over as it would be settled now.

        Behind the name of a child stands the day on which it begins, and behind that of what rolled over to where.
        """
        held = {}
        for each in with_amounts(self.account(at), self.drafted(at).rollovers).balances:
            if each.rolled_over_from is not None:
                (source,) = (name for name, one in held.items() if one.id == each.rolled_over_from.balance_id)
                held[f"{source} in {each.contract_id}"] = each
            elif each.recurring_id:
                held[f"{each.name} {printed.day(each.segments[0].starting_at)}"] = each
            else:
                held[each.id] = each
        return held

    def _pending(self, at: datetime) -> list[LedgerEntry]:
        """Return what would be posted if all drafts were final, and what rolls over settled."""
        found = self.drafted(at)
        drawn = [entry for draft in found.drafts for entry in draft.entries]
        return [*drawn, *(each.entry for each in found.rollovers)]

    def _ledger(self, balance: Balance, at: datetime) -> list[str]:
        pending = self._pending(at)
        ids = {entry.id for entry in pending}
        lines = []
        for entry in ledger(balance, [*self.account(at).entries, *pending], at):
            kind = PREFIX[balance.type] + entry.kind
            note = "  (pending)" if entry.id in ids else ""
            amount = printed.money(entry.amount, balance.credit_type_id)
            lines.append(f"{printed.day(entry.timestamp)}  {kind:<44}{amount:>12}{note}")
        return lines or ["nothing"]

    def _balances(self, at: datetime) -> Iterator[str]:
        pending = self._pending(at)
        entries = self.account(at).entries
        for name, balance in self._held(at).items():
            posted = balance_of(balance, entries, (), at)
            live = balance_of(balance, entries, pending, at)
            unit = balance.credit_type_id
            shown = f"{printed.money(live, unit):>12} {printed.CODE.get(unit, '')}".rstrip()
            yield f"{name:<30}{shown}   ({printed.money(posted, unit)} without drafts)"

    def _seats(self, balance: Balance, at: datetime) -> Iterator[str]:
        """Yield what each seat has left of a balance, with open drafts."""
        entries = [*self.account(at).entries, *(entry for draft in self.drafts(at) for entry in draft.entries)]
        left = remaining_of([balance], entries)
        for its_id, amount in left.items():
            segment_id, _, seat = its_id.partition("/")
            if seat:
                assert segment_id == balance.segments[0].id
                shown = printed.money(amount, balance.credit_type_id)
                yield f"{seat:<30}{shown:>12} {printed.CODE[balance.credit_type_id]}"


def run(text: str, name: str) -> str:
    """Return the story with its answers as they are now; `name` is where it stands, for who made a mistake in it."""
    return play(text, name)[1]


def play(text: str, name: str) -> tuple[Story, str]:
    """Return the story as it ends, and its text as `run` does."""
    story = Story()
    told: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("|"):
            continue
        told.append(line)
        try:
            if line.startswith(">"):
                told += [f"| {each}".rstrip() for each in story.ask(line[1:].strip())]
            elif line.strip() and not line.startswith("#"):
                subject, _, rest = line.partition(":")
                word, _, name = subject.strip().partition(" ")
                story.tell(word, name.strip(), [each.strip() for each in re.split(r",\s+", rest) if each.strip()])
        except Exception as error:
            error.add_note(f"{name}, line {number}: {line}")
            raise
    return story, "\n".join(told) + "\n"
