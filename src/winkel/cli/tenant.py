"""winkel tenant: whose data it is."""

from typing import TYPE_CHECKING, Annotated

import typer

from winkel.cli.options import DATA, Data, DatabaseUrl
from winkel.cli.owner import with_database
from winkel.cli.terminal import console, sentences, table

if TYPE_CHECKING:
    from winkel.model.tenant import Tenant
    from winkel.store.database import Connection

app = typer.Typer(help="Make and list tenants: walls that no data crosses.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="For example sandbox.")], database_url: DatabaseUrl = "", data: Data = DATA
) -> None:
    """Make an empty tenant; then make a token for it.

    **Example**: `winkel tenant create sandbox && winkel token create me --role admin --tenant sandbox`
    """
    with sentences():
        from winkel.clock import now
        from winkel.store import tenants

        async def work(connection: "Connection") -> "Tenant":
            return await tenants.create_tenant(connection, name, now())

        made = with_database(database_url, data, work)
        typer.echo(f"made tenant {made.name}; `winkel token create NAME --role admin --tenant {made.name}` opens it")


@app.command("list")
def list_(database_url: DatabaseUrl = "", data: Data = DATA) -> None:
    """List all tenants.

    **Example**: `winkel tenant list`
    """
    with sentences():
        from winkel.store import tenants

        shown = table("Tenants", "id", "name", "made", right=("id",))
        for tenant in with_database(database_url, data, tenants.list_tenants):
            shown.add_row(str(tenant.id), tenant.name, f"{tenant.created_at:%Y-%m-%d %H:%M}")
        console().print(shown)
