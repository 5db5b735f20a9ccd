"""MariaDB as a third party, on the real server where the machine has one (Debian: mariadb-server), behind its own TLS."""

import asyncio
import base64
import itertools
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from blubees.adapters.http_dialer import Dialer
from blubees.adapters.protocols.blocking import BlockingCalls
from blubees.adapters.protocols.mysql import MysqlClient
from blubees.main.broker_child import die_with_parent
from blubees.main.local_cluster import free_ports
from blubees.model.web import WebAnswer, WebFailure, WebProblem, WebRequest
from fakes.tls_front import TlsFiles, make_tls_files, run_plain_front

SERVER = shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin")
INSTALL = shutil.which("mariadb-install-db")
NUMBERS = itertools.count()
pytestmark = pytest.mark.skipif(SERVER is None or INSTALL is None, reason="no MariaDB server on this machine")


@dataclass
class MariaDb:
    """A running server."""

    port: int
    files: TlsFiles
    folder: Path

    def run(self, sql: str) -> None:
        command = ["mariadb", f"--socket={self.folder}/socket", "--user=root", "--execute", sql]
        subprocess.run(command, check=True, capture_output=True, timeout=30)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDb]:
    assert SERVER is not None
    assert INSTALL is not None
    folder = tmp_path_factory.mktemp("mariadb")
    files, port = make_tls_files(folder), free_ports(1)[0]
    root = ["--user=root"] if os.geteuid() == 0 else []
    common = [f"--datadir={folder}/data", "--no-defaults", *root]
    common.insert(0, common.pop(1))
    subprocess.run(
        [INSTALL, *common, "--skip-test-db", "--auth-root-authentication-method=normal"], check=True, capture_output=True
    )
    options = [f"--port={port}", "--bind-address=127.0.0.1", f"--socket={folder}/socket", f"--pid-file={folder}/pid"]
    tls = [f"--ssl-ca={files.authority}", f"--ssl-cert={files.certificate}", f"--ssl-key={files.key}"]
    quick = ["--innodb-flush-log-at-trx-commit=0", "--skip-log-bin", "--skip-name-resolve"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [SERVER, *common, *options, *tls, *quick],
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - no other thread holds a lock that it needs
        )
    deadline = time.monotonic() + 60
    while "ready for connections" not in (folder / "log").read_text():
        assert process.poll() is None, (folder / "log").read_text()[-2_000:]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    try:
        yield MariaDb(port, files, folder)
    finally:
        process.terminate()
        process.wait(30)


@dataclass
class Shop:
    """A database of somebody's, and a way to it."""

    client: MysqlClient
    port: int
    database: str
    password: str = "right"

    async def ask(self, operation: str, **body: Any) -> tuple[int, Any]:
        found = await self.send(operation, **body)
        assert isinstance(found, WebAnswer), found
        return found.status, orjson.loads(found.body)

    async def send(
        self, operation: str, *, limit_bytes: int = 100_000, seconds: float = 20, **body: Any
    ) -> WebAnswer | WebFailure:
        credential = base64.b64encode(f"seller:{self.password}".encode()).decode()
        return await self.client.call(
            WebRequest(
                method="POST",
                url=f"mysql://127.0.0.1:{self.port}/{self.database}/{operation}",
                headers=(("Authorization", f"Basic {credential}"),),
                body=orjson.dumps(body),
                answer_limit_bytes=limit_bytes,
                timeout_seconds=seconds,
            )
        )


@pytest.fixture
async def shop(server: MariaDb) -> AsyncIterator[Shop]:
    name = f"shop_{next(NUMBERS)}"
    server.run(
        f"CREATE DATABASE {name} CHARACTER SET utf8mb4; CREATE USER IF NOT EXISTS seller@'%' IDENTIFIED BY 'right'; GRANT ALL ON {name}.* TO seller@'%';"
        f"CREATE TABLE {name}.items (id INT PRIMARY KEY, name VARCHAR(2000), price DECIMAL(10,2), at DATETIME, extra JSON)"
    )
    dialer = Dialer(frozenset({server.port}), extra_ca_file=str(server.files.authority), resolve=None)
    made = Shop(MysqlClient(BlockingCalls(dialer)), server.port, name)
    yield made
    await made.client.close()


