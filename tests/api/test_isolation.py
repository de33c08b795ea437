"""The walls: between tenants, and around what a token's role allows. Every route of the application is covered.

`ROUTES` says what to send to each route. A text like "@customer" stands for the id of an object: first of one's own
(which must work), then of another tenant (which must look exactly as if it did not exist).
"""

import json
import re
import secrets
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from winkel.api import auth
from winkel.store import tenants

pytestmark = pytest.mark.anyio

RATE = {
    "product_id": "@usage",
    "starting_at": "2026-01-01T00:00:00Z",
    "entitled": True,
    "rate_type": "FLAT",
    "price": 1,
}
ACCESS = {
    "credit_type_id": "@unit",
    "schedule_items": [{"amount": 1, "starting_at": "2026-01-01T00:00:00Z", "ending_before": "2027-01-01T00:00:00Z"}],
}
BALANCE = {"customer_id": "@customer", "product_id": "@fixed", "priority": 1, "access_schedule": ACCESS}
INVOICED = {"schedule_items": [{"timestamp": "2026-01-01T00:00:00Z", "amount": 1}]}
COMMIT = {**BALANCE, "type": "PREPAID", "invoice_contract_id": "@contract", "invoice_schedule": INVOICED}
VALUE = {"schedule_name": "seats", "starting_at": "2026-01-01T00:00:00Z", "value": "Own"}
CONTRACT = {"customer_id": "@customer", "contract_id": "@contract"}
SEATED = {"customer_id": "@customer", "contract_id": "@seated"}
WHOLE = {"include_balance": True, "include_ledgers": True}
DAYS = {"starting_on": "2026-01-14T00:00:00Z", "ending_before": "2026-01-15T00:00:00Z"}
END = "2026-06-01T00:00:00Z"
EVENT = {"transaction_id": "t", "customer_id": "someone", "event_type": "e", "timestamp": "2026-01-15T11:00:00Z"}

NOVEMBER = {"inclusive_start_date": "2025-11-01T00:00:00Z", "exclusive_end_date": "2025-12-01T00:00:00Z"}
NAMED = {
    "/v1/customers": {"customer_id": "@customer"},
    "/v1/contracts": CONTRACT,
    "/v1/contract-pricing/rate-cards": {"rate_card_id": "@card"},
}
"""Where named schedules are, and who owns them there."""

