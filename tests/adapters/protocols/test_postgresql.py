"""PostgreSQL as a third party, on a real server behind TLS."""

import asyncio
import base64
import itertools
import socket
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from blubees.adapters.http_dialer import Dialer
from blubees.adapters.protocols import imap, smtp, sql
from blubees.adapters.protocols.postgresql import PostgresqlClient
from blubees.connectors.actions.perform import compile_action
from blubees.connectors.catalogue import load_connector
from blubees.connectors.parameters import fill_url
from blubees.main.postgres_child import PostgresChild
from blubees.model.call import Call, CallAnswer
from blubees.model.failures import Failure, FailureCode
from blubees.model.web import WebAnswer, WebFailure, WebProblem, WebRequest
from fakes.tls_front import make_tls_files, run_postgresql_front

NUMBERS = itertools.count()


class Tools:
    """What an action is performed with: its calls go to the shop."""

    def __init__(self, shop: "Shop") -> None:
        self.shop = shop

    async def call(self, call: Call) -> CallAnswer | Failure:
        settings = {"param_host": self.shop.host, "param_port": str(self.shop.port), "param_database": self.shop.database}
        url = fill_url(call.url, call.parameters or {}, settings)
        assert url is not None
        found = await self.shop.client.call(
            WebRequest(method=call.method, url=url, headers=(self.shop.credential,), body=call.body, timeout_seconds=20)
        )
        assert isinstance(found, WebAnswer), found
        return CallAnswer(status=found.status, headers=found.headers, body=found.body)

    async def call_jira(self, call: Call) -> CallAnswer | Failure:
        raise AssertionError(call)

    def now_milliseconds(self) -> int:
        return 0


@dataclass
class Shop:
    """A database of somebody's, and a way to it."""

    client: PostgresqlClient
    port: int
    database: str
    user_name: str
    password: str
    host: str = "127.0.0.1"

    @property
    def credential(self) -> tuple[str, str]:
        pair = base64.b64encode(f"{self.user_name}:{self.password}".encode()).decode()
        return "Authorization", f"Basic {pair}"

    async def ask(self, operation: str, **body: Any) -> tuple[int, Any]:
        found = await self.send(operation, **body)
        assert isinstance(found, WebAnswer), found
        return found.status, orjson.loads(found.body)

    async def send(
        self, operation: str, *, limit_bytes: int = 100_000, seconds: float = 20, **body: Any
    ) -> WebAnswer | WebFailure:
        return await self.client.call(
            WebRequest(
                method="POST",
                url=f"postgresql://{self.host}:{self.port}/{self.database}/{operation}",
                headers=(self.credential,),
                body=orjson.dumps(body),
                answer_limit_bytes=limit_bytes,
                timeout_seconds=seconds,
            )
        )


