"""One hour in the life of Lumen AI's customers: seeded, so that it is the same hour every time. Pure."""

import math
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from winkel.cli.demo.company import MODELS, Account

DUPLICATES = 0.02
"""How many events are sent twice on purpose, as careful clients do when they got no answer."""
SECONDS = 3600
IMAGES = 0.06
"""Part of the events that are image generations."""
_MODEL_WEIGHTS = {"startup": (70, 28, 2), "scale-up": (45, 45, 10), "enterprise": (30, 55, 15)}


class Sent(Struct, frozen=True, gc=False):
    """An event as it is sent, `second` seconds into the hour. `original` is false for what is sent again."""

    second: float
    account: int
    body: dict[str, Any]
    original: bool = True


def hour(accounts: Sequence[Account], start: datetime, run: str, *, events: int, seed: int = 7) -> list[Sent]:
    """Return the events of the hour from `start`, in the order in which they are sent; `run` begins their ids."""
    dice = random.Random(seed)  # noqa: S311 (a play, not a secret)
    seconds = dice.choices(range(SECONDS), weights=_curve(dice), k=events)
    shares = [account.buyer.share for account in accounts]
    sent = []
    for number in range(events):
        second = seconds[number] + dice.random()
        account = dice.choices(range(len(accounts)), weights=shares)[0]
        body = {
            "transaction_id": f"{run}-{number:06d}",
            "customer_id": accounts[account].alias,
            "timestamp": start + timedelta(milliseconds=int(second * 1000)),
            **_what(dice, accounts[account].buyer.kind.partition(",")[0]),
        }
        sent.append(Sent(second, account, body))
        if dice.random() < DUPLICATES:
            sent.append(Sent(second + dice.uniform(0, 120), account, body, original=False))
    return sorted(sent, key=lambda each: each.second)


def _what(dice: random.Random, kind: str) -> dict[str, Any]:
    """Return what happened: a request to a model, or images."""
    if dice.random() < IMAGES:
        return {"event_type": "image.generation", "properties": {"images": str(dice.choice((1, 1, 1, 2, 4)))}}
    model = dice.choices(MODELS, weights=_MODEL_WEIGHTS[kind])[0]
    properties = {
        "model": model,
        "input_tokens": str(max(8, int(dice.lognormvariate(6.4, 0.9)))),
        "output_tokens": str(max(1, int(dice.lognormvariate(5.2, 0.8)))),
    }
    return {"event_type": "llm.request", "properties": properties}


def _curve(dice: random.Random) -> list[float]:
    """Return how busy each second is: a rising morning, waves, and a few bursts when somebody's launch goes well."""
    bursts = [(dice.uniform(300, SECONDS - 300), dice.uniform(20, 70), dice.uniform(1.5, 4)) for _ in range(5)]
    curve = []
    for second in range(SECONDS):
        morning = 0.6 + 0.6 * second / SECONDS + 0.15 * math.sin(second / 190)
        curve.append(morning + sum(height * math.exp(-(((second - at) / width) ** 2)) for at, width, height in bursts))
    return curve
