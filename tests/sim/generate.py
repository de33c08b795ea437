"""One seed → a world: whom to bill, for what, and a month and a half of badly behaved traffic."""

import uuid
from datetime import UTC, datetime, timedelta
from random import Random

from msgspec import Struct
from msgspec.structs import replace

from sim.world import (
    Balance,
    Condition,
    Contract,
    Customer,
    Event,
    Item,
    Metric,
    Override,
    Price,
    Product,
    Rate,
    Request,
    Schedule,
    ScheduledCharge,
    Segment,
    Specifier,
    Tenant,
    Terms,
    Values,
)

MONTHS = [(2025, 12), (2026, 1), (2026, 2), (2024, 2), (2026, 3), (2026, 10), (2026, 4)]
DAYS = 44
"""How long traffic arrives, from a day before the month on."""
OLDEST = timedelta(days=34)
NEWEST = timedelta(hours=24)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)

TYPES = ("call", "job", "page", "Call")
REGIONS = (
    '"eu"',
    '"eu"',
    '"us"',
    '"us"',
    '"5"',
    "5",
    "5.0",
    "true",
    "null",
    '"ü \\" x"',
    '"EU"',
    "{}",
    "[1]",
    '""',
    None,
)
MODELS = ('"a"', '"b"', '"b"', '"B"', "null", None, "1e1")
PRICES = ("3", "0.01", "1.1", "0", "0.000123456789", "12.34567890123456789", "250", "0.333333333333333333333333")
SIZES = ("1", "5", "10.5", "100", "0.001", "2500")
FACTORS = (("DIVIDE", "1000"), ("DIVIDE", "3"), ("DIVIDE", "7.7"), ("MULTIPLY", "0.001"), ("MULTIPLY", "60"))
ROUNDINGS = ("ROUND_UP", "ROUND_DOWN", "ROUND_HALF_UP")
AGGREGATIONS = ("COUNT", "SUM", "SUM", "SUM", "MAX", "LATEST", "UNIQUE")
GROUP_KEYS = ((), (), (("region",),), (("region", "model"),), (("model",), ("region", "model")))
AMOUNTS = ("1", "10", "99.99", "1000", "123456.789", "0.000001", "50")


class World(Struct):
    """All that happens in one simulation."""

    seed: int
    opens_at: datetime
    closes_at: datetime
    grace: timedelta
    tenants: list[Tenant]


def generate(seed: int) -> World:
    """Return the world of a seed, always the same one."""
    rng = Random(seed)
    month = datetime(*rng.choice(MONTHS), 1, tzinfo=UTC)
    opens_at = month - timedelta(days=2)
    tenants = [_tenant(rng, f"sim {seed}.{number}", month) for number in range(rng.choice((1, 1, 1, 1, 2)))]
    grace = timedelta(hours=rng.choice((24, 24, 1, 72)))
    return World(seed, opens_at, month + timedelta(days=DAYS + 1), grace, tenants)