ROUTES: dict[str, Any] = {
    "GET /healthz": {},
    "GET /readyz": {},
    # events
    "POST /v1/ingest": [EVENT],
    "POST /winkel/v1/events": [EVENT],
    "GET /winkel/v1/events": {},
    "GET /winkel/v1/ingest/summary": {},
    "GET /winkel/v1/dead-letters": {},
    "GET /winkel/v1/dead-letters/{letter_id}": {},
    "POST /winkel/v1/dead-letters/retry": {"id": "@stuck"},
    "POST /winkel/v1/dead-letters/discard": {"id": "@letter", "because": "Own"},
    "GET /winkel/v1/conflicting-duplicates": {},
    # usage
    "POST /v1/usage": {
        **DAYS,
        "window_size": "DAY",
        "customer_ids": ["@customer"],
        "billable_metrics": [{"id": "@metric"}],
    },
    "POST /v1/usage/groups": {
        **DAYS,
        "window_size": "DAY",
        "customer_id": "@customer",
        "billable_metric_id": "@metric",
        "group_key": ["model"],
    },
    # customers
    "POST /v1/customers": {"name": "Own"},
    "GET /v1/customers": {"customer_ids": "@customer"},
    "GET /v1/customers/{customer_id}": {},
    "POST /v1/customers/archive": {"id": "@customer"},
    "POST /v1/customers/{customer_id}/setIngestAliases": {"ingest_aliases": ["alias"]},
    "POST /v1/customers/{customer_id}/setName": {"name": "Own"},
    "POST /v1/customers/{customer_id}/updateConfig": {"salesforce_account_id": "1"},
    "GET /v1/customers/{customer_id}/billable-metrics": {},
    "GET /v1/customers/{customer_id}/invoices": {},
    "GET /v1/customers/{customer_id}/invoices/{invoice_id}": {},
    "GET /v1/customers/{customer_id}/invoices/{invoice_id}/pdf": {"time_zone": "Europe/Berlin"},
    "POST /v1/invoices/void": {"id": "@invoice"},
    "POST /v1/invoices/regenerate": {"id": "@void"},
    "GET /v1/customers/{customer_id}/invoices/breakdowns": {
        "starting_on": "2025-12-01T00:00:00Z",
        "ending_before": "2026-02-01T00:00:00Z",
    },
    "POST /v1/customers/{customer_id}/previewEvents": {
        "mode": "merge",
        "events": [{"event_type": "e", "transaction_id": "t"}],
    },
    # billable metrics
    "POST /v1/billable-metrics/create": {"name": "Own", "aggregation_type": "COUNT"},
    "GET /v1/billable-metrics/{billable_metric_id}": {},
    "PUT /v1/billable-metrics/{billable_metric_id}": {"name": "Own"},
    "GET /v1/billable-metrics": {},
    "POST /v1/billable-metrics/archive": {"id": "@metric"},
    # products, pricing units, services
    "POST /v1/contract-pricing/products/create": {"name": "Own", "type": "USAGE", "billable_metric_id": "@metric"},
    "POST /v1/contract-pricing/products/update": {
        "product_id": "@usage",
        "starting_at": "2026-01-01T00:00:00Z",
        "billable_metric_id": "@metric",
    },
    "POST /v1/contract-pricing/products/get": {"id": "@usage"},
    "POST /v1/contract-pricing/products/list": {"archive_filter": "ALL"},
    "POST /v1/contract-pricing/products/archive": {"product_id": "@usage"},
    "GET /v1/credit-types/list": {},
    "POST /v1/credit-types/create": {"name": "Own unit"},
    "POST /v1/credit-types/archive": {"id": "@unit"},
    "GET /v1/services": {},
    # rate cards
    "POST /v1/contract-pricing/rate-cards/create": {
        "name": "Own",
        "credit_type_conversions": [{"custom_credit_type_id": "@unit", "fiat_per_custom_credit": 1}],
    },
    "POST /v1/contract-pricing/rate-cards/get": {"id": "@card"},
    "POST /v1/contract-pricing/rate-cards/update": {
        "rate_card_id": "@card",
        "name": "Own",
        "add_credit_type_conversions": [{"custom_credit_type_id": "@spare", "fiat_per_custom_credit": 1}],
    },
    "POST /v1/contract-pricing/rate-cards/list": {},
    "POST /v1/contract-pricing/rate-cards/archive": {"id": "@card"},
    "POST /v1/contract-pricing/rate-cards/setRateCardProductsOrder": {"rate_card_id": "@card", "product_order": []},
    "POST /v1/contract-pricing/rate-cards/moveRateCardProducts": {"rate_card_id": "@card", "product_moves": []},
    "POST /v1/contract-pricing/rate-cards/addRate": {"rate_card_id": "@card", **RATE},
    "POST /v1/contract-pricing/rate-cards/addRates": {"rate_card_id": "@card", "rates": [RATE]},
    "POST /v1/contract-pricing/rate-cards/getRates": {"rate_card_id": "@card", "at": END},
    "POST /v1/contract-pricing/rate-cards/getRateSchedule": {"rate_card_id": "@card", "starting_at": END},
    # contracts
    "POST /v1/contracts/create": {
        "customer_id": "@customer",
        "rate_card_id": "@card",
        "starting_at": "2026-01-01T00:00:00Z",
        "credits": [{"product_id": "@fixed", "access_schedule": ACCESS, "applicable_product_ids": ["@usage"]}],
    },
    "POST /v1/contracts/get": {**CONTRACT, **WHOLE},
    "POST /v2/contracts/get": {**CONTRACT, **WHOLE},
    "POST /v1/contracts/list": {"customer_id": "@customer", **WHOLE},
    "POST /v2/contracts/list": {"customer_id": "@customer", **WHOLE},
    "POST /v1/contracts/archive": {"customer_id": "@customer", "contract_id": "@closing", "void_invoices": True},
    "POST /v1/packages/create": {
        "name": "Own",
        "rate_card_id": "@card",
        "aliases": [{"name": "starter"}],
        "credits": [
            {
                "product_id": "@fixed",
                "applicable_product_ids": ["@usage"],
                "access_schedule": {
                    "schedule_items": [
                        {
                            "amount": 1,
                            "starting_at_offset": {"value": 0, "unit": "DAYS"},
                            "duration": {"value": 1, "unit": "DAYS"},
                        }
                    ]
                },
            }
        ],
    },
    "POST /v1/packages/get": {"package_id": "@package"},
    "POST /v1/packages/list": {"archive_filter": "ALL"},
    "POST /v1/packages/archive": {"package_id": "@package"},
    "POST /v1/packages/listContractsOnPackage": {"package_id": "@package"},
    "POST /v1/customers/getNamedSchedule": {"customer_id": "@customer", "schedule_name": "seats"},
    "POST /v1/customers/updateNamedSchedule": {"customer_id": "@customer", **VALUE},
    "POST /v1/contracts/getNamedSchedule": {**CONTRACT, "schedule_name": "seats"},
    "POST /v1/contracts/updateNamedSchedule": {**CONTRACT, **VALUE},
    "POST /v1/contracts/listNamedSchedules": CONTRACT,
    "POST /v1/contract-pricing/rate-cards/getNamedSchedule": {"rate_card_id": "@card", "schedule_name": "seats"},
    "POST /v1/contract-pricing/rate-cards/updateNamedSchedule": {"rate_card_id": "@card", **VALUE},
    "POST /v1/contracts/setUsageFilter": {
        **CONTRACT,
        "group_key": "model",
        "group_values": ["a"],
        "starting_at": "2026-01-01T00:00:00Z",
    },
    "POST /v1/contracts/amend": {
        **CONTRACT,
        "starting_at": END,
        "credits": [{"product_id": "@fixed", "access_schedule": ACCESS, "applicable_product_ids": ["@usage"]}],
        "professional_services": [{"product_id": "@work", "unit_price": 1, "quantity": 1, "max_amount": 1}],
    },
    "POST /v1/contracts/scheduleProServicesInvoice": {
        **CONTRACT,
        "issued_at": END,
        "line_items": [{"professional_service_id": "@service", "amount": 1}],
    },
    "POST /v1/contracts/updateEndDate": {**CONTRACT, "ending_before": END},
    "POST /v1/contracts/getContractRateSchedule": CONTRACT,
    "POST /v2/contracts/edit": {
        **CONTRACT,
        "add_credits": [{"product_id": "@fixed", "access_schedule": ACCESS, "applicable_product_ids": ["@usage"]}],
        "update_contract_name": "Own",
    },
    "POST /v2/contracts/getEditHistory": CONTRACT,
    "POST /v2/contracts/commits/edit": {
        "customer_id": "@customer",
        "commit_id": "@commit",
        "product_id": "@fixed",
        "applicable_product_ids": ["@usage"],
        "applicable_contract_ids": ["@contract"],
    },
    "POST /v2/contracts/credits/edit": {"customer_id": "@customer", "credit_id": "@credit", "name": "Own"},
    "POST /v2/contracts/commits/archive": {"customer_id": "@customer", "commit_id": "@commit"},
    "POST /v2/contracts/credits/archive": {"customer_id": "@customer", "credit_id": "@credit"},
    "POST /v2/contracts/commits/retire": {**CONTRACT, "commit_ids": ["@promise"]},
    "POST /v1/contracts/updateInvoiceIssueDate": {"invoice_id": "@draft", "issue_date": "2026-06-01T00:00:00Z"},
    "POST /v1/contracts/commits/disableTrueup": {**CONTRACT, "commit_id": "@promise"},
    "POST /v1/contracts/getSubscriptionQuantityHistory": {**SEATED, "subscription_id": "@seats"},
    "POST /v1/contracts/getSubscriptionSeatsHistory": {**SEATED, "subscription_id": "@seats"},
    "POST /v1/contracts/seatBalances/list": SEATED,
    "POST /v1/contracts/createHistoricalInvoices": {
        "preview": True,
        "invoices": [
            {
                **CONTRACT,
                **NOVEMBER,
                "credit_type_id": "2714e483-4ff1-48e4-9e25-ac732e8f24f2",
                "issue_date": "2025-12-01T00:00:00Z",
                "usage_line_items": [{**NOVEMBER, "product_id": "@usage", "quantity": 0}],
            }
        ],
    },
    "POST /v1/contracts/customerCommits/create": COMMIT,
    "POST /v1/contracts/customerCommits/list": {"customer_id": "@customer"},
    "POST /v1/contracts/customerCommits/updateEndDate": {
        "customer_id": "@customer",
        "commit_id": "@commit",
        "access_ending_before": END,
    },
    "POST /v1/contracts/customerBalances/list": {"customer_id": "@customer", "include_balance": True},
    "POST /v1/contracts/customerBalances/getNetBalance": {
        "customer_id": "@customer",
        "credit_type_id": "@unit",
        "filters": [{"ids": ["@commit", "@credit"]}],
    },
    "POST /v1/contracts/addManualBalanceLedgerEntry": {
        "customer_id": "@customer",
        "id": "@credit",
        "segment_id": "@segment",
        "amount": 1,
        "reason": "Own",
    },
    "POST /v1/contracts/customerCredits/create": BALANCE,
    "POST /v1/contracts/customerCredits/list": {"customer_id": "@customer"},
    "POST /v1/contracts/customerCredits/updateEndDate": {
        "customer_id": "@customer",
        "credit_id": "@credit",
        "access_ending_before": END,
    },
}
"""What to send to each route: a body, or for GET the query."""