@pytest.fixture
async def shop(postgresql: PostgresChild, tmp_path: Path) -> AsyncIterator[Shop]:
    owner = urlsplit(postgresql.owner_url.format("postgres"))
    name = f"shop_{next(NUMBERS)}"
    engine = create_async_engine(postgresql.owner_url.format("postgres"), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(sa.text(f"CREATE DATABASE {name}"))
    await engine.dispose()
    files = make_tls_files(tmp_path)
    async with run_postgresql_front(files, owner.port or 0) as port:
        client = PostgresqlClient(Dialer(frozenset({port}), extra_ca_file=None, resolve=None), str(files.authority))
        made = Shop(client, port, name, owner.username or "", owner.password or "")
        table = "CREATE TABLE items (id integer PRIMARY KEY, name text, price numeric(10,2), at timestamptz, tags text[], extra jsonb)"
        assert (await made.ask("execute", sql=table))[0] == 200
        yield made


ROW = {"id": 1, "name": "Hat", "price": 9.5, "at": "2026-11-24T10:00:00+00:00", "tags": ["a", "b"], "extra": {"k": [1]}}


async def test_rows_go_in_and_come_out(shop: Shop) -> None:
    status, given = await shop.ask("insert", table="items", rows=[ROW, {"id": 2, "name": "O'Neil; DROP TABLE items"}])
    assert (status, given["count"], given["rows"][0]) == (200, 2, ROW)
    status, found = await shop.ask("select", table="items", columns=["id", "name"], where={"id": [1, 2]}, order_by=["-id"])
    assert found["rows"] == [{"id": 2, "name": "O'Neil; DROP TABLE items"}, {"id": 1, "name": "Hat"}]
    status, found = await shop.ask("select", table="items", where={"price": None})
    assert [row["id"] for row in found["rows"]] == [2]
    status, found = await shop.ask("select", table="public.items", limit=1, order_by="id")
    assert (len(found["rows"]), found["has_more"]) == (1, True)
    status, found = await shop.ask(
        "upsert", table="items", rows=[{"id": 1, "name": "Cap"}, {"id": 3, "name": "Bag"}], keys=["id"]
    )
    assert [row["name"] for row in found["rows"]] == ["Cap", "Bag"]
    status, found = await shop.ask("update", table="items", values={"name": "Box"}, where={"id": 3})
    assert (found["count"], found["rows"][0]["name"]) == (1, "Box")
    status, found = await shop.ask("delete", table="items", where={"id": 3})
    assert found["count"] == 1
    status, found = await shop.ask(
        "query", sql="SELECT count(*) AS n, sum(price) AS total FROM items WHERE id > $1", parameters=[0]
    )
    assert found == {"rows": [{"n": 2, "total": 9.5}], "count": 1, "has_more": False}


async def test_what_is_there_can_be_asked_for(shop: Shop) -> None:
    assert (await shop.ask("ping"))[1]["rows"] == [{"one": 1}]
    assert [row["name"] for row in (await shop.ask("tables"))[1]["rows"]] == ["items"]
    columns = (await shop.ask("columns", table="items"))[1]["rows"]
    assert [(row["name"], row["nullable"]) for row in columns[:2]] == [("id", "NO"), ("name", "YES")]
    assert (await shop.ask("call", function="upper", arguments=["a"]))[1]["rows"] == [{"upper": "A"}]


async def test_statements_without_rows_tell_how_many_they_changed(shop: Shop) -> None:
    assert (await shop.ask("execute", sql="INSERT INTO items (id) VALUES ($1), ($2)", parameters=[7, 8]))[1]["count"] == 2
    assert (await shop.ask("execute", sql="DELETE FROM items"))[1] == {"rows": [], "count": 2, "has_more": False}


@pytest.mark.parametrize(
    ("operation", "body", "status", "code"),
    [
        ("query", {"sql": "DELETE FROM items"}, 403, "25006"),
        ("query", {"sql": "SELECT 1; SELECT 2"}, 400, "42601"),
        ("query", {"sql": "SELECT * FROM missing"}, 404, "42P01"),
        ("query", {"sql": "SELECT $1::int", "parameters": ["x"]}, 400, "22P02"),
        ("select", {"table": 'items"; DROP TABLE items; --'}, 404, "42P01"),
        ("update", {"table": "items", "values": {"id": 1}, "where": {}}, 400, "bad_argument"),
        ("delete", {"table": "items"}, 400, "bad_argument"),
        ("insert", {"table": "items", "rows": []}, 400, "bad_argument"),
        ("query", {"sql": " "}, 400, "bad_argument"),
        ("drop", {}, 400, "bad_argument"),
    ],
)
async def test_what_is_refused_says_why(shop: Shop, operation: str, body: dict[str, Any], status: int, code: str) -> None:
    found = await shop.ask(operation, **body)
    assert (found[0], found[1]["error"]["code"]) == (status, code)
    assert (await shop.ask("tables"))[1]["count"] == 1


async def test_one_row_too_many_of_a_key_is_a_conflict(shop: Shop) -> None:
    await shop.ask("insert", table="items", rows=[{"id": 1}])
    assert (await shop.ask("insert", table="items", rows={"id": 1}))[0] == 409


async def test_a_wrong_password_is_a_refused_credential_and_another_database_is_not_found(shop: Shop) -> None:
    right = shop.password
    shop.password = "wrong"
    assert (await shop.ask("ping"))[0] == 401
    shop.password, shop.database = right, "nowhere"
    assert (await shop.ask("ping"))[0] == 404


async def test_more_than_may_be_held_is_refused_and_changes_nothing(shop: Shop) -> None:
    big = "SELECT repeat('x', 1000) FROM generate_series(1, 100000)"
    found = await shop.send("query", sql=big, limit=10_000)
    assert found == WebFailure(problem=WebProblem.TOO_LARGE)
    grow = "INSERT INTO items (id, name) SELECT n, repeat('x', 1000) FROM generate_series(1, 1000) n RETURNING *"
    assert await shop.send("execute", sql=grow) == WebFailure(problem=WebProblem.TOO_LARGE)
    assert (await shop.ask("query", sql="SELECT count(*) AS n FROM items"))[1]["rows"] == [{"n": 0}]


async def test_a_statement_that_takes_too_long_is_ended(shop: Shop) -> None:
    found = await shop.send("query", sql="SELECT pg_sleep(30)", seconds=1)
    assert found == WebFailure(problem=WebProblem.TIMEOUT) or (isinstance(found, WebAnswer) and found.status == 504)


async def test_a_statement_that_is_cut_off_may_have_been_performed_and_is_told_so(
    shop: Shop, postgresql: PostgresChild, tmp_path: Path
) -> None:
    (tmp_path / "own").mkdir()
    files, port = make_tls_files(tmp_path / "own"), urlsplit(postgresql.owner_url.format("postgres")).port or 0
    async with run_postgresql_front(files, port) as shop.port:
        shop.client = PostgresqlClient(Dialer(frozenset({shop.port}), extra_ca_file=None, resolve=None), str(files.authority))
        asked = asyncio.create_task(shop.send("execute", sql="SELECT pg_sleep(20)"))
        await asyncio.sleep(1)
    assert await asked == WebFailure(problem=WebProblem.CUT_OFF)
    assert await shop.send("ping") == WebFailure(problem=WebProblem.UNREACHABLE), "and what never got there is told from it"


async def test_a_name_that_nobody_has_is_not_reached(shop: Shop) -> None:
    async def find_nothing(_host: str, _port: int) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    shop.client = PostgresqlClient(Dialer(frozenset({shop.port}), extra_ca_file=None, resolve=find_nothing))
    assert await shop.send("ping") == WebFailure(problem=WebProblem.UNREACHABLE)


async def test_only_a_server_that_its_authority_vouches_for_gets_the_password(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    strangers = make_tls_files(tmp_path / "other")
    shop.client = PostgresqlClient(Dialer(frozenset({shop.port}), extra_ca_file=None, resolve=None), str(strangers.authority))
    assert await shop.send("ping") == WebFailure(problem=WebProblem.TLS)


async def test_a_server_without_tls_is_refused(shop: Shop, postgresql: PostgresChild) -> None:
    plain = urlsplit(postgresql.owner_url.format("postgres")).port or 0
    shop.client = PostgresqlClient(Dialer(frozenset({plain}), extra_ca_file=None, resolve=None))
    shop.port = plain
    assert await shop.send("ping") == WebFailure(problem=WebProblem.TLS)


async def test_an_address_that_may_not_be_reached_is_refused_before_anything_is_sent(shop: Shop) -> None:
    shop.client = PostgresqlClient(Dialer(frozenset(), extra_ca_file=None, resolve=None))
    assert await shop.send("ping") == WebFailure(problem=WebProblem.REFUSED_ADDRESS, detail="loopback")


async def test_the_connectors_actions_do_what_they_say(shop: Shop) -> None:
    connector = load_connector("postgresql")
    assert connector is not None

    async def perform(name: str, **given: Any) -> Any:
        return await compile_action(connector, name, {})({"connection": "db", **given}, Tools(shop))

    assert await perform("ping") == 1
    added = await perform("add_rows", table="items", rows=[{"id": 1, "name": "Hat"}, {"id": 2, "name": "Bag"}])
    assert (added["count"], added["rows"][0]["name"]) == (2, "Hat")
    assert (await perform("change_rows", table="items", values={"name": "Cap"}, where={"id": 1}))["count"] == 1
    found = await perform("find_rows", table="items", columns=["name"], order_by=["id"], rows_at_most=1)
    assert found == {"rows": [{"name": "Cap"}], "count": 1, "has_more": True}
    statement = "SELECT name FROM items WHERE id = $1"
    assert (await perform("query", sql=statement, parameters=[2]))["rows"] == [{"name": "Bag"}]
    assert (await perform("delete_rows", table="items", where={"id": [1, 2]}))["count"] == 2
    refused = await perform("query", sql="DELETE FROM items")
    assert isinstance(refused, Failure)
    assert refused.code is FailureCode.CREDENTIAL_REFUSED


@pytest.mark.parametrize(
    ("name", "operations"),
    [("postgresql", sql.OPERATIONS), ("mysql", sql.OPERATIONS), ("imap", imap.OPERATIONS), ("smtp", smtp.OPERATIONS)],
)
def test_a_connectors_actions_and_its_clients_operations_are_the_same(name: str, operations: Collection[str]) -> None:
    connector = load_connector(name)
    assert connector is not None
    assert {action.request.path.removeprefix("/") for action in connector.actions.values()} == set(operations)
