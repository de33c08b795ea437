"""Sends events in batches until the gateway has them; tries again whatever may heal."""

import random
import time
from collections.abc import Callable

import httpx
import msgspec
import zstandard

from winkel.cli.client import Client, ConnectionLostError, refusal

PATH = "/winkel/v1/events"
PATIENCE_SECONDS = 120.0
"""How long to try again without any success before giving up."""
PAUSE_MOST = 5.0
_HEALS = frozenset({429, 502, 503, 504})


class Ready(msgspec.Struct, frozen=True, gc=False):
    """An event that is ready to be sent: the number of its row and its line of NDJSON."""

    row: int
    line: bytes


class Invalid(msgspec.Struct, frozen=True):
    """An event that was not accepted, by its position in the request."""

    index: int
    message: str


class Accepted(msgspec.Struct, frozen=True):
    """How the gateway answers."""

    accepted: int
    invalid: list[Invalid]


class Sender:
    """Sends through one client. Sending again is safe: transaction ids are deterministic."""

    def __init__(self, client: Client, *, refused: Callable[[int, str], None], wait: Callable[[str], None]) -> None:
        self._client = client
        self._refused = refused
        self._wait = wait
        self._compressor = zstandard.ZstdCompressor(level=1)

    def send(self, batch: list[Ready]) -> int:
        """Send a batch; return how many events were accepted, report the others.

        A batch that is too large is sent in halves. Raises `ValueError` when no event would be taken (no such route,
        no permission).
        """
        answer = self._deliver(b"".join(ready.line for ready in batch))
        if answer.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
            return self._send_less(batch, refusal(answer))
        if not answer.is_success:
            raise ValueError(refusal(answer))
        accepted = msgspec.json.decode(answer.content, type=Accepted)
        for each in accepted.invalid:
            self._refused(batch[each.index].row, each.message)
        return accepted.accepted

    def _send_less(self, batch: list[Ready], reason: str) -> int:
        """Send a batch that is too large in halves; report what is too large by itself."""
        if len(batch) == 1:
            self._refused(batch[0].row, reason)
            return 0
        middle = len(batch) // 2
        return self.send(batch[:middle]) + self.send(batch[middle:])

    def _deliver(self, lines: bytes) -> httpx.Response:
        """Send the lines until there is an answer that does not ask for patience."""
        body = self._compressor.compress(lines)
        until, pause = time.monotonic() + PATIENCE_SECONDS, 0.2
        while True:
            try:
                answer = self._client.send("POST", PATH, content=body, kind="application/x-ndjson", encoding="zstd")
                reason = f"the gateway asks for patience ({answer.status_code})"
            except ConnectionLostError as error:
                answer, reason = None, str(error)
            if answer is not None and answer.status_code not in _HEALS:
                return answer
            if time.monotonic() > until:
                raise ValueError(f"given up: {reason}. Run the same command again to go on; nothing is billed twice")
            self._wait(reason)
            time.sleep(max(_asked(answer), pause * random.uniform(0.5, 1.0)))  # noqa: S311 (spreads retries)
            pause = min(2 * pause, PAUSE_MOST)


def _asked(answer: httpx.Response | None) -> float:
    """Return the seconds that Retry-After asks for; 0 when it does not, 30 at most."""
    text = answer.headers.get("retry-after", "") if answer is not None else ""
    return min(float(text), 30.0) if text.isdigit() else 0.0