PATH_IDS = {
    "customer_id": "@customer",
    "billable_metric_id": "@metric",
    "invoice_id": "@invoice",
    "letter_id": "@letter",
}
PUBLIC = {"GET /healthz", "GET /readyz"}
INGEST = {"POST /v1/ingest", "POST /winkel/v1/events"}
ADMIN = {"POST /winkel/v1/dead-letters/retry", "POST /winkel/v1/dead-letters/discard"}
READING_POST = re.compile(r"/(get\w*|list\w*|usage|groups|search|previewEvents)$")

SECRET = "Secret of the other tenant"


def routes_of(application: Litestar) -> Iterator[str]:
    """Yield every route as "METHOD /path/{parameter}"."""
    for route in application.routes:
        assert isinstance(route, HTTPRoute)
        path = re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path_format if "{" in route.path else route.path)
        for handler in route.route_handlers:
            yield from (f"{method} {path}" for method in handler.http_methods if method != "OPTIONS")


def writes(route: str) -> bool:
    """Whether a route changes something, as far as its name tells."""
    method, path = route.split()
    return method != "GET" and not (method == "POST" and READING_POST.search(path))


class World:
    """The objects of one tenant by name, made through the API; every text in them contains a mark."""

    def __init__(self, client: httpx.AsyncClient, mark: str) -> None:
        self.client, self.mark = client, mark
        self.ids: dict[str, str] = {}

    async def make(self, name: str, path: str, body: dict[str, Any]) -> None:
        """Make one object from a body in which "@…" names those that are there."""
        answer = await self.client.post(path, json=json.loads(filled(json.dumps(body), self.ids)))
        assert answer.status_code == 200, answer.text
        self.ids[f"@{name}"] = answer.json()["data"]["id"]

    async def build(self, owner: psycopg.AsyncConnection) -> "World":
        """Make one object of each kind, and usage, a dead letter and an invoice."""
        mark = self.mark
        await self.make("customer", "/v1/customers", {"name": mark, "ingest_aliases": [mark]})
        filters = [{"name": "model", "exists": True}, {"name": mark, "exists": True}]
        metric = {"name": mark, "aggregation_type": "COUNT", "property_filters": filters, "group_keys": [["model"]]}
        await self.make("metric", "/v1/billable-metrics/create", metric)
        products = "/v1/contract-pricing/products/create"
        await self.make("usage", products, {"name": mark, "type": "USAGE", "billable_metric_id": "@metric"})
        await self.make("fixed", products, {"name": mark, "type": "FIXED"})
        for name, its in (("unit", mark), ("spare", f"{mark} spare")):
            await self.make(name, "/v1/credit-types/create", {"name": its})
        cards = "/v1/contract-pricing/rate-cards"
        conversions = [{"custom_credit_type_id": "@unit", "fiat_per_custom_credit": 1}]
        card = {"name": mark, "aliases": [{"name": mark}], "credit_type_conversions": conversions}
        await self.make("card", f"{cards}/create", card)
        rate = json.loads(filled(json.dumps({"rate_card_id": "@card", **RATE}), self.ids))
        assert (await self.client.post(f"{cards}/addRate", json=rate)).status_code == 200
        contract = {"customer_id": "@customer", "rate_card_id": "@card", "starting_at": "2025-11-01T00:00:00Z"}
        await self.make("work", products, {"name": mark, "type": "PRO_SERVICE"})
        work = {"product_id": "@work", "unit_price": 1, "quantity": 1, "max_amount": 9, "description": mark}
        terms = {**contract, "name": mark, "uniqueness_key": "same", "professional_services": [work]}
        await self.make("contract", "/v1/contracts/create", terms)
        self.ids["@service"] = (await self.contract("@contract"))["professional_services"][0]["id"]
        await self._seat(contract)
        await self.make("closing", "/v1/contracts/create", contract)
        await self.make("package", "/v1/packages/create", {"name": mark, "aliases": [{"name": mark}]})
        for path, owner_id in NAMED.items():
            body = json.loads(filled(json.dumps({**owner_id, **VALUE, "value": mark}), self.ids))
            assert (await self.client.post(f"{path}/updateNamedSchedule", json=body)).status_code == 200
        await self.make("commit", "/v1/contracts/customerCommits/create", {**COMMIT, "name": mark})
        in_money = {"schedule_items": ACCESS["schedule_items"]}
        promise = {**COMMIT, "type": "POSTPAID", "name": mark, "access_schedule": in_money}
        await self.make("promise", "/v1/contracts/customerCommits/create", promise)
        await self.make("credit", "/v1/contracts/customerCredits/create", {**BALANCE, "name": mark})
        answer = await self.client.post(
            "/v1/contracts/customerCredits/list", json={"customer_id": self.ids["@customer"]}
        )
        self.ids["@segment"] = answer.json()["data"][0]["access_schedule"]["schedule_items"][0]["id"]
        drafts = {"type": "SCHEDULED", "status": "DRAFT"}
        answer = await self.client.get(f"/v1/customers/{self.ids['@customer']}/invoices", params=drafts)
        drafts_of = {each["contract_id"]: each["id"] for each in answer.json()["data"]}
        self.ids["@draft"] = drafts_of[self.ids["@seated"]]
        await self.insert(owner)
        return self

    async def _seat(self, contract: dict[str, Any]) -> None:
        """Make a contract with a subscription that has a seat."""
        products, mark = "/v1/contract-pricing/products/create", self.mark
        grouped = {"type": "USAGE", "billable_metric_id": "@metric", "presentation_group_key": ["model"]}
        await self.make("grouped", products, {"name": mark, **grouped})
        await self.make("seat", products, {"name": mark, "type": "SUBSCRIPTION"})
        for its in ({"product_id": "@grouped"}, {"product_id": "@seat", "billing_frequency": "MONTHLY"}):
            rate = json.loads(filled(json.dumps({"rate_card_id": "@card", **RATE, **its}), self.ids))
            answer = await self.client.post("/v1/contract-pricing/rate-cards/addRate", json=rate)
            assert answer.status_code == 200, answer.text
        seats = {
            "subscription_rate": {"product_id": "@seat", "billing_frequency": "MONTHLY"},
            "collection_schedule": "ADVANCE",
            "proration": {},
            "quantity_management_mode": "SEAT_BASED",
            "seat_config": {"seat_group_key": "model", "initial_seat_ids": [mark]},
        }
        fee = {"product_id": "@fixed", "schedule": INVOICED}
        await self.make(
            "seated", "/v1/contracts/create", {**contract, "subscriptions": [seats], "scheduled_charges": [fee]}
        )
        self.ids["@seats"] = (await self.contract("@seated"))["subscriptions"][0]["id"]

    async def contract(self, name: str) -> dict[str, Any]:
        """Return a contract as the API shows it."""
        key = {"customer_id": self.ids["@customer"], "contract_id": self.ids[name]}
        answer = await self.client.post("/v2/contracts/get", json=key)
        made: dict[str, Any] = answer.json()["data"]
        return made

    async def insert(self, owner: psycopg.AsyncConnection) -> None:
        """Write what only workers write: usage, a dead letter, invoices, a ledger entry, a log record."""
        self.ids |= {name: str(uuid.uuid4()) for name in ("@invoice", "@void")}
        self.ids |= {name: str(secrets.randbelow(2**46) + 2**46) for name in ("@letter", "@stuck")}
        values = {name.removeprefix("@"): value for name, value in self.ids.items()}
        values |= {"t": self.client.tenant.id, "mark": self.mark, "random": str(uuid.uuid4())}  # type: ignore[attr-defined]
        for statement in WRITTEN_BY_WORKERS:
            await owner.execute(statement, values)


