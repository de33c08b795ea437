"""Databases that are not as they should be, and users who may too little: a sentence that says what to do."""

import asyncio
import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import typer

from cli.test_commands import cli
from conftest import at_database
from support.running import Running
from winkel.cli import prepare
from winkel.cli.terminal import sentences
from winkel.model.errors import UnavailableError
from winkel.store import embedded
from winkel.store.database import Database


@pytest.fixture
def server() -> Iterator[str]:
    """Return the address of a server without Winkel's role, on which we may be any of its users."""
    with tempfile.TemporaryDirectory(prefix="winkel-rights-") as folder:
        own = embedded.start(Path(folder) / "postgres")
        try:
            with (own.folder / "pg_ident.conf").open("a") as file:
                file.write(f'winkel "{pwd.getpwuid(os.geteuid()).pw_name}" all\n')
            with psycopg.connect(own.url, autocommit=True) as superuser:
                superuser.execute("SELECT pg_reload_conf()")
            yield own.url
        finally:
            own.stop()


def owner(server: str, name: str) -> str:
    """Make a user who may make roles and owns a database, and no more; return the address of that."""
    with psycopg.connect(server, autocommit=True) as superuser:
        superuser.execute(f"CREATE ROLE {name} LOGIN CREATEROLE")
        superuser.execute(f"CREATE DATABASE {name} OWNER {name}")
    url = psycopg.conninfo.make_conninfo(at_database(server, name), user=name)
    Running.wait_until(lambda: may_log_in(url), 20)
    return url


def may_log_in(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


async def read_by_the_api(url: str) -> None:
    api = Database(url)
    try:
        await api.open()
        async with api.transaction(1) as connection:
            await connection.execute("SELECT FROM customer")
    finally:
        await api.close()


def test_a_user_who_may_make_roles_is_enough(server: str) -> None:
    """It makes the role of the API and takes it on; one that another user made must be granted by that user."""
    first, other = owner(server, "first"), owner(server, "other")
    assert cli("migrate", "--database-url", first).returncode == 0
    asyncio.run(read_by_the_api(first))
    assert cli("migrate", "--database-url", first).stdout == "up to date\n"

    refused = cli("migrate", "--database-url", other)
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
    assert "let that one grant it to this user" in refused.stderr
    with psycopg.connect(first, autocommit=True) as connection:
        connection.execute("GRANT winkel_app TO other")
    done = cli("migrate", "--database-url", other)
    assert "applied 0001_foundation" in done.stdout, "nothing was done when it was refused"
    asyncio.run(read_by_the_api(other))

    with psycopg.connect(server, autocommit=True) as superuser:
        superuser.execute("CREATE ROLE small LOGIN")
        superuser.execute("CREATE DATABASE small OWNER small")
    refused = cli("migrate", "--database-url", psycopg.conninfo.make_conninfo(first, user="small", dbname="small"))
    assert (refused.returncode, "give it CREATEROLE" in refused.stderr) == (1, True)


def test_a_database_that_came_without_its_role_says_so(server: str) -> None:
    """pg_dump leaves roles out: what is restored elsewhere lacks the API's."""
    url = owner(server, "moved")
    assert cli("migrate", "--database-url", url).returncode == 0
    with psycopg.connect(at_database(server, "moved"), autocommit=True) as superuser:
        superuser.execute("DROP OWNED BY winkel_app")
        superuser.execute("DROP ROLE winkel_app")
    done = cli("migrate", "--database-url", url)
    assert (done.returncode, "pg_dumpall --roles-only" in done.stderr) == (1, True)


@pytest.fixture
def bare(postgres: str) -> Iterator[str]:
    """Return the address of a database that was never migrated."""
    with psycopg.connect(postgres, autocommit=True) as superuser:
        superuser.execute("CREATE DATABASE winkel_bare")
        yield at_database(postgres, "winkel_bare")
        superuser.execute("DROP DATABASE winkel_bare WITH (FORCE)")


@pytest.mark.parametrize(
    "words",
    ["token list", "fleet status", "dead-letters list", "top --once", "bill run", "meter", "bill", "gateway --port 0"],
)
def test_a_database_that_was_not_migrated_is_one_sentence(bare: str, words: str) -> None:
    done = cli(*words.split(), "--database-url", bare)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert "run `winkel migrate`" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_migration_that_is_missing_is_named(database_url: str) -> None:
    """A new version on the schema of an older one."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DELETE FROM migration WHERE name = '0023_issue_dates'")
    done = cli("tenant", "list", "--database-url", database_url)
    assert "the database lacks 0023_issue_dates: run `winkel migrate`" in done.stderr


def test_a_migration_that_waits_for_a_reader_is_one_sentence(database_url: str) -> None:
    """Gateways go on during `winkel migrate`; a query that outlasts its patience is enough."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE contract DROP COLUMN issue_dates")
        connection.execute("DELETE FROM migration WHERE name = '0023_issue_dates'")

    async def migrated() -> list[str]:
        connection = await prepare.connect(database_url)
        await connection.execute("SET lock_timeout = '200ms'")
        try:
            return await prepare.schema(connection)
        finally:
            await connection.close()

    with psycopg.connect(database_url) as reader:
        reader.execute("SELECT FROM contract")
        with pytest.raises(UnavailableError, match="nothing was changed; try again when that has ended"):
            asyncio.run(migrated())
    assert asyncio.run(migrated()) == ["0023_issue_dates"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["meter", "--database-url", "nonsense"], "not one that PostgreSQL understands"),
        (["bill", "run", "--database-url", "nonsense"], "not one that PostgreSQL understands"),
        (["migrate", "--database-url", "postgresql:///x?host=/nowhere"], "does not answer"),
        (["gateway", "--port", "0", "--database-url", "postgresql:///x?host=/nowhere"], "does not answer"),
    ],
)
def test_an_address_that_leads_nowhere_is_one_sentence(words: list[str], said: str) -> None:
    done = cli(*words)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("role", ["gateway", "meter", "bill"])
