"""A meter, as a process of its own, that some records kill: by SIGKILL, in the middle of decoding them.

    python tests/chaos/doomed.py DATABASE_URL

A record whose data contain the marker is one of them. Nothing of the product knows of this: only the decoder that this
process uses has another end.
"""

import asyncio
import gc
import os
import signal
import sys
import threading

MARKER = b"this kills"


def hold_leash() -> None:
    """End when whoever started this process ends."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os._exit(1)

    threading.Thread(target=watch, name="leash", daemon=True).start()


async def main() -> None:
    """Meter until somebody, or a record, ends this process."""
    from winkel.fleet import worker
    from winkel.log import codec
    from winkel.log.postgres import PostgresLog

    decode = codec.decode

    def deadly(data: bytes) -> object:
        if MARKER in bytes(data):
            os.kill(os.getpid(), signal.SIGKILL)
        return decode(data)

    codec.decode = deadly  # type: ignore[assignment]
    url = sys.argv[1]
    await worker.run(url, await PostgresLog.open(url, 2), owner="doomed", stop=asyncio.Event())


if __name__ == "__main__":
    hold_leash()
    sys.path.pop(0)
    gc.disable()
    asyncio.run(main())
