"""The oracle's overrides and commit rates (docs/pricing.md, sections 5 and 6)."""

from datetime import datetime
from fractions import Fraction

from sim.oracle_number import exact
from sim.oracle_rate import Step, Steps, next_tier, steps, unit_of
from sim.oracle_target import Use, any_of
from sim.world import Balance, Contract, Override, Rate, Tenant


def agreed(contract: Contract, rate: Rate, use: Use, at: datetime) -> Steps | None:
    """Return what a use costs at an instant at which this rate holds; None: the customer is not entitled to it."""
    now = [each for each in contract.overrides if holds(each, at) and concerns(each, use)]
    said = [each.entitled for each in now if each.entitled is not None]
    if not (said[-1] if said else rate.entitled):
        return None
    listed = steps(rate.price)
    return changed(contract, listed, [each for each in now if not each.for_commits]) or listed


def price_for(balance: Balance, contract: Contract, rate: Rate, use: Use, at: datetime) -> Steps | None:
    """Return what units cost that a balance pays for; None: what all others cost."""
    side = "COMMIT_RATE" if balance.rate_type == "COMMIT_RATE" and rate.commit is not None else "LIST_RATE"
    base = rate.commit if side == "COMMIT_RATE" else rate.price
    assert base is not None
    own = [each for each in contract.overrides if holds(each, at) and each.target == side]
    special = changed(contract, steps(base), [each for each in own if is_for(each, use, balance)])
    if special is None and side == "COMMIT_RATE":
        special = steps(base)
    return None if special == agreed(contract, rate, use, at) else special


def is_for(override: Override, use: Use, balance: Balance) -> bool:
    """Whether an override is specific to commits, and for this use and balance."""
    if not override.for_commits or not concerns(override, use):
        return False
    named = [each.balance_ids for each in override.specifiers if any_of([each], use)]
    return not named or any(balance.id in ids or not ids for ids in named)


def changed(contract: Contract, base: Steps, now: list[Override]) -> Steps | None:
    """Return a price with the one override that counts; None: there is none."""
    overwrites = [each.price for each in now if each.type == "OVERWRITE"]
    if overwrites:
        assert overwrites[-1] is not None
        return steps(overwrites[-1])
    if base[0].startswith("CUSTOM"):  # somebody else works it out (section 4)
        return None
    winner = multiplier(contract.prioritization, [each for each in now if each.type in {"MULTIPLIER", "TIERED"}])
    return None if winner is None else multiplied(base, winner)


def overwrite_at(contract: Contract, use: Use, at: datetime) -> Override | None:
    """Return the overwrite that counts for a use at an instant, whoever pays: the one that was added last."""
    now = [each for each in contract.overrides if holds(each, at) and concerns(each, use) and not each.for_commits]
    return next((each for each in reversed(now) if each.type == "OVERWRITE"), None)


def unit_at(tenant: Tenant, contract: Contract, rate: Rate, use: Use, at: datetime) -> str:
    """Return in what a use is priced at an instant: the unit of its rate, or that of an overwrite (section 16)."""
    overwrite = overwrite_at(contract, use, at)
    return (overwrite and overwrite.unit) or unit_of(tenant, rate)


def holds(override: Override, at: datetime) -> bool:
    """Whether it is its time."""
    return override.starting_at <= at and (override.ending_before is None or at < override.ending_before)


def concerns(override: Override, use: Use) -> bool:
    """Whether it is for this use."""
    if override.product_id is not None:
        return override.product_id == use.product_id
    if override.tags:
        return bool(set(override.tags) & set(use.tags))
    return any_of(override.specifiers, use) if override.specifiers else True


def multiplier(prioritization: str, some: list[Override]) -> Override | None:
    """Return the one that counts: the lowest, or the one with the lowest priority number, of equals the first added."""
    if prioritization == "EXPLICIT":
        return min(some, key=lambda each: exact(each.priority or "0"), default=None)
    return min(some, key=lambda each: exact(each.multipliers[0][1]), default=None)


def multiplied(listed: Steps, override: Override) -> Steps:
    """Return the list price in which each unit costs its list price times its multiplier."""
    kind, tiers = listed
    factors: list[Step] = []
    low = Fraction(0)
    for size, factor in override.multipliers:
        high = None if size is None else low + exact(size)
        factors.append(Step(low, high, exact(factor)))
        low = high or low
    if len(factors) == 1:
        return kind, tuple(Step(each.low, each.high, each.unit_price * factors[0].unit_price) for each in tiers)
    bounds = sorted({each.high for each in (*tiers, *factors) if each.high is not None})
    found = []
    for low, high in zip([Fraction(0), *bounds], [*bounds, None], strict=True):
        price, factor = (some[next_tier(("TIERED", tuple(some)), low)] for some in (tiers, factors))
        found.append(Step(low, high, price.unit_price * factor.unit_price))
    return "TIERED", tuple(found)