WRITTEN_BY_WORKERS = [
    'INSERT INTO invoice (tenant_id, id, customer_id, contract_id, type, status, start, "end", issued_at, created_at,'
    " credit_type_id, total, line_items) VALUES (%(t)s, %(invoice)s, %(customer)s, %(contract)s, 'USAGE', 'FINALIZED',"
    " '2025-12-01Z', '2026-01-01Z', '2026-01-02Z', '2026-01-02Z', '2714e483-4ff1-48e4-9e25-ac732e8f24f2', 0, '[]'),"
    " (%(t)s, %(void)s, %(customer)s, %(contract)s, 'USAGE', 'VOID',"
    " '2025-11-01Z', '2025-12-01Z', '2025-12-02Z', '2025-12-02Z', '2714e483-4ff1-48e4-9e25-ac732e8f24f2', 0, '[]')",
    "INSERT INTO ledger_entry (tenant_id, id, balance_id, segment_id, kind, amount, timestamp, reason)"
    " VALUES (%(t)s, %(random)s, %(credit)s, %(random)s, 'MANUAL', 0, now(), %(mark)s)",
    "INSERT INTO usage_series VALUES (%(t)s, %(random)s, %(metric)s, %(mark)s, 0, ARRAY[%(mark)s], 'SUM')",
    "INSERT INTO usage_hour (tenant_id, series_id, hour, quantity) VALUES (%(t)s, %(random)s, 490914, 7)",
    "INSERT INTO usage_delta (tenant_id, slot, series_ids, numbers, hours, quantities)"
    " VALUES (%(t)s, 0, ARRAY[%(random)s]::uuid[], '{1}', '{490914}', '{7}')",
    "INSERT INTO usage_distinct VALUES (%(t)s, %(random)s, 490914, %(mark)s)",
    'INSERT INTO dead_letter (tenant_id, id, topic, partition, "offset", index, reason, detail, payload, at)'
    " OVERRIDING SYSTEM VALUE VALUES"
    " (%(t)s, %(letter)s, 'events', 0, 0, 0, 'undecodable', %(mark)s, '', '2026-01-15Z'),"
    " (%(t)s, %(stuck)s, 'events', 0, 1, -1, 'undecodable', %(mark)s, '', '2026-01-15Z')",
    "INSERT INTO event_count VALUES (%(t)s, 'events', 0, 490914, 7, 7, 7, 7)",
    "INSERT INTO conflicting_duplicate VALUES (%(t)s, 'events', '', %(mark)s, %(mark)s, %(mark)s, now(),"
    " '{}', 1, now())",
]


