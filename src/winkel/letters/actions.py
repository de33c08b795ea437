"""Retrying and discarding dead letters: each in one transaction, each letter once."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeAlias

from msgspec import Struct

from winkel.letters import retry as plan
from winkel.letters.retry import StaysError
from winkel.log.log import Log
from winkel.meter.decide import INVALID
from winkel.meter.group import SeriesIds
from winkel.model.usage import NOBODY
from winkel.store import billing, dead_letters, metering, metrics, tenants
from winkel.store.database import Connection
from winkel.store.dead_letters import StoredDeadLetter

OpenLog: TypeAlias = Callable[[], Awaitable[Log]]
"""Gives the log; asked only when a record has to be appended."""
METRICS_MAX = 100_000
REASON_MAX = 500


class Outcome(Struct, frozen=True):
    """What became of a letter that was retried."""

    id: str
    resolved: bool
    said: str
    """What was done, or why the letter stays."""
    warning: str | None = None
    """What somebody should look at, although all went well."""


async def retry(
    tx: Connection,
    home: Connection,
    events: OpenLog,
    tenant_id: int | None,
    letter_id: str,
    *,
    at: datetime,
    correction: bytes | None = None,
) -> Outcome:
    """Retry one letter. `tx` is a transaction in the letter's database; `home` sees metrics, customers and invoices.

    An event that a metric could not use was counted by the others, and its identity is remembered: it is counted for
    that metric alone, and with it the letter is resolved; so it happens once, however often it is asked for. A record,
    or an event of which nothing was counted, is appended to the log again, and the letter resolved after that: when we
    die in between, the next retry appends it once more, and deduplication sees to it. (It remembers for 34 days.)

    `tenant_id` None: whoever's it is, for operators. Raises `NotFoundError`, `ConflictError` when the letter is
    resolved already, `InvalidError` for a correction that is none and `UnavailableError` when the log does not answer:
    then nothing has changed. When the letter has to stay, that is an outcome, and is kept with it.
    """
    letter = await dead_letters.lock(tx, tenant_id, letter_id)
    try:
        if letter.whole or letter.reason == INVALID:
            said, warning = await _append(home, events, letter, correction), None
        else:
            said, warning = await _count(tx, home, letter, correction)
    except StaysError as error:
        await dead_letters.keep(tx, letter, str(error))
        return Outcome(letter.id, resolved=False, said=str(error))
    await dead_letters.resolve(tx, letter, dead_letters.RETRIED, said, at)
    return Outcome(letter.id, resolved=True, said=said, warning=warning)


async def discard(tx: Connection, tenant_id: int | None, letter_id: str, *, because: str, at: datetime) -> None:
    """Close a letter without doing anything about it. Raises `NotFoundError`, `ConflictError` as `retry` does."""
    letter = await dead_letters.lock(tx, tenant_id, letter_id)
    await dead_letters.resolve(tx, letter, dead_letters.DISCARDED, because[:REASON_MAX], at)


async def _append(home: Connection, events: OpenLog, letter: StoredDeadLetter, correction: bytes | None) -> str:
    """Append a record again, or what replaces it; return what was done."""
    log = await events()
    partition = letter.partition % log.partitions
    if correction is not None:
        record = plan.replacement_of(letter.tenant_id, correction, log.secret, partition)
    elif letter.reason == INVALID:
        record = plan.resent(letter.tenant_id, letter.payload, log.secret, partition)
    else:
        record = plan.record_of(letter.tenant_id, letter.reason, letter.payload, letter.events, log.secret, partition)
    if letter.tenant_id == NOBODY and record.tenant_id not in {each.id for each in await tenants.list_tenants(home)}:
        raise StaysError(f"there is still no tenant {record.tenant_id}")
    await log.append([record])
    return f"appended to partition {partition} of {log.name} again, {record.events} event(s)"


async def _count(
    tx: Connection, home: Connection, letter: StoredDeadLetter, correction: bytes | None
) -> tuple[str, str | None]:
    """Count an event for the metrics that could not use it; return what was done, and a warning."""
    event = plan.event_of(letter.payload, correction)
    known = await metrics.page(home, letter.tenant_id, limit=METRICS_MAX, include_archived=True)
    wanted = plan.wanting(known, letter.metric_id, letter.at)
    customer_id = await dead_letters.holder(home, letter.tenant_id, event.customer_id)
    if customer_id is not None:
        # Either its period becomes final with this usage, or whoever retries is told that it was final before.
        await billing.lock_customer(home, letter.tenant_id, customer_id)
    ids = SeriesIds()
    deltas = plan.count(letter.tenant_id, event, wanted, ids, about=letter.metric_id)
    if series := ids.new():
        await metering.insert_series(tx, series)
    await dead_letters.add_deltas(tx, letter.tenant_id, deltas)
    names = ", ".join(repr(each.name) for each in wanted) or "no metric"
    closed: list[str] = []
    if customer_id is not None:
        closed = await dead_letters.invoiced(home, letter.tenant_id, customer_id, event.timestamp)
    warning = None
    if closed and deltas:
        warning = (
            f"{event.timestamp:%Y-%m-%d %H:%M} is invoiced for good already (invoice {', '.join(closed)}): "
            f"the usage is counted, but no invoice charges for it"
        )
    return f"counted for {names}", warning
