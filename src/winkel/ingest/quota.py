"""Quotas of events by tenant: token buckets that refill steadily. Pure."""

import math
from collections.abc import Mapping

from msgspec import Struct


class Bucket(Struct):
    """What one tenant may still send. Time is given in seconds of any steady clock.

    A request is let in while anything is left, and may take more than that: the debt is paid off before the next one.
    So a batch that is larger than a second's quota gets through too, and on average nobody sends more than the rate.
    """

    rate: float
    """Events per second; a second's worth may be saved up."""
    left: float
    at: float

    def wait(self, now: float) -> int:
        """Return in how many whole seconds a request is let in: 0 is now."""
        self.refill(now)
        return 0 if self.left > 0 else max(1, math.ceil(-self.left / self.rate))

    def take(self, events: int) -> None:
        """Count the events of a request that was let in."""
        self.left -= events

    def refill(self, now: float) -> None:
        """Add what the time since the last look gave."""
        self.left = min(self.rate, self.left + (now - self.at) * self.rate)
        self.at = now


class Quotas:
    """The quotas of all tenants in one gateway.

    A quota holds for the whole installation: of several gateways each gives out an equal share, because a load balancer
    spreads requests evenly. They need not ask each other.
    """

    def __init__(self, default: int) -> None:
        self._default = default
        self._by_tenant: Mapping[int, int] = {}
        self._gateways = 1
        self._buckets: dict[int, Bucket] = {}

    def of(self, tenant_id: int) -> int:
        """Return a tenant's events per second in the whole installation; 0: as many as it likes."""
        return self._by_tenant.get(tenant_id, self._default)

    def change(self, by_tenant: Mapping[int, int], gateways: int) -> None:
        """Learn which tenants have a quota of their own now, and among how many gateways each is shared."""
        self._by_tenant = by_tenant
        self._gateways = max(1, gateways)

    def wait(self, tenant_id: int, now: float) -> int:
        """Return in how many seconds a request of the tenant is let in: 0 is now."""
        bucket = self._bucket(tenant_id, now)
        return bucket.wait(now) if bucket else 0

    def take(self, tenant_id: int, events: int, now: float) -> None:
        """Count a tenant's events."""
        bucket = self._bucket(tenant_id, now)
        if bucket:
            bucket.take(events)

    def _bucket(self, tenant_id: int, now: float) -> Bucket | None:
        """Return the tenant's bucket, at its present rate; a debt from before a change stays one."""
        quota = self.of(tenant_id)
        if not quota:
            self._buckets.pop(tenant_id, None)
            return None
        rate = quota / self._gateways
        bucket = self._buckets.get(tenant_id)
        if bucket is None:
            bucket = self._buckets[tenant_id] = Bucket(rate=rate, left=rate, at=now)
        elif bucket.rate != rate:
            bucket.refill(now)
            bucket.left = min(bucket.left, rate)
            bucket.rate = rate
        return bucket
