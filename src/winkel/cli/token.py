"""winkel token: who may use the API."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from winkel.cli.options import DATA, Data, DatabaseUrl
from winkel.cli.owner import with_database
from winkel.cli.terminal import console, say, sentences, table

if TYPE_CHECKING:
    from winkel.model.tenant import Token
    from winkel.store.database import Connection

app = typer.Typer(help="Make, list and revoke API tokens.", no_args_is_help=True)
Tenant = Annotated[str, typer.Option("--tenant", help="Name of the tenant.")]
FIRST = "production"


class RoleName(StrEnum):
    """What a token may do: ingest only sends events; each of the others may do what the ones below it may."""

    admin = "admin"
    writer = "writer"
    reader = "reader"
    ingest = "ingest"


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is for, to recognise it by.")],
    role: Annotated[RoleName, typer.Option(help="admin > writer > reader; ingest only sends events.")],
    tenant: Tenant = FIRST,
    database_url: DatabaseUrl = "",
    data: Data = DATA,
) -> None:
    """Make a token and print it, once: only its SHA-256 is kept.

    **Example**: `winkel token create checkout-service --role ingest`
    """
    with sentences():
        from winkel.cli import prepare
        from winkel.clock import now
        from winkel.model.tenant import Role
        from winkel.store import tenants

        async def work(connection: "Connection") -> "tuple[Token, str]":
            found = await tenants.find_tenant(connection, tenant)
            return await prepare.create_token(connection, found.id, name, Role[role.upper()], at=now())

        made, secret = with_database(database_url, data, work)
        typer.echo(secret)
        typer.secho(f"token {made.id} ({role}, tenant {tenant}); this is the only time that it is shown", err=True)


@app.command("list")
def list_(tenant: Tenant = FIRST, database_url: DatabaseUrl = "", data: Data = DATA) -> None:
    """List the tokens of a tenant, revoked ones too.

    **Example**: `winkel token list`
    """
    with sentences():
        from winkel.store import tenants

        async def work(connection: "Connection") -> "list[Token]":
            return await tenants.list_tokens(connection, (await tenants.find_tenant(connection, tenant)).id)

        shown = table(f"Tokens of {tenant}", "id", "name", "role", "begins with", "made", "revoked")
        for token in with_database(database_url, data, work):
            revoked = f"{token.revoked_at:%Y-%m-%d %H:%M}" if token.revoked_at else ""
            made = f"{token.created_at:%Y-%m-%d %H:%M}"
            shown.add_row(token.id, token.name, token.role.name.lower(), f"{token.prefix}…", made, revoked)
        console().print(shown)


@app.command()
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="Its id, from `winkel token list`.")],
    tenant: Tenant = FIRST,
    database_url: DatabaseUrl = "",
    data: Data = DATA,
) -> None:
    """End a token, for ever; gateways notice within five seconds.

    **Example**: `winkel token revoke 0b2d0c9e-5f1d-4b0a-9d36-2f6f8f1c7c11`
    """
    with sentences():
        import uuid

        from winkel.clock import now
        from winkel.store import tenants

        try:
            identifier = str(uuid.UUID(token_id))
        except ValueError:
            raise ValueError(f"{token_id!r} is not the id of a token; winkel token list shows them") from None

        async def work(connection: "Connection") -> "Token":
            found = await tenants.find_tenant(connection, tenant)
            return await tenants.revoke_token(connection, found.id, identifier, now())

        token = with_database(database_url, data, work)
        say(f"revoked {token.name} ({token.prefix}…)")
