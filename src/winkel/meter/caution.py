"""A record that kills whoever meters it must not stop its partition: who is suspected, and what to try next. Pure.

Nobody can catch a segmentation fault, the out-of-memory killer or an endless loop. But `log_progress` remembers: after
a first death, where each batch ends is noted before it is touched, and the next owner knows what killed the one before.

1. *Again.* The first times the same batch is tried again: most deaths are no record's fault.
2. *Halve.* Then only half of the suspected records are taken. If the meter dies, the record is among them; if it does
   not, it is among the others, which are halved in their turn.
3. *Alone.* When one record is left and has killed some more meters, it is set aside without being decoded.

So a record among n costs at most about 6 + log₂ n deaths. Whenever the suspects are passed, all is as before.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from winkel.log.log import Record

AGAIN = 3
"""From so many deaths in a row on the suspects are halved."""
ALONE = 3
"""So many more meters must die of one record alone before it is set aside."""


class Caution(Struct, frozen=True):
    """What is known of the deaths of a partition's meters since it last moved past what it suspects."""

    tries: int = 0
    """Deaths in a row while the suspects remained the same; 0: no reason for caution."""
    suspect_until: int | None = None
    """The record that kills lies between the partition's position and this offset; None: not known."""

    def chosen(self, records: Sequence[Record]) -> list[Record]:
        """Return which of the records that follow the position should be tried next: one at least."""
        if self.tries == 0:
            return list(records)
        suspects = [each for each in records if self.suspect_until is None or each.offset < self.suspect_until]
        suspects = suspects or list(records[:1])
        return suspects if self.tries < AGAIN else suspects[: max(1, len(suspects) // 2)]

    def guilty(self, record: Record) -> bool:
        """Whether the record at the position is proven to kill."""
        alone = self.suspect_until is not None and record.next_offset >= self.suspect_until
        return alone and self.tries >= AGAIN + ALONE

    def passed(self, end: int) -> "Caution":
        """Return what is left of it when a batch up to this offset was counted."""
        if self.suspect_until is not None and end < self.suspect_until:
            return self
        return Caution()


def after_death(before: Caution, trying_until: int | None) -> Caution:
    """Return what is known after one more death, in the middle of a batch up to `trying_until`; None: of none.

    A death that comes between batches is nobody's fault, but for the first: then it was not yet noted.
    """
    if trying_until is None:
        return before if before.tries else Caution(1)
    if before.suspect_until is not None and trying_until < before.suspect_until:
        return Caution(AGAIN, trying_until)
    return msgspec.structs.replace(before, tries=before.tries + 1, suspect_until=trying_until)


def apart(cautions: Mapping[int, Caution]) -> Iterable[list[int]]:
    """Yield the partitions that may share a batch: all without suspicion, then each of the others alone.

    Or else a death would be blamed on the records of partitions that have nothing to do with it. Those with the fewest
    deaths come first, so that the guilty one holds up nobody.
    """
    calm = [partition for partition, each in cautions.items() if not each.tries]
    if calm:
        yield calm
    for partition in sorted(cautions, key=lambda each: (cautions[each].tries, each)):
        if cautions[partition].tries:
            yield [partition]
