"""A customer whose contract has one of each kind of term, and what tests of edits do with it."""

from decimal import Decimal
from typing import Any

from api import billing, seed
from api.seed import at

EDIT, HISTORY = "/v2/contracts/edit", "/v2/contracts/getEditHistory"
COMMIT, CREDIT = "/v2/contracts/commits/edit", "/v2/contracts/credits/edit"
ABSENT = "00000000-0000-4000-8000-000000000000"
BEFORE = [("2026-01-01", 207), ("usage", 0), ("2026-04-01", 250), ("2026-06-01", 9)]
"""All drafts: the first part of the commit and the fee; 160 tokens at half a cent, paid by balances; the rest."""


def access(amount, year=2026):
    """Return an access schedule of one segment of a year, as JSON."""
    item = {"amount": amount, "starting_at": at(year).isoformat(), "ending_before": at(year + 1).isoformat()}
    return {"schedule_items": [item]}


def dates(*some):
    """Return an invoice schedule of (date, amount)s, as JSON."""
    return {"schedule_items": [{"timestamp": day.isoformat(), "amount": amount} for day, amount in some]}


class Acme:
    """A customer on 15 January that has used 160 cents; its contract has one of each kind of term."""

    def __init__(self, sdk, client, api, url):
        self.sdk, self.client, self.api, self.url = sdk, client, api, url
        self.ids: dict[str, str] = {}

    @property
    def keys(self):
        """The ids that each edit begins with."""
        return {"customer_id": self.ids["customer"], "contract_id": self.ids["contract"]}

    async def build(self):
        """Make it."""
        self.ids["card"], self.ids["usage"] = await billing.priced_card(self.sdk)
        self.ids["fixed"] = await seed.fixed_product(self.sdk)
        made = await self.sdk.v1.customers.create(name="Acme", ingest_aliases=["acme"])
        self.ids["customer"] = made.data.id
        contract = await self.sdk.v1.contracts.create(
            customer_id=self.ids["customer"],
            starting_at=at(2026),
            rate_card_id=self.ids["card"],
            name="First",
            net_payment_terms_days=30,
            commits=[self.commit()],
            credits=[{"product_id": self.ids["fixed"], "name": "Gift", "access_schedule": access(40)}],
            overrides=[self.override(0.5)],
            scheduled_charges=[self.charge()],
        )
        self.ids["contract"] = contract.data.id
        terms = await self.terms()
        self.ids |= {"commit": terms.commits[0].id, "credit": terms.credits[0].id}
        self.ids |= {"override": terms.overrides[0].id, "charge": terms.scheduled_charges[0].id}
        await self.sdk.v1.usage.ingest(usage=[billing.event(1, "acme", self.api.clock(), model="a", tokens=160)])
        await billing.meter(self.api, self.url)
        self.api.clock.move(hours=1)
        return self

    def commit(self, **more):
        """Return 500 cents for 450, asked for in two parts."""
        terms = {"product_id": self.ids["fixed"], "type": "PREPAID", "name": "Prepaid", "access_schedule": access(500)}
        return {**terms, "invoice_schedule": dates((at(2026), 200), (at(2026, 4), 250)), **more}

    def charge(self, **more):
        """Return a fee that is asked for in January and in June."""
        return {
            "product_id": self.ids["fixed"],
            "name": "Fee",
            "schedule": dates((at(2026), 7), (at(2026, 6), 9)),
            **more,
        }

    def override(self, multiplier, **more):
        """Return an override of all prices."""
        terms = {"type": "MULTIPLIER", "multiplier": multiplier, "starting_at": at(2026).isoformat()}
        return {**terms, "product_id": self.ids["usage"], **more}

    async def edit(self, **changes):
        """Edit the contract with the SDK and return the record."""
        self.api.clock.move(seconds=1)
        return (await self.sdk.v2.contracts.edit(**self.keys, **changes)).data.edit

    async def terms(self, **more):
        """Return the contract in V2."""
        return (await self.sdk.v2.contracts.retrieve(**self.keys, **more)).data

    async def history(self):
        """Return its history."""
        return (await self.sdk.v2.contracts.get_edit_history(**self.keys)).data

    async def invoices(self, **query) -> list[dict[str, Any]]:
        """Return its invoices with exact numbers."""
        return await billing.invoices_of(self.client, self.ids["customer"], **query)

    async def asked(self, status="DRAFT") -> list[tuple[str, Decimal]]:
        """Return the date and the total of each of its invoices, usage as "usage"."""
        found = await self.invoices(status=status)
        return [("usage" if each["type"] == "USAGE" else each["issued_at"][:10], each["total"]) for each in found]

    async def january(self):
        """Go on to 2 February and make final what is due."""
        self.api.clock.at = at(2026, 2, 2, 12)
        await billing.bill(self.api, self.url)

    async def refused(self, body, *parts, path=EDIT, status=400):
        """Send a body that must be refused, and nothing must have changed."""
        before = await self.everything()
        key = {
            EDIT: self.keys,
            COMMIT: {"customer_id": self.ids["customer"]},
            CREDIT: {"customer_id": self.ids["customer"]},
        }
        message = await seed.refused(self.client, path, {**key[path], **body}, *parts, status=status)
        assert await self.everything() == before, message

    async def everything(self):
        """Return all that the API tells about the contract."""
        body = {**self.keys, "include_ledgers": True}
        contract = (await seed.post(self.client, "/v2/contracts/get", body)).text
        return contract, await self.invoices(), (await seed.post(self.client, HISTORY, self.keys)).text
