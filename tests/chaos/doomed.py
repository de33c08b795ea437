"""A meter, as a process of its own, that some records kill: by SIGKILL, in the middle of decoding them.

    python tests/chaos/doomed.py

The environment says which database and which log, as for `winkel meter`. A record whose data contain the marker is
one of them. Nothing of the product knows of this: only the decoder that this process uses has another end.
"""

import asyncio
import gc
import os
import signal
import sys

MARKER = b"this kills"


async def main() -> None:
    """Meter until somebody, or a record, ends this process."""
    from winkel.config import Settings
    from winkel.fleet import worker
    from winkel.fleet.actions import open_log
    from winkel.log import codec

    decode = codec.decode

    def deadly(data: bytes) -> object:
        if MARKER in bytes(data):
            os.kill(os.getpid(), signal.SIGKILL)
        return decode(data)

    codec.decode = deadly  # type: ignore[assignment]
    settings = Settings.from_environment(os.environ)
    events = await open_log(settings.database_url, settings)
    await worker.run(settings.database_url, events, owner="doomed", stop=asyncio.Event())


if __name__ == "__main__":
    from role import hold_leash  # its neighbour: as a program it is in no package

    hold_leash()
    sys.path.pop(0)
    gc.disable()
    asyncio.run(main())
