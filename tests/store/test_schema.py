"""The schema: its two descriptions agree, every statement fits it, and every tenant has its wall."""

import importlib
import pkgutil
import re
from collections.abc import AsyncIterator
from importlib import resources

import psycopg
import pytest
from msgspec import Struct
from psycopg import sql as build

from conftest import at_database
from winkel import model
from winkel.store import database
from winkel.store.database import Connection
from winkel.store.sql import statements

pytestmark = pytest.mark.anyio

MACHINERY = {
    "autoscale": "processes, not tenants",
    "change_counter": "counts changes of all tenants, for workers",
    "gateway_lease": "processes, not tenants",
    "meter_status": "processes, not tenants",
    "routing": "buckets and partitions, which all tenants share",
    "dedupe_run": "keys of events are hashed with the tenant, runs hold those of all",
    "log_partition": "positions of the log, which all tenants share",
    "log_progress": "positions of the meter in that log",
    "migration": "the history of this schema",
    "setting": "secrets of the installation",
    "tenant": "the tenants themselves; each sees its own row",
}
"""Tables without a tenant."""
OTHER_KEY = {
    "log_record": "one order per partition is what a log is; a reader filters by tenant",
    "usage_delta": "rows are only added and merged, so it has no key; its index begins with the tenant",
}
"""Tables whose primary key does not begin with the tenant."""

CATALOG = {
    "tables": "SELECT relname, relkind, relrowsecurity, relforcerowsecurity, reloptions, relpersistence FROM pg_class"
    " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')",
    "columns": "SELECT attrelid::regclass::text AS t, attname,"
    " row_number() OVER (PARTITION BY attrelid ORDER BY attnum) AS place, format_type(atttypid, atttypmod) AS type,"
    " attnotnull, attidentity, attgenerated, attstorage, pg_get_expr(adbin, adrelid) AS value FROM pg_attribute"
    " JOIN pg_class ON pg_class.oid = attrelid AND relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')"
    " LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attnum > 0 AND NOT attisdropped",
    "constraints": "SELECT conrelid::regclass::text AS t, conname, contype, pg_get_constraintdef(oid) AS text,"
    " convalidated FROM pg_constraint WHERE connamespace = 'public'::regnamespace",
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "policies": "SELECT tablename, policyname, permissive, roles::text, cmd, qual, with_check FROM pg_policies",
    "functions": "SELECT proname, pg_get_functiondef(oid) AS text, proacl::text FROM pg_proc"
    " WHERE pronamespace = 'public'::regnamespace",
    "triggers": "SELECT tgrelid::regclass::text AS t, tgname, pg_get_triggerdef(oid) AS text FROM pg_trigger"
    " WHERE NOT tgisinternal",
    "types": "SELECT typname, typtype FROM pg_type"
    " WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd')",
    "grants": "SELECT table_name, grantee, privilege_type FROM information_schema.role_table_grants"
    " WHERE table_schema = 'public'",
    "rows": "SELECT name FROM change_counter",
}
"""What a schema is, as questions to its catalog."""


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[Connection]:
    """Return a connection as the owner of the tables."""
    connection = await database.connect(database_url)
    yield connection
    await connection.close()


async def described(connection: Connection) -> dict[str, list[str]]:
    """Return the schema, without the table in which migrations are noted."""
    found = {}
    for name, question in CATALOG.items():
        rows = await (await connection.execute(question)).fetchall()
        lines = (str(tuple(row.values())) for row in rows)
        found[name] = sorted(line for line in lines if not re.search(r"\bmigration(_\w+)?\b", line))
    return found


async def test_the_schema_is_the_sum_of_its_migrations(postgres: str, owner: Connection) -> None:
    """schema.sql and the migrations build the same tables, columns, keys, indexes, policies, functions and grants."""
    name = f"{owner.info.dbname}_schema"
    await owner.execute(build.SQL("CREATE DATABASE {}").format(build.Identifier(name)))
    text = resources.files("winkel.store").joinpath("schema.sql").read_text(encoding="utf-8")
    try:
        other = await database.connect(at_database(postgres, name))
        await other.execute(text.encode())
        built, migrated = await described(other), await described(owner)
        await other.close()
    finally:
        await owner.execute(build.SQL("DROP DATABASE {}").format(build.Identifier(name)))
    assert built == migrated
    assert [name for name, lines in migrated.items() if not lines] in ([], ["types"]), "a question is asked in vain"


def files() -> list[tuple[str, str]]:
    """Return the package and name of every file of named statements."""
    return sorted(
        (package, each.name)
        for package in ("winkel.store", "winkel.log")
        for each in resources.files(package).iterdir()
        if each.name.endswith(".sql") and each.name != "schema.sql"
    )