def filled(text: str, ids: dict[str, str]) -> str:
    """Return the text with ids in place of their names."""
    return re.sub(r"@\w+", lambda found: ids[found[0]], text)


async def send(client: httpx.AsyncClient, route: str, ids: dict[str, str]) -> httpx.Response:
    """Send to the route what the table says."""
    method, path = route.split()
    path = filled(re.sub(r"\{(\w+)\}", lambda found: PATH_IDS[found[1]], path), ids)
    content = filled(json.dumps(ROUTES[route]), ids)
    if method == "GET":
        return await client.get(path, params=json.loads(content))
    return await client.request(method, path, content=content, headers={"content-type": "application/json"})


def names_in(route: str) -> list[str]:
    """Return the names of the ids that a request to the route carries."""
    path = re.sub(r"\{(\w+)\}", lambda found: PATH_IDS[found[1]], route)
    return sorted(set(re.findall(r"@\w+", path + json.dumps(ROUTES[route]))))


async def rows_of(owner: psycopg.AsyncConnection, tenant_id: int) -> dict[str, list[str]]:
    """Return everything that the database holds of a tenant."""
    found = {}
    for table in await tables(owner):
        rows = await owner.execute(f"SELECT t::text AS row FROM {table} AS t WHERE tenant_id = %s", (tenant_id,))
        found[table] = sorted(row["row"] for row in await rows.fetchall())
    return found