def _id(rng: Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def _hour(rng: Random, low: datetime, high: datetime) -> datetime:
    """Return a full hour, sometimes a midnight, between two instants."""
    at = low + rng.randrange(max(1, int((high - low) / HOUR))) * HOUR
    return at if rng.random() < 0.7 else max(low, at.replace(hour=0))


def _some(rng: Random, values: tuple[str, ...], most: int) -> tuple[str, ...]:
    return tuple(rng.sample(values, rng.randint(0, min(most, len(values)))))


# ── What is sold ────────────────────────────────────────────────────────────────────────────────────────────────────


def _tenant(rng: Random, name: str, month: datetime) -> Tenant:
    tenant = Tenant(name)
    tenant.customers = [_customer(rng, name, number, month) for number in range(rng.randint(1, 3))]
    tenant.metrics = [_metric(rng, number, month) for number in range(rng.randint(2, 4))]
    tenant.cards = {_id(rng): rng.choice(("USD", "USD", "EUR")) for _ in range(rng.choice((1, 1, 2)))}
    tenant.products = [
        _product(rng, number, rng.choice(tenant.metrics), tenant, month) for number in range(rng.randint(2, 4))
    ]
    for card_id in tenant.cards:
        for product in tenant.products:
            if rng.random() < 0.9:
                tenant.rates += _rates(rng, card_id, product, month)
    rng.shuffle(tenant.rates)
    tenant.rates = [replace(rate, number=number) for number, rate in enumerate(tenant.rates)]
    tenant.products.append(Product(_id(rng), Terms("Commitment"), month - timedelta(days=3)))
    for customer in tenant.customers:
        agreed = [_contract(rng, customer, tenant, month, number) for number in range(rng.choice((1, 1, 1, 2)))]
        tenant.contracts += agreed
        tenant.balances += [
            _balance(rng, customer, agreed, tenant, month) for _ in range(rng.choice((0, 1, 2, 2, 3, 4)))
        ]
    tenant.requests = _requests(rng, tenant, month)
    return tenant


def _customer(rng: Random, tenant: str, number: int, month: datetime) -> Customer:
    aliases = [(f"{tenant} alias {number}.{each}", month - timedelta(days=3)) for each in range(rng.randint(0, 2))]
    late = [(alias, month + timedelta(days=rng.uniform(1, 40)) if rng.random() < 0.6 else at) for alias, at in aliases]
    return Customer(_id(rng), f"customer {number}", tuple(late))


def _metric(rng: Random, number: int, month: datetime) -> Metric:
    aggregation = rng.choice(AGGREGATIONS)
    key = None if aggregation == "COUNT" else rng.choice(("who", "region") if aggregation == "UNIQUE" else ("n", "m"))
    group_keys = rng.choice(GROUP_KEYS)
    names = dict.fromkeys([*([key] if key else []), *(name for each in group_keys for name in each)])
    if rng.random() < 0.4:
        names.setdefault(rng.choice(("region", "model", "who")))
    kind = rng.random()
    return Metric(
        id=_id(rng),
        name=f"metric {number}",
        aggregation=aggregation,
        key=key,
        in_types=(_some(rng, TYPES, 3) or ("call",)) if kind < 0.6 else None,
        not_in_types=(_some(rng, TYPES, 2) or ("page",)) if 0.5 < kind < 0.8 else None,
        conditions=tuple(_condition(rng, name, name == key) for name in names),
        group_keys=group_keys,
        made_at=month - timedelta(days=3) if rng.random() < 0.8 else month + timedelta(days=rng.uniform(0, 20)),
    )


def _condition(rng: Random, name: str, is_key: bool) -> Condition:
    if is_key or rng.random() < 0.5:
        return Condition(name, exists=rng.choice((None, None, True)))
    values = {"region": ("eu", "us", "5", "true"), "model": ("a", "b", "10"), "who": ("x", "y", "z")}[name]
    return Condition(
        name,
        exists=rng.choice((None, None, True, False)) if rng.random() < 0.3 else None,
        in_values=(_some(rng, values, 3) or None) if rng.random() < 0.3 else None,
        not_in_values=(_some(rng, values, 1) or None) if rng.random() < 0.3 else None,
    )


def _product(rng: Random, number: int, metric: Metric, tenant: Tenant, month: datetime) -> Product:
    key = rng.choice(metric.group_keys) if metric.group_keys else ()
    pricing = tuple(name for name in key if rng.random() < 0.5)
    presentation = tuple(name for name in key if name not in pricing and rng.random() < 0.5)
    first = Terms(
        name=rng.choice(("Tokens", "Requests", f"Product {number}")),
        metric_id=metric.id,
        pricing_keys=pricing,
        presentation_keys=presentation,
        conversion=rng.choice(FACTORS) if rng.random() < 0.35 else None,
        rounding=(rng.choice(ROUNDINGS), rng.randint(0, 3)) if rng.random() < 0.3 else None,
        tags=_some(rng, ("ai", "storage", "beta"), 2),
    )
    later: tuple[tuple[datetime, Terms], ...] = ()
    if rng.random() < 0.25:
        change = rng.choice(("name", "conversion", "rounding", "tags", "metric"))
        terms = {
            "name": replace(first, name=f"{first.name} 2"),
            "conversion": replace(first, conversion=rng.choice((None, *FACTORS))),
            "rounding": replace(first, rounding=(rng.choice(ROUNDINGS), rng.randint(0, 2))),
            "tags": replace(first, tags=_some(rng, ("ai", "storage", "beta"), 2)),
            "metric": replace(first, metric_id=rng.choice(_like(metric, tenant)).id),
        }[change]
        later = ((_hour(rng, month, month + timedelta(days=40)), terms),)
    used = {first.metric_id, *(terms.metric_id for _, terms in later)}
    made_at = max(each.made_at for each in tenant.metrics if each.id in used)
    return Product(_id(rng), first, made_at, later)


def _like(metric: Metric, tenant: Tenant) -> list[Metric]:
    """Return the metrics that a product may change to without changing its keys."""
    return [each for each in tenant.metrics if each.group_keys == metric.group_keys]


def _rates(rng: Random, card_id: str, product: Product, month: datetime) -> list[Rate]:
    """Return rates for some combinations of group values, with changes, gaps and overlaps."""
    combinations: list[Values] = [()]
    for name in product.first.pricing_keys:
        values = ("eu", "us", "5", "true") if name == "region" else ("a", "b", "10")
        chosen = _some(rng, values, 3) or values[:1]
        combinations = [(*each, (name, value)) for each in combinations for value in chosen]
    found = []
    for values in combinations:
        starts = [month - timedelta(days=60)] if rng.random() < 0.9 else []
        starts += [_hour(rng, month - timedelta(days=3), month + timedelta(days=42)) for _ in range(rng.randint(0, 2))]
        for start in starts:
            end = _hour(rng, start + HOUR, start + timedelta(days=60)) if rng.random() < 0.2 else None
            price, entitled = _price(rng), rng.random() < 0.92
            found.append(Rate(_id(rng), card_id, product.id, price, start, end, entitled, values, 0))
    return found


def _price(rng: Random) -> Price:
    if rng.random() < 0.5:
        return Price("FLAT", ((None, rng.choice(PRICES)),))
    sizes = [rng.choice(SIZES) for _ in range(rng.randint(0, 3))]
    return Price("TIERED", tuple((size, rng.choice(PRICES)) for size in (*sizes, None)))


def _contract(rng: Random, customer: Customer, tenant: Tenant, month: datetime, number: int) -> Contract:
    start = rng.choice((month, month, month - timedelta(days=10), _hour(rng, month, month + timedelta(days=20))))
    frequency = rng.choice(("MONTHLY", "MONTHLY", "WEEKLY"))
    anchor = rng.choice((start.replace(day=1, hour=0), start, month.replace(day=28), datetime(2024, 1, 31, tzinfo=UTC)))
    end = _hour(rng, start + timedelta(days=5), start + timedelta(days=50)) if rng.random() < 0.2 else None
    created_at = month - timedelta(days=2) + timedelta(seconds=number)
    return Contract(
        id=_id(rng),
        customer_id=customer.id,
        card_id=rng.choice([*tenant.cards]),
        starting_at=start,
        ending_before=end,
        frequency=frequency,
        anchor=anchor,
        created_at=created_at,
        overrides=tuple(_override(rng, tenant, month) for _ in range(rng.choice((0, 0, 1, 2)))),
        charges=tuple(_charge(rng, tenant, month) for _ in range(rng.choice((0, 0, 1)))),
    )


def _override(rng: Random, tenant: Tenant, month: datetime) -> Override:
    """Return a discount on something, or another entitlement."""
    start = rng.choice((month - timedelta(days=60), _hour(rng, month, month + timedelta(days=30))))
    end = _hour(rng, start + HOUR, start + timedelta(days=60)) if rng.random() < 0.3 else None
    found = Override(_id(rng), None, start, end, entitled=rng.choice((None, None, True, False)))
    if found.entitled is None:
        found = replace(found, type="MULTIPLIER", multipliers=((None, rng.choice(("0.5", "0.9", "1.1"))),))
    match rng.randrange(3):
        case 0:
            return replace(found, tags=(rng.choice(("ai", "storage")),))
        case 1:
            return replace(found, specifiers=(replace(_specifier(rng, tenant), product_id=_usage(rng, tenant)),))
    return found


def _usage(rng: Random, tenant: Tenant) -> str:
    return rng.choice([each for each in tenant.products if each.first.metric_id]).id


def _charge(rng: Random, tenant: Tenant, month: datetime) -> ScheduledCharge:
    schedule = Schedule(rng.choice(("USD", "EUR")), _items(rng, month))
    return ScheduledCharge(_id(rng), tenant.products[-1].id, rng.choice((None, "Fee")), schedule)


def _items(rng: Random, month: datetime) -> tuple[Item, ...]:
    """Return dates on which something is asked for, in order."""
    dates = sorted(_hour(rng, month - timedelta(days=2), month + timedelta(days=60)) for _ in range(rng.randint(1, 2)))
    return tuple(Item(_id(rng), at, "1", rng.choice(AMOUNTS)) for at in dates)


def _balance(rng: Random, customer: Customer, agreed: list[Contract], tenant: Tenant, month: datetime) -> Balance:
    contract = rng.choice((None, *agreed))
    segments = []
    for _ in range(rng.choice((1, 1, 2))):
        start = rng.choice((month - timedelta(days=30), month, _hour(rng, month, month + timedelta(days=30))))
        end = rng.choice((start + timedelta(days=365), _hour(rng, start + HOUR, start + timedelta(days=35))))
        segments.append(Segment(_id(rng), rng.choice(AMOUNTS), start, end))
    kind = rng.choice(("PREPAID", "CREDIT"))
    schedule = None
    if kind == "PREPAID" and contract is not None and rng.random() < 0.6:
        schedule = Schedule(rng.choice(("USD", "USD", "EUR")), _items(rng, month), rng.random() < 0.2)
    targets = rng.random()
    return Balance(
        id=_id(rng),
        type=kind,
        customer_id=customer.id,
        product_id=tenant.products[-1].id,
        currency=rng.choice([*tenant.cards.values()]),
        contract_id=contract.id if contract else None,
        priority=rng.choice(("1", "1", "1", "2", "0.5")),
        segments=tuple(segments),
        created_at=month - timedelta(days=2),
        product_ids=(_usage(rng, tenant),) if targets < 0.2 else (),
        tags=(rng.choice(("ai", "storage")),) if 0.15 < targets < 0.3 else (),
        specifiers=tuple(_specifier(rng, tenant) for _ in range(rng.randint(1, 2))) if targets > 0.75 else (),
        contract_ids=(rng.choice(agreed).id,) if contract is None and rng.random() < 0.3 else (),
        schedule=schedule,
    )


def _specifier(rng: Random, tenant: Tenant) -> Specifier:
    product = rng.choice((None, *tenant.products))
    value = (("region", rng.choice(("eu", "us", "5"))),) if rng.random() < 0.5 else ()
    by_price = product is not None and "region" in product.first.pricing_keys
    tags = (rng.choice(("ai", "storage")),) if rng.random() < 0.3 else ()
    if not (product or tags or value):
        tags = ("beta",)
    return Specifier(product.id if product else None, tags, value if by_price else (), () if by_price else value)


# ── What arrives ────────────────────────────────────────────────────────────────────────────────────────────────────


def _requests(rng: Random, tenant: Tenant, month: datetime) -> list[Request]:
    """Return requests in order of arrival: first sends, duplicates, ids with other content, reused ids."""
    opens, closes = month - timedelta(days=1), month + timedelta(days=DAYS)
    known = [name for each in tenant.customers for name in (each.id, each.id, *(alias for alias, _ in each.aliases))]
    customers = [*known, *known, "nobody"]
    arrivals: list[tuple[datetime, Event]] = []
    at = opens
    for number in range(rng.randint(60, 180)):
        if number == 0 or rng.random() < 0.5:  # otherwise it comes with the one before
            at = opens + rng.random() ** 0.8 * (closes - opens)
            at = at.replace(microsecond=rng.randrange(10**6))
        event = _event(rng, f"{rng.choice(('t', 'T', 'é', 'Z', '_'))}{number}", customers, at, month)
        arrivals.append((at, event))
        while rng.random() < 0.2:
            arrivals.append(_again(rng, event, at, closes, customers, month))
    arrivals = [(at, event) for at, event in arrivals if at - OLDEST <= event.at <= at + NEWEST]
    arrivals.sort(key=lambda each: each[0])
    requests: list[Request] = []
    while arrivals:
        size = rng.choice((1, 2, 5, 20))
        now = max(at for at, _ in arrivals[:1])
        together = [event for at, event in arrivals[:size] if at - now < 12 * HOUR and event.at >= now - OLDEST]
        sent = max(at for at, _ in arrivals[: len(together)]) if together else now
        together = [event for event in together if sent - OLDEST <= event.at <= sent + NEWEST]
        if together:
            requests.append(Request(max(sent, requests[-1].at) if requests else sent, tuple(together)))
        del arrivals[: max(1, len(together))]
    return [each for each in requests if all(each.at - OLDEST <= event.at <= each.at + NEWEST for event in each.events)]


def _again(
    rng: Random, event: Event, first: datetime, closes: datetime, customers: list[str], month: datetime
) -> tuple[datetime, Event]:
    """Send an id again: soon, within its 34 days, or when it may be used anew."""
    delay = rng.choice((timedelta(0), timedelta(seconds=rng.uniform(0, 60)), timedelta(days=rng.uniform(0, 33))))
    if rng.random() < 0.1:
        delay = timedelta(days=rng.uniform(36, 44))
    at = min(first + delay, closes)
    other = _event(rng, event.transaction_id, customers, at, month)
    match rng.randrange(5):
        case 0:
            return at, replace(other, source=event.source)
        case 1:
            return at, replace(event, at=other.at)
        case 2:
            return at, replace(event, properties=other.properties)
        case 3:
            return at, replace(event, source=rng.choice(("", "other")))
    return at, event


def _event(rng: Random, transaction_id: str, customers: list[str], arrives_at: datetime, month: datetime) -> Event:
    return Event(
        transaction_id=transaction_id,
        source="" if rng.random() < 0.95 else "other",
        customer=rng.choice(customers),
        type=rng.choice((*TYPES, "call", "job")),
        at=_timestamp(rng, arrives_at, month),
        properties=_properties(rng),
    )


def _timestamp(rng: Random, arrives_at: datetime, month: datetime) -> datetime:
    """Return when an event says that it happened: usually just now, sometimes long ago, often at an edge."""
    kind = rng.random()
    if kind < 0.45:
        at = arrives_at - timedelta(minutes=rng.uniform(0, 90))
    elif kind < 0.6:
        at = arrives_at - timedelta(days=rng.uniform(0, 3))
    elif kind < 0.8:
        at = arrives_at - timedelta(days=rng.uniform(0, 33.9))
    elif kind < 0.85:
        at = arrives_at + timedelta(hours=rng.uniform(0, 23.9))
    else:
        edges = (month, month + timedelta(days=31), month + timedelta(days=28), month + timedelta(days=7))
        at = rng.choice((arrives_at.replace(minute=0, second=0), *edges)).replace(microsecond=0)
    if rng.random() < 0.2:
        at = at.replace(minute=0, second=0, microsecond=0) - rng.choice((TICK, timedelta(0)))
    return min(max(at, arrives_at - OLDEST + HOUR), arrives_at + NEWEST - HOUR)


def _properties(rng: Random) -> str:
    found = {
        "n": _number(rng) if rng.random() < 0.95 else None,
        "m": _number(rng) if rng.random() < 0.8 else None,
        "region": rng.choice(REGIONS),
        "model": rng.choice(MODELS),
        "who": rng.choice(('"x"', '"y"', '"z"', "7", '"7"', "7.0", '"' + "long" * 80 + '"', None)),
        "noise": rng.choice(('"{}"', '{"n": 1}', None, None, None)),
    }
    names = list(found)
    rng.shuffle(names)
    return "{" + ", ".join(f'"{name}": {found[name]}' for name in names if found[name] is not None) + "}"


def _number(rng: Random) -> str:
    """Return the JSON of a number, in one of its many spellings, or of something that is none."""
    kind = rng.random()
    if kind < 0.35:
        text = str(rng.randint(0, 1000))
    elif kind < 0.55:
        text = f"{rng.randint(-50, 500)}.{rng.randrange(10**6):06}"
    elif kind < 0.65:
        text = str(rng.randint(1, 9)) + "".join(rng.choice("0123456789") for _ in range(37))
        point = rng.choice((1, 1, 2, 2, 3, 4, rng.randint(1, 38)))
        text = text[:point] + ("." + text[point:] if point < 38 else "")
    elif kind < 0.75:
        text = rng.choice(("1e3", "2.5E-3", "-7", "0", "-0.0", "1E+2", "0.1", "0.30", "1e-38", "9007199254740993"))
    elif kind < 0.85:
        text = f"0.{rng.randrange(10**30):030}"
    elif kind < 0.92:
        return rng.choice(
            ('"abc"', "true", "[1]", '""', '"NaN"', '" 5"', '"0x10"', "{}", '"Infinity"', '"1_000"', '"٣"')
        )
    else:
        text = rng.choice(("1e38", "1" * 39, "1e-39", "0." + "1" * 39, "123456789012345678901234567890123456789e-2"))
        return text if rng.random() < 0.04 else f'"{text}"'  # as a number it is refused with its whole request
    return text if rng.random() < 0.5 else f'"{text}"'