def test_named_statements_stand_in_two_folders() -> None:
    """All SQL files of the product are files of named statements, the schema or migrations."""
    with resources.as_file(resources.files("winkel")) as folder:
        there = {(f"winkel.{each.parent.name}", each.name) for each in folder.rglob("*.sql")}
    there = {each for each in there if each[0] != "winkel.migrations"}
    assert there == {*files(), ("winkel.store", "schema.sql")}


def numbered(statement: str) -> str:
    """Return the statement with $1, $2 … in place of its named parameters, and %% as %."""
    names: dict[str, str] = {}
    text = re.sub(r"%\((\w+)\)[sb]", lambda found: names.setdefault(found[1], f"${len(names) + 1}"), statement)
    assert "%s" not in text, "parameters have names"
    return text.replace("%%", "%")


async def test_every_statement_fits_the_schema(owner: Connection) -> None:
    """The database can prepare each of them, so tables, columns, types and parameters exist."""
    count, faults = 0, []
    for package, file in files():
        for name, statement in statements(package, file).items():
            text = numbered(statement)
            if not re.match(r"(?is)\s*(--[^\n]*\s*)*(SELECT|INSERT|UPDATE|DELETE|MERGE|WITH|VALUES)\b", text):
                continue  # COPY, CALL and the like cannot be prepared
            try:
                await owner.execute(f"PREPARE each AS {text}".encode())
                await owner.execute("DEALLOCATE each")
            except psycopg.Error as error:
                faults.append(f"{file}: {name}: {error}")
            count += 1
    assert not faults
    assert count > 50


def test_every_statement_is_used_and_has_its_parameters() -> None:
    """The module beside it uses each statement, and each parameter is a word of the code or the field of a struct."""
    words, faults = words_of_the_code() | fields_of_the_model(), []
    for package, file in files():
        code = resources.files(package).joinpath(file.replace(".sql", ".py")).read_text(encoding="utf-8")
        for name, statement in statements(package, file).items():
            if not re.search(rf"\bsql\.{name}\b|\"{name}\"", code):
                faults.append(f"{file}: nothing uses {name}")
            wanted = set(re.findall(r"%\((\w+)\)s", statement)) - words
            faults += [f"{file}: {name} has a parameter {each} that nobody gives" for each in sorted(wanted)]
    assert not faults


def words_of_the_code() -> set[str]:
    """Return every word of every module."""
    with resources.as_file(resources.files("winkel")) as folder:
        return {word for each in folder.rglob("*.py") for word in re.findall(r"\w+", each.read_text(encoding="utf-8"))}


def fields_of_the_model() -> set[str]:
    """Return the names of all fields of all nouns."""
    found: set[str] = set()
    for each in pkgutil.iter_modules(model.__path__):
        module = importlib.import_module(f"winkel.model.{each.name}")
        kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, Struct)]
        found |= {field for kind in kinds for field in kind.__struct_fields__}
    return found


async def test_every_table_of_a_tenant_has_its_wall(owner: Connection) -> None:
    """Row-level security with a policy, and a primary key that begins with the tenant."""
    rows = await owner.execute(
        "SELECT relname AS name, relrowsecurity AS walled,"
        " EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid) AS policy,"
        " EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'tenant_id') AS tenant,"
        " (SELECT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]"
        "  WHERE indrelid = c.oid AND indisprimary) AS first"
        " FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition"
    )
    found = await rows.fetchall()
    assert {row["name"] for row in found if not row["tenant"]} == set(MACHINERY)
    for row in found:
        if row["tenant"] or row["name"] == "tenant":
            assert row["walled"], f"{row['name']}: no row-level security"
            assert row["policy"], f"{row['name']}: no policy"
        if row["tenant"] and row["name"] not in OTHER_KEY:
            assert row["first"] == "tenant_id", row["name"]


async def test_the_role_of_the_api_is_a_narrow_one(owner: Connection) -> None:
    """It sees nothing of the machinery but log positions, owns nothing, and cannot pass the walls."""
    rows = await owner.execute(
        "SELECT rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = 'winkel_app'"
    )
    assert list((await rows.fetchone()).values()) == [False, False, False]
    rows = await owner.execute(
        "SELECT DISTINCT table_name, privilege_type FROM information_schema.role_table_grants"
        " WHERE grantee = 'winkel_app' AND table_name = ANY(%s)",
        ([*MACHINERY, *OTHER_KEY],),
    )
    granted = {tuple(row.values()) for row in await rows.fetchall()}
    assert {each for each in granted if each[1] != "SELECT"} == {("usage_delta", "INSERT")}, "for a retried dead letter"
    assert {name for name, _ in granted} <= {"tenant", "log_partition", "log_record", "usage_delta", "change_counter"}
