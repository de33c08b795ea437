"""The list of routes: start here to see the whole API."""

import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import LitestarDeprecationWarning
from litestar.types import Scope

from winkel.api import (
    amendments,
    auth,
    balance_archives,
    balances,
    breakdowns,
    commits,
    contracts,
    credit_types,
    customers,
    dead_letters,
    edits,
    errors,
    events,
    health,
    historical_invoices,
    idempotency,
    invoices,
    issue_dates,
    metrics,
    named_schedules,
    packages,
    previews,
    pro_service_invoices,
    product_orders,
    products,
    rate_cards,
    rates,
    seat_balances,
    seats,
    services,
    subscription_history,
    usage,
    usage_filters,
)
from winkel.api.state import Api
from winkel.api.wire import BODY_BYTES_MAX, JsonResponse
from winkel.ingest.actions import Intake
from winkel.model.tenant import Caller

ROUTES: list[Any] = [
    *health.routes,
    *events.routes,
    *dead_letters.routes,
    *customers.routes,
    *metrics.routes,
    *products.routes,
    *credit_types.routes,
    *services.routes,
    *rate_cards.routes,
    *rates.routes,
    *product_orders.routes,
    *contracts.routes,
    *seats.routes,
    *subscription_history.routes,
    *seat_balances.routes,
    *packages.routes,
    *named_schedules.routes,
    *commits.routes,
    *balances.routes,
    *balance_archives.routes,
    *issue_dates.routes,
    *usage.routes,
    *usage_filters.routes,
    *invoices.routes,
    *historical_invoices.routes,
    *breakdowns.routes,
    *edits.routes,
    *amendments.routes,
    *pro_service_invoices.routes,
    *previews.routes,
]


def create(api: Api) -> Litestar:
    """Return the ASGI application over this outside world."""
    with warnings.catch_warnings():
        # A handler asks for what it needs by name and type; Litestar 3 will want `NamedDependency[…]` around the type.
        warnings.simplefilter("ignore", LitestarDeprecationWarning)
        return Litestar(
            route_handlers=ROUTES,
            dependencies={"api": Provide(_give_api), "caller": Provide(_give_caller)},
            middleware=[auth.middleware, idempotency.middleware],
            exception_handlers=errors.HANDLERS,
            response_class=JsonResponse,
            request_max_body_size=BODY_BYTES_MAX,
            lifespan=[_lifespan],
            openapi_config=None,
            logging_config=None,
            state=state(api),
        )


def state(api: Api) -> State:
    """Return what an application holds; handlers hold nothing, so one application may go on over another world."""
    intake = Intake(
        api.log,
        api.routes,
        flush_seconds=api.settings.flush_milliseconds / 1000,
        quotas=api.quotas,
        pressure=api.pressure,
    )
    return State({"api": api, "intake": intake})


async def _give_api(scope: Scope) -> Api:
    return idempotency.api_of(scope)


async def _give_caller(scope: Scope) -> Caller:
    return auth.caller_of(scope)


@asynccontextmanager
async def _lifespan(app: Litestar) -> AsyncIterator[None]:
    """Open the databases and close them, after what came in is in the log."""
    api: Api = app.state.api
    await api.database.open()
    for each in api.further:
        await each.open(wait=False)  # events are accepted without it; usage is not shown
    try:
        yield
    finally:
        await app.state.intake.close()
        await api.log.close()
        for each in (api.database, *api.further):
            await each.close()