async def tables(owner: psycopg.AsyncConnection) -> list[str]:
    """Return the names of all tables with a tenant."""
    rows = await owner.execute(
        "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'"
        " WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND NOT c.relispartition ORDER BY 1"
    )
    return [row["relname"] for row in await rows.fetchall()]


async def test_every_route_is_in_the_table(application_routes: set[str]) -> None:
    """A route that is not listed here is not tested for isolation: add what to send to it to ROUTES."""
    assert not application_routes - set(ROUTES), "add these to ROUTES"


@pytest.fixture
def application_routes(application: Litestar) -> set[str]:
    """Return the routes of the running application."""
    return set(routes_of(application))


async def test_another_tenants_objects_do_not_exist(make_client, owner, application_routes) -> None:
    """An id of another tenant is answered exactly as an id that nobody has; a write with one is refused."""
    theirs = await World(await make_client(), SECRET).build(owner)
    ours = await World(await make_client(), "Own").build(owner)
    before = await rows_of(owner, theirs.client.tenant.id)  # type: ignore[attr-defined]
    absent = {name: str(uuid.uuid4()) for name in ours.ids}
    for route in sorted(application_routes & set(ROUTES)):
        names = names_in(route)
        for foreign in [*([name] for name in names), names] if names else []:
            answer = await send(ours.client, route, ours.ids | {name: theirs.ids[name] for name in foreign})
            same = await send(ours.client, route, ours.ids | {name: absent[name] for name in foreign})
            assert blurred(answer, theirs.ids) == blurred(same, absent), (route, foreign)
            allowed = {400, 404} if writes(route) else {200, 400, 404}
            assert answer.status_code in allowed, (route, foreign, answer.text)
            assert SECRET not in answer.text, route
    assert await rows_of(owner, theirs.client.tenant.id) == before  # type: ignore[attr-defined]
    last = "POST /v1/customers/archive"
    for route in sorted(application_routes & set(ROUTES), key=lambda each: ("archive" in each, each == last, each)):
        answer = await send(ours.client, route, ours.ids)
        assert answer.status_code == 200, (route, answer.text)
        leaked = [name for name in theirs.ids if theirs.ids[name] in answer.text]
        assert SECRET not in answer.text, route
        assert not leaked, route
    assert await rows_of(owner, theirs.client.tenant.id) == before  # type: ignore[attr-defined]