async def test_rows_go_in_and_come_out(shop: Shop) -> None:
    row = {"id": 1, "name": "Hüt 🎩", "price": 9.5, "at": "2026-11-24T10:00:00", "extra": {"k": [1]}}
    status, given = await shop.ask("insert", table="items", rows=[row, {"id": 2, "name": "O'Neil\\'; DROP TABLE items"}])
    assert (status, given.get("count")) == (200, 2)
    status, found = await shop.ask("select", table="items", where={"id": [1, 2]}, order_by=["-id"])
    assert [each["name"] for each in found["rows"]] == ["O'Neil\\'; DROP TABLE items", "Hüt 🎩"]
    assert orjson.loads(found["rows"][1].pop("extra")) == {"k": [1]}
    assert found["rows"][1] == {key: value for key, value in row.items() if key != "extra"}
    status, found = await shop.ask("select", table="items", limit=1, order_by="id")
    assert (len(found["rows"]), found["has_more"]) == (1, True)
    status, found = await shop.ask(
        "upsert", table="items", rows=[{"id": 1, "name": "Cap"}, {"id": 3, "name": "Bag"}], keys=["id"]
    )
    assert status == 200
    status, found = await shop.ask("update", table="items", values={"name": "Box"}, where={"id": 3})
    assert found["count"] == 1
    status, found = await shop.ask("delete", table="items", where={"id": 3})
    assert found["count"] == 1
    sql = "SELECT count(*) AS n, sum(price) AS total, '100%%' AS share FROM items WHERE id > %s"
    status, found = await shop.ask("query", sql=sql, parameters=[0])
    assert found == {"rows": [{"n": 2, "total": 9.5, "share": "100%"}], "count": 1, "has_more": False}
    assert (await shop.ask("query", sql="SELECT '100%' AS share"))[1]["rows"] == [{"share": "100%"}]


async def test_what_is_there_can_be_asked_for(shop: Shop) -> None:
    assert (await shop.ask("ping"))[1]["rows"] == [{"one": 1}]
    assert [row["name"] for row in (await shop.ask("tables"))[1]["rows"]] == ["items"]
    assert [row["name"] for row in (await shop.ask("columns", table="items"))[1]["rows"]][:2] == ["id", "name"]


@pytest.mark.parametrize(
    ("operation", "body", "status", "code"),
    [
        ("query", {"sql": "DELETE FROM items"}, 403, "1792"),
        ("query", {"sql": "SELECT 1; SELECT 2"}, 400, "1064"),
        ("query", {"sql": "SELECT * FROM missing"}, 404, "1146"),
        ("query", {"sql": "SELECT * FROM mysql.user"}, 403, "1142"),
        ("select", {"table": "items`; DROP TABLE items; --"}, 404, "1146"),
        ("update", {"table": "items", "values": {"id": 1}}, 400, "bad_argument"),
    ],
)
async def test_what_is_refused_says_why(shop: Shop, operation: str, body: dict[str, Any], status: int, code: str) -> None:
    found = await shop.ask(operation, **body)
    assert (found[0], found[1]["error"]["code"]) == (status, code)
    assert (await shop.ask("tables"))[1]["count"] == 1


async def test_conflicts_passwords_and_databases_are_told_apart(shop: Shop) -> None:
    await shop.ask("insert", table="items", rows=[{"id": 1}])
    assert (await shop.ask("insert", table="items", rows={"id": 1}))[0] == 409
    shop.password = "wrong"
    assert (await shop.ask("ping"))[0] == 401
    shop.password, shop.database = "right", "nowhere"
    assert (await shop.ask("ping"))[0] == 403, "what one may not see is not told from what is not there"


async def test_more_than_may_be_held_is_refused_and_a_slow_statement_is_ended(shop: Shop) -> None:
    big = "SELECT repeat('x', 1000) FROM seq_1_to_100000"
    assert await shop.send("query", sql=big, limit=10_000) == WebFailure(problem=WebProblem.TOO_LARGE)
    assert await shop.send("query", sql="SELECT sleep(30)", seconds=1) == WebFailure(problem=WebProblem.TIMEOUT)


async def test_a_statement_that_is_cut_off_may_have_been_performed_and_is_told_so(shop: Shop, server: MariaDb) -> None:
    async with run_plain_front(server.port) as shop.port:
        dialer = Dialer(frozenset({shop.port}), extra_ca_file=str(server.files.authority), resolve=None)
        shop.client = MysqlClient(BlockingCalls(dialer))
        asked = asyncio.create_task(shop.send("execute", sql="SELECT sleep(20)"))
        await asyncio.sleep(1)
    assert await asked == WebFailure(problem=WebProblem.CUT_OFF)
    assert await shop.send("ping") == WebFailure(problem=WebProblem.UNREACHABLE), "and what never got there is told from it"


async def test_only_a_server_that_its_authority_vouches_for_gets_the_password(shop: Shop) -> None:
    shop.client = MysqlClient(BlockingCalls(Dialer(frozenset({shop.port}), extra_ca_file=None, resolve=None)))
    assert await shop.send("ping") == WebFailure(problem=WebProblem.TLS)


async def test_an_address_that_may_not_be_reached_is_refused(shop: Shop, server: MariaDb) -> None:
    shop.client = MysqlClient(BlockingCalls(Dialer(frozenset(), extra_ca_file=str(server.files.authority), resolve=None)))
    assert await shop.send("ping") == WebFailure(problem=WebProblem.REFUSED_ADDRESS, detail="loopback")
