"""Records of one partition that were fetched and wait for a reader. Pure."""

from collections import deque
from itertools import dropwhile

from winkel.log.log import Record, whole_until

RECORD_BYTES = 200
"""What a record takes up beside its data, about."""


class Buffer:
    """Records that follow each other without a gap, up to, not including, `end`."""

    def __init__(self, offset: int) -> None:
        self.end = offset
        self.bytes = self.events = 0
        self._records: deque[Record] = deque()

    def covers(self, offset: int) -> bool:
        """Whether an offset is where a record here begins, or where the next one will come."""
        return offset == self.end or any(each.offset == offset for each in self._records)

    def add(self, record: Record) -> None:
        """Keep the record that follows."""
        assert record.offset == self.end, "records follow each other"
        self._records.append(record)
        self._count(record, 1)
        self.end = record.next_offset

    def look(self, offset: int, events: int) -> list[Record]:
        """Return what a read from an offset, which is covered, may bring now."""
        return whole_until(dropwhile(lambda each: each.offset < offset, self._records), events)

    def drop(self, offset: int) -> None:
        """Let go of the records before an offset."""
        while self._records and self._records[0].offset < offset:
            self._count(self._records.popleft(), -1)

    def _count(self, record: Record, sign: int) -> None:
        self.bytes += sign * (len(record.data) + RECORD_BYTES)
        self.events += sign * record.events