def test_a_role_does_not_begin_while_a_further_database_is_away(
    database_url: str, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must see whether that is the right one (docs/guides/scale-the-database.md): a supervisor starts it again."""
    monkeypatch.setenv("WINKEL_SHARDS", "postgresql:///x?host=/nowhere")
    done = cli(role, *(["--port", "0"] if role == "gateway" else []), "--database-url", database_url)
    assert (done.returncode, "check WINKEL_SHARDS" in done.stderr) == (1, True), done.stderr


def test_a_source_needs_a_topic(database_url: str) -> None:
    for address in ("kafka://127.0.0.1:1", "kafka://127.0.0.1:1/"):
        done = cli("meter", "--source", address, "--tenant", "x", "--database-url", database_url)
        assert (done.returncode, "Traceback" in done.stderr) == (1, False)
        assert "--source must name a topic: kafka://127.0.0.1:1/the-topic" in done.stderr


def test_what_a_database_says_is_a_sentence_unless_it_is_a_bug(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who loses it, or may too little, can do something; a statement that does not fit keeps its traceback."""

    async def execute(statement: bytes) -> None:
        async with prepare.ready([database_url]) as (connection,):
            await connection.execute(statement)

    def said(statement: bytes) -> str:
        with pytest.raises(typer.Exit), sentences():
            asyncio.run(execute(statement))
        return capsys.readouterr().err

    gone = said(b"SELECT pg_terminate_backend(pg_backend_pid())")
    assert (gone.startswith("winkel: the database gave up: "), len(gone.splitlines())) == (True, 1)
    refused = said(b"SET ROLE winkel_app; SELECT FROM setting")
    assert "must be the one who ran `winkel migrate`: permission denied for table setting" in refused
    with pytest.raises(psycopg.errors.UndefinedTable), sentences():
        asyncio.run(execute(b"SELECT FROM nothing"))