def blurred(answer: httpx.Response, ids: dict[str, str]) -> tuple[int, str]:
    """Return the status and the body of an answer, with these ids made alike."""
    text = answer.text
    for name, value in ids.items():
        text = text.replace(value, name)
    return answer.status_code, text


async def test_a_role_allows_what_its_name_says(make_client, application_routes) -> None:
    """Readers write nothing, ingest tokens only send events, and without a valid token there is nothing at all."""
    admin = await make_client()
    reader, ingest, writer = [await make_client(role, admin.tenant) for role in ("reader", "ingest", "writer")]
    nobody = httpx.AsyncClient(transport=admin._transport, base_url="http://winkel")
    ids = {name: str(uuid.uuid4()) for route in ROUTES for name in names_in(route)}
    for route in sorted(application_routes & set(ROUTES) - PUBLIC):
        refused = {403: [reader] if writes(route) else [], 401: [nobody]}
        refused[403] += [] if route in INGEST else [ingest]
        refused[403] += [writer] if route in ADMIN else []
        for status, clients in refused.items():
            for client in clients:
                answer = await send(client, route, ids)
                assert (answer.status_code, list(answer.json())) == (status, ["message"]), (route, answer.text)
        allowed = [admin if route in ADMIN else writer]
        allowed += ([] if writes(route) else [reader]) + ([ingest] if route in INGEST else [])
        for client in allowed:
            assert (await send(client, route, ids)).status_code not in {401, 403, 405, 500}, route
    for header in ("", "Bearer", "Bearer ", "Bearer nobody", "Basic YTpi", f"Token {admin.token}"):
        answer = await nobody.get("/v1/customers", headers={"authorization": header})
        assert answer.status_code == 401, header
    for route in PUBLIC:
        assert (await send(nobody, route, {})).status_code == 200


