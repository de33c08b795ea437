"""Which log the events of an installation go to, and why another one must be refused. Pure.

An invoice is final only when the meter has passed everything that was in the log. Whoever looks at another log than the
one in use finds nothing in it, and takes that for "all is metered". So the home database knows which one it is
(store/logs.py): the processes that append, meter and bill note it, and everybody is held to it.
"""

from msgspec import Struct

TABLE = "events"
"""The name (log/log.py) of the log that is a table of the home database; all others are topics of Kafka."""


class LogInUse(Struct, frozen=True):
    """A log of an installation."""

    name: str
    """Its own (log/log.py): `TABLE`, or topic and id of the topic."""
    address: str = ""
    """How WINKEL_LOG names it (config.py, `log_address`); empty for the table, and where it is not known."""

    def __str__(self) -> str:
        return "the database" if self.is_table else self.address or f"the topic {self.topic} of Kafka"

    @property
    def is_table(self) -> bool:
        """Whether it is the table."""
        return self.name == TABLE

    @property
    def topic(self) -> str:
        """The name of its topic: all of the name before the id."""
        return self.name.rpartition("@")[0]


def refusal(in_use: LogInUse | None, address: str, *, moving: bool) -> str:
    """Return why a log must not be worked on, seen from its address (config.py, `log_address`); empty: it may be.

    `moving`: by a process that appends, meters or bills. It may move the events from the table to a topic, because what
    is left in the table is metered first (fleet/actions.py, `open_before`). The brokers of an address say nothing:
    the same topic has many addresses. Whether it is the same, its id says (`is_another`).
    """
    if in_use is None:
        return ""
    said = f"events of this installation go to {in_use}, not to {address or 'the database'}"
    if in_use.is_table:
        if moving or not address:
            return ""
        return f"{said}: unset WINKEL_LOG; they move when a gateway, meter or bill is started with it"
    if address.rpartition("/")[2] == in_use.topic:
        return ""
    wanted = in_use.address or f"kafka://host:port/{in_use.topic}, with the brokers that have it"
    return (
        f"{said}: set WINKEL_LOG={wanted} (and WINKEL_KAFKA_CONFIG, if the brokers want encryption or a password). "
        f"Before they can go elsewhere: `winkel fleet leave-log`"
    )


def is_another(in_use: LogInUse | None, name: str | None) -> bool:
    """Whether a topic of the right name, whose log has the name `name` (None: it is not there), is not the one in use.

    It was made anew, or other brokers were asked: what was not metered of the one in use would be lost in silence.
    """
    return in_use is not None and not in_use.is_table and name != in_use.name
