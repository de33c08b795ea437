"""Events for a period whose invoice is final: usage has them at once, and an invoice once somebody corrects it."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import msgspec

from chaos.checker import Api, Checker
from chaos.figures import Told, sized
from chaos.system import System
from chaos.traffic import SEED, TRY_SECONDS, Clients, Event
from support import web

CUSTOMERS = sized(12, 300)
EVENTS = 10
"""Of each customer, in time and late."""
AMOUNT = Decimal("3.5")
CREDIT = Decimal(50)
"""Enough for what came in time, and not for what came late."""
WEEK = timedelta(days=7)


class Feed(Clients):
    """Customers whose events lie in one week, some of which are sent when that is final."""

    def __init__(self, system: System, week: datetime) -> None:
        super().__init__(system, [f"customer-{number}" for number in range(CUSTOMERS)])
        self._week = week
        self._rng = random.Random(SEED)

    def send_all(self, name: str) -> None:
        """Send events of each customer, shuffled."""
        events = [
            Event(f"{name} {alias} {number}", alias, self._week + WEEK * self._rng.random(), {"amount": str(AMOUNT)})
            for alias in self.customers
            for number in range(EVENTS)
        ]
        self._rng.shuffle(events)
        with httpx.Client(timeout=TRY_SECONDS, trust_env=False) as client:
            for start in range(0, len(events), 100):
                self.send(client, events[start : start + 100], first=start)


def test_what_comes_late_for_a_final_period_is_billed_by_correcting_it(tells: Callable[[int, str], Told]) -> None:
    """A final invoice stays as it is, though a meter and the biller die; made anew it has all, and balances agree."""
    told = tells(11, "late for a final period: void and regenerate")
    week = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - 2 * WEEK
    settings = {"WINKEL_GRACE_HOURS": "48"}  # that the week after is open, whatever the hour
    with System(gateways=2, meters=2, bills=0, settings=settings) as system:
        feed = Feed(system, week)
        checker = Checker(system, feed)
        ids = list(checker.ids.values())
        with Api(system) as api:
            sell(api, checker, week)
            feed.send_all("in time")
            checker.exact()
            system.add("bill")
            system.wait_until(lambda: all(invoices(system, each, "FINALIZED") for each in ids), 120)
            final = {each: only(invoices(system, each, "FINALIZED")) for each in ids}
            open_ = {each: invoices(system, each, "DRAFT") for each in ids}
            paid_at_first = [balance(api, each) for each in ids]
            system.kill("meter-1")
            feed.send_all("late")
            checker.exact()
            system.kill("bill-1")
            system.winkel("bill", "run")
            changed = [each for each in ids if only(invoices(system, each, "FINALIZED")) != final[each]]
            assert {each: invoices(system, each, "DRAFT") for each in ids} == open_
            for number, each in enumerate(ids):
                if number == len(ids) // 2:
                    system.kill("bill-1")
                api.post("/v1/invoices/void", {"id": final[each]["id"]})
                api.post("/v1/invoices/regenerate", {"id": final[each]["id"]})
            anew = {each: only(invoices(system, each, "FINALIZED")) for each in ids}
            void = {each: only(invoices(system, each, "VOID")) for each in ids}
            left = [balance(api, each) for each in ids]
        doctor = system.winkel("doctor")
        assert not system.unasked, system.unasked
    in_time, late = EVENTS * AMOUNT, 2 * EVENTS * AMOUNT
    assert {total(each) for each in final.values()} == {max(Decimal(0), in_time - CREDIT)}
    assert {total(each) for each in anew.values()} == {late - CREDIT}
    assert {each["id"] for each in void.values()} == {each["id"] for each in final.values()}
    assert set(paid_at_first) == {CREDIT - in_time}
    told.tell("customers", CUSTOMERS)
    told.tell("events in time", CUSTOMERS * EVENTS)
    told.tell("events for a final period", CUSTOMERS * EVENTS)
    told.tell("final invoices that a late event changed", len(changed), most=0)
    told.tell("invoices made anew, each with all events", len(anew))
    told.tell("balances that are not used up, as the new invoices say", len([each for each in left if each]), most=0)
    told.note(doctor.strip().splitlines()[-1])


def sell(api: Api, checker: Checker, week: datetime) -> None:
    """Let each customer pay a cent for each unit, by weeks, and give each a credit."""
    pricing = "/v1/contract-pricing"
    units = api.make(f"{pricing}/products/create", name="Units", type="USAGE",
                     billable_metric_id=checker.metrics["SUM"])  # fmt: skip
    fixed = api.make(f"{pricing}/products/create", name="Credit", type="FIXED")
    card = api.make(f"{pricing}/rate-cards/create", name="Prices")
    api.post(f"{pricing}/rate-cards/addRate", {
        "rate_card_id": card, "product_id": units, "starting_at": week, "entitled": True, "rate_type": "FLAT",
        "price": 1,
    })  # fmt: skip
    for customer_id in checker.ids.values():
        api.make("/v1/contracts/create", customer_id=customer_id, rate_card_id=card, starting_at=week,
                 usage_statement_schedule={"frequency": "WEEKLY", "day": "CONTRACT_START"})  # fmt: skip
        item = {"amount": CREDIT, "starting_at": week, "ending_before": week + 4 * WEEK}
        api.make("/v1/contracts/customerCredits/create", customer_id=customer_id, product_id=fixed, name="Welcome",
                 priority=1, access_schedule={"schedule_items": [item]})  # fmt: skip


def invoices(system: System, customer_id: str, status: str) -> list[Any]:
    """Return a customer's usage invoices of a status."""
    url = f"{system.urls[0]}/v1/customers/{customer_id}/invoices?type=USAGE&status={status}"
    answered, text = web.get(url, system.headers)
    assert answered == 200, text
    found: list[Any] = msgspec.json.Decoder(float_hook=Decimal).decode(text)["data"]
    return found


def balance(api: Api, customer_id: str) -> Decimal:
    """Return what final invoices have left of a customer's credit."""
    asked = {"customer_id": customer_id, "invoice_inclusion_mode": "FINALIZED"}
    return Decimal(api.post("/v1/contracts/customerBalances/getNetBalance", asked)["data"]["balance"])


def total(invoice: Any) -> Decimal:
    """Return what an invoice asks for."""
    return Decimal(invoice["total"])


def only(found: list[Any]) -> Any:
    """Return the one of a list of one."""
    (one,) = found
    return one