async def test_a_revoked_token_ends(make_client, owner, clock, monkeypatch) -> None:
    """It works until it is revoked, and at most the few seconds longer for which a gateway remembers it."""
    client = await make_client()
    assert (await client.get("/v1/customers")).status_code == 200
    (token,) = await tenants.list_tokens(owner, client.tenant.id)
    await tenants.revoke_token(owner, client.tenant.id, token.id, clock())
    assert auth.REMEMBER_SECONDS <= 5
    monkeypatch.setattr(auth, "REMEMBER_SECONDS", 0.0)
    for _ in range(2):
        answer = await client.get("/v1/customers")
        assert (answer.status_code, answer.json()["message"]) == (401, "this token is unknown or revoked")


async def test_the_database_hides_other_tenants_by_itself(make_client, owner, api) -> None:
    """Even a statement that forgets the tenant sees, changes and adds rows of one tenant only."""
    theirs = await World(await make_client(), SECRET).build(owner)
    ours = await World(await make_client(), "Own").build(owner)
    own, other = ours.client.tenant.id, theirs.client.tenant.id  # type: ignore[attr-defined]
    seen = 0
    async with api.database.transaction(own) as tx:
        for table in await tables(owner):
            rows = await tx.execute("SELECT has_table_privilege(%s, 'SELECT') AS may", (table,))
            if not (await rows.fetchone())["may"]:
                continue
            rows = await tx.execute(f"SELECT tenant_id, count(*) AS n FROM {table} GROUP BY 1")
            counted = {row["tenant_id"]: row["n"] for row in await rows.fetchall()}
            rows = await owner.execute(f"SELECT count(*) AS n FROM {table} WHERE tenant_id = %s", (own,))
            expected = (await rows.fetchone())["n"]
            assert counted == ({own: expected} if expected else {}), table
            seen += expected > 0
        changed = await tx.execute("UPDATE customer SET name = 'x'")
        assert changed.rowcount == 1
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await tx.execute(
                "INSERT INTO customer (tenant_id, id, name, created_at, updated_at)"
                " VALUES (%s, gen_random_uuid(), '', now(), now())",
                (other,),
            )
    assert seen >= 15, "most tables hold something, or this test says nothing"
