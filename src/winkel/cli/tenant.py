"""winkel tenant: whose data it is."""

from typing import TYPE_CHECKING, Annotated

import typer

from winkel.cli.options import DATA, Data, DatabaseUrl
from winkel.cli.owner import with_database
from winkel.cli.terminal import console, say, sentences, table

if TYPE_CHECKING:
    from winkel.model.tenant import Tenant
    from winkel.store.database import Connection

app = typer.Typer(help="Make and list tenants, walls that no data crosses, and set their quotas.", no_args_is_help=True)


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

        if not name.strip():
            raise ValueError("a tenant has a name, for example sandbox")

        async def work(connection: "Connection") -> "Tenant":
            return await tenants.create_tenant(connection, name, now())

        made = with_database(database_url, data, work)
        say(f"made tenant {made.name}; `winkel token create NAME --role admin --tenant {made.name}` opens it")


@app.command("list")
def list_(database_url: DatabaseUrl = "", data: Data = DATA) -> None:
    """List all tenants.

    **Example**: `winkel tenant list`
    """
    with sentences():
        from winkel.store import tenants

        shown = table("Tenants", "id", "name", "made", "events a second", right=("id", "events a second"))
        for tenant in with_database(database_url, data, tenants.list_tenants):
            quota = _shown(tenant.events_per_second)
            shown.add_row(str(tenant.id), tenant.name, f"{tenant.created_at:%Y-%m-%d %H:%M}", quota)
        console().print(shown)


@app.command(context_settings={"ignore_unknown_options": True})  # so that -5 is told what a quota is
def quota(
    name: Annotated[str, typer.Argument(help="The tenant.")],
    events: Annotated[str, typer.Argument(help="Events a second; 0: no limit; default: what the installation gives.")],
    database_url: DatabaseUrl = "",
    data: Data = DATA,
) -> None:
    """Set how many events a second gateways take from a tenant; they know within seconds.

    It holds for the whole installation: each gateway gives out an equal share. WINKEL_TENANT_EVENTS_PER_SECOND is the
    default for tenants that have no quota of their own.

    **Example**: `winkel tenant quota production 50000`
    """
    with sentences():
        from winkel.store import tenants

        if events != "default" and not (events.isdecimal() and int(events) < 2**31):
            raise ValueError(f"a quota is a whole number of events a second, or the word default, not {events!r}")
        wanted = None if events == "default" else int(events)

        async def work(connection: "Connection") -> "Tenant":
            return await tenants.set_quota(connection, name, wanted)

        made = with_database(database_url, data, work)
        say(f"events a second of tenant {made.name}: {_shown(made.events_per_second)}")


def _shown(quota: int | None) -> str:
    if quota is None:
        return "default"
    return f"{quota:,}" if quota else "no limit"
