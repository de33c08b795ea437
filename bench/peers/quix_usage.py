"""Events without duplicates, counted and summed by customer, model and hour: as Quix Streams' documentation shows.

It runs in a virtual environment of its own, where nothing of Winkel is.
"""

import os

from quixstreams import Application

env = os.environ.get
app = Application(
    broker_address=env("BOOTSTRAP", "127.0.0.1:9092"),
    consumer_group=env("APPLICATION", "usage-quix"),
    auto_offset_reset="earliest",
    processing_guarantee=env("GUARANTEE", "exactly-once"),
    commit_interval=float(env("COMMIT_MS", "1000")) / 1000,
    state_dir=os.path.join(env("STATE_DIR", "state"), env("INSTANCE", "0")),  # noqa: PTH118 (it wants text)
    producer_extra_config={"compression.type": "lz4", "linger.ms": 50, "batch.size": 262144},
    consumer_extra_config={"fetch.min.bytes": 65536, "fetch.wait.max.ms": 50, "queued.max.messages.kbytes": 262144},
)
events = app.topic(env("SOURCE", "events"), key_deserializer="str", value_deserializer="json")
usage = app.topic(env("SINK", "usage"), key_serializer="str", value_serializer="json")


def first(event, state):  # noqa: ARG001 (given to every filter)
    """Whether this transaction id is new. The message key is the transaction id, so the state is that id's own."""
    if state.exists("seen"):
        return False
    state.set("seen", 1)
    return True


def group(event):
    return f"{event['customer_id']}|{event['properties']['model']}|{event['timestamp'][:13]}"


def total(tokens, state):
    """One entry with both figures: half the state calls of two counters."""
    t = state.get("total") or {"count": 0, "tokens": 0}
    t = {"count": t["count"] + 1, "tokens": t["tokens"] + tokens}
    state.set("total", t)
    return t


sdf = app.dataframe(events)
sdf = sdf.filter(first, stateful=True)
sdf = sdf.apply(lambda e: {"group": group(e), "tokens": e["properties"]["tokens"]})  # repartition only what is needed
sdf = sdf.group_by("group", key_serializer="str", key_deserializer="str")
sdf = sdf.apply(lambda e, state: total(e["tokens"], state), stateful=True)
sdf = sdf.to_topic(usage)

if __name__ == "__main__":
    app.run()
