"""A family: a parent contract and two children of other customers, and what its tests do."""

import uuid

from api import billing, seed


class Family:
    """A parent with a pool of 500 cents for all its children, and two children; a unit of model a costs a cent."""

    def __init__(self, sdk, api, clock, database_url) -> None:
        self.sdk, self.api, self.clock, self.database_url = sdk, api, clock, database_url
        self.customers: dict[str, str] = {}
        self.contracts: dict[str, str] = {}

    async def begin(self) -> None:
        self.card, self.product = await billing.priced_card(self.sdk)
        self.fixed = await seed.fixed_product(self.sdk)
        behavior = {"parent_behavior": {"invoice_consolidation_type": "CONCATENATE"}}
        await self.contract("Disney", behavior, commits=[self.commit("Pool", 500, child_access={"type": "ALL"})])
        await self.contract("Hulu", self.under("Disney", payer="PARENT", usage_statement_behavior="CONSOLIDATE"))
        await self.contract("ESPN", self.under("Disney"))

    def commit(self, name: str, amount: int, **hierarchy) -> dict:
        items = [{"amount": amount, "starting_at": seed.at(2026), "ending_before": seed.at(2027)}]
        return {
            "product_id": self.fixed,
            "type": "PREPAID",
            "name": name,
            "access_schedule": {"schedule_items": items},
            **({"hierarchy_configuration": hierarchy} if hierarchy else {}),
        }

    def ref(self, name: str) -> dict[str, str]:
        return {"customer_id": self.customers[name], "contract_id": self.contracts[name]}

    def under(self, name: str, **more: str) -> dict:
        return {"parent": self.ref(name), **more}

    async def contract(self, name: str, hierarchy: dict, **more) -> None:
        """Make a contract; one that is called Hulu-2 is a second one of Hulu's."""
        if name.partition("-")[0] not in self.customers:
            self.customers[name] = await seed.customer(self.sdk, name)
        terms = {"starting_at": seed.at(2026), "rate_card_id": self.card, "hierarchy_configuration": hierarchy}
        self.customers[name] = self.customers[name.partition("-")[0]]
        made = await self.sdk.v1.contracts.create(customer_id=self.customers[name], **{**terms, **more})
        self.contracts[name] = made.data.id
        self.clock.move(minutes=1)  # so that older contracts draw first

    def renewing(self, name: str) -> dict:
        return {"type": "RENEWAL", "from_contract_id": self.contracts[name]}

    async def use(self, when=None, **units: int) -> None:
        """Use units at an instant, or in January."""
        at = when or seed.at(2026, 1, 20)
        events = [
            billing.event(uuid.uuid4().int % 10**9, self.customers[name], at, model="a", tokens=n)
            for name, n in units.items()
        ]
        await self.sdk.v1.usage.ingest(usage=events)
        await billing.meter(self.api, self.database_url)

    async def entries(self, name: str) -> list[tuple[str, float, str | None]]:
        """Return the ledgers of a customer: kind, amount, and whose contract it is that draws."""
        found = await self.sdk.v1.contracts.list_balances(
            customer_id=self.customers[name], include_ledgers=True, include_contract_balances=True
        )
        names = {contract: its for its, contract in self.contracts.items()}
        return [
            (entry.type.removeprefix("PREPAID_COMMIT_"), entry.amount, names.get(getattr(entry, "contract_id", None)))
            for each in found.data
            for entry in each.ledger
        ]


async def begun(sdk, api, clock, database_url) -> Family:
    """Return the family on 25 January, with contracts from the beginning of the year on."""
    made = Family(sdk, api, clock, database_url)
    clock.move(days=max(0, (seed.at(2026, 1, 25) - clock()).days))
    await made.begin()
    return made
