"""Professional services in random contracts, and the invoices that are asked for them.

They are drawn last, so what a seed made before it knew them it still makes where there are none.
"""

from datetime import datetime

from msgspec.structs import replace

from sim.contracts_chance import DAY, HOUR, LONG_AGO
from sim.contracts_families import Related
from sim.world import Case, Contract, Product, Rendered, Service, ServiceRequest, Terms

SERVED = {"corrections": 0.3, "renewals": 0.25}
"""How often a case has services, by what it has most of."""
PRICES = ("1", "10", "10", "0.333", "0", "45")
MOST = ("10", "20", "45", "100", "1000")


class Serving(Related):
    """Makes professional services."""

    def with_services(self, case: Case) -> Case:
        """Return the case, sometimes with contracts that have agreed on services."""
        made = self.tenant
        if not self.chance(SERVED.get(self.theme, 0.1)):
            return case
        later = ((self.when(), Terms("Later")),) if self.chance(0.4) else ()
        made.products = [*made.products, Product("P", Terms("Service"), LONG_AGO, later, "PRO_SERVICE")]
        corrections = case.corrections
        if not corrections and self.chance(0.6):
            corrections = tuple(self.more_corrections())
        if corrections and self.chance(0.6):  # what is void is asked for once more, or made anew
            first, last = self.looks[-1], self.looks[-1] + self.pick((1, 5)) * DAY
            self.looks = [*self.looks, last]
            corrections = tuple(
                replace(each, at=last) if (each.at, each.kind) == (first, "REGENERATE") else each
                for each in corrections
            )
        made.contracts = [self.serving(each) if self.chance(0.6) else each for each in made.contracts]
        return replace(case, corrections=corrections, looks=tuple(self.looks))

    def serving(self, contract: Contract) -> Contract:
        """Return a contract with services, and what is asked for of them."""
        services = tuple(
            Service(f"{contract.id}.p{number}", "P", self.pick(PRICES), "3", self.pick(MOST))
            for number in range(self.pick((1, 1, 2)))
        )
        told = sorted(
            self.pick((*self.looks, self.looks[-1])) - self.pick((0, 1, 1, 24, 100, 800)) * HOUR
            for _ in range(self.pick((1, 2, 3, 4, 6)))
        )
        requests = tuple(
            self.request(f"{contract.id}.q{number}", contract, services, said_at) for number, said_at in enumerate(told)
        )
        if self.chance(0.35):  # so each of them takes the place of the one before, once that is void
            services = tuple(replace(each, max_amount="10") for each in services[:1])
            requests = tuple(replace(each, rendered=(Rendered(services[0].id, amount="10"),)) for each in requests)
        return replace(contract, services=services, service_requests=requests)

    def request(
        self, name: str, contract: Contract, services: tuple[Service, ...], said_at: datetime
    ) -> ServiceRequest:
        """Return a request for an invoice: on any date, often on one on which more is asked for."""
        dates = [item.at for each in (*contract.charges, *contract.discounts) for item in each.schedule.items]
        at = self.pick((*dates, self.when(), said_at, said_at - 30 * HOUR, said_at + 24 * HOUR, self.when() + HOUR / 2))
        rendered = tuple(self.rendered(self.pick(services)) for _ in range(self.pick((1, 1, 2))))
        return ServiceRequest(name, said_at, at, rendered)

    def rendered(self, service: Service) -> Rendered:
        """Return what a line asks for."""
        if self.chance(0.4):
            return Rendered(service.id, amount=self.pick(("10", "10", "5", "1000.005", "0", "20")))
        quantity = self.pick(("1", "2", "0.5", "3", "0"))
        return Rendered(service.id, quantity=quantity, unit_price=self.pick((None, None, "10", "0.333")))
