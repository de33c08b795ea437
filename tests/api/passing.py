"""Steps of tests in which time passes: what is sold, used and asked for by then."""

from datetime import datetime
from decimal import Decimal

from api import billing, seed
from api.seed import at


def until(clock, when: datetime) -> None:
    """Move the clock on to an instant."""
    clock.move(seconds=(when - clock()).total_seconds())


async def priced(sdk, price: float = 1) -> tuple[str, str]:
    """Make a usage product and a card on which it costs a cent; return card and product."""
    product, card = await seed.usage_product(sdk), await seed.rate_card(sdk)
    await sdk.v1.contracts.rate_cards.rates.add(
        rate_card_id=card, product_id=product, entitled=True, rate_type="FLAT", price=price, starting_at=at(2026)
    )
    return card, product


async def used(sdk, api, url, customer: str, number: int, when: datetime, tokens: int) -> None:
    await sdk.v1.usage.ingest(usage=[billing.event(number, customer, when, model="a", tokens=tokens)])
    await billing.meter(api, url)


async def asked(client, customer: str) -> Decimal:
    """Return what all final invoices ask for."""
    return sum((each["total"] for each in await billing.invoices_of(client, customer, status="FINALIZED")), Decimal(0))
