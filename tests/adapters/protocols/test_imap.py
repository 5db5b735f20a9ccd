"""IMAP as a third party, on a real server: pymap with its demonstration mailboxes, behind TLS."""

import base64
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from blubees.adapters.http_dialer import Dialer
from blubees.adapters.protocols.blocking import BlockingCalls
from blubees.adapters.protocols.imap import ImapClient
from blubees.main.broker_child import die_with_parent
from blubees.main.local_cluster import free_ports
from blubees.model.web import WebAnswer, WebFailure, WebProblem, WebRequest
from fakes.tls_front import TlsFiles, make_tls_files, run_tls_front


@dataclass
class Mailboxes:
    """A server with somebody's mail, and a way to it."""

    client: ImapClient
    files: TlsFiles
    port: int
    password: str = "demopass"

    async def ask(self, operation: str, **body: Any) -> tuple[int, Any]:
        found = await self.send(operation, **body)
        assert isinstance(found, WebAnswer), found
        return found.status, orjson.loads(found.body)

    async def send(self, operation: str, **body: Any) -> WebAnswer | WebFailure:
        credential = base64.b64encode(f"demouser:{self.password}".encode()).decode()
        return await self.client.call(
            WebRequest(
                method="POST",
                url=f"imaps://127.0.0.1:{self.port}/{operation}",
                headers=(("Authorization", f"Basic {credential}"),),
                body=orjson.dumps(body),
                timeout_seconds=20,
            )
        )


@pytest.fixture
def server_port(tmp_path: Path) -> Iterator[int]:
    port = free_ports(1)[0]
    program = Path(sys.executable).with_name("pymap")
    command = [
        str(program),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--no-tls",
        "--no-service",
        "admin",
        "dict",
        "--demo-data",
    ]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - no other thread holds a lock that it needs
        )
    deadline = time.monotonic() + 30
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        assert process.poll() is None, (tmp_path / "log").read_text()[-2_000:]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield port
    process.terminate()
    process.wait(20)


@pytest.fixture
async def mailboxes(server_port: int, tmp_path: Path) -> AsyncIterator[Mailboxes]:
    files = make_tls_files(tmp_path)
    async with run_tls_front(files, server_port) as port:
        dialer = Dialer(frozenset({port}), extra_ca_file=str(files.authority), resolve=None)
        made = Mailboxes(ImapClient(BlockingCalls(dialer)), files, port)
        yield made
        await made.client.close()


async def test_a_mailbox_is_looked_into_without_changing_it(mailboxes: Mailboxes) -> None:
    assert (await mailboxes.ask("ping"))[0] == 200
    names = [each["name"] for each in (await mailboxes.ask("mailboxes"))[1]["mailboxes"]]
    assert {"INBOX", "Sent", "Trash"} <= set(names)
    _, found = await mailboxes.ask("search", limit=2)
    assert found["count"] >= 4
    assert len(found["mails"]) == 2
    last = found["mails"][-1]
    assert last["subject"]
    assert last["uid"] > found["mails"][0]["uid"]
    _, later = await mailboxes.ask("search", since_uid=last["uid"])
    assert (later["mails"], later["uid_validity"]) == ([], found["uid_validity"])
    _, one = await mailboxes.ask("get", uid=last["uid"])
    assert one["message_id"] == last["message_id"]
    assert one["text"] or one["html"]
    assert (await mailboxes.ask("search", limit=2))[1]["mails"] == found["mails"]


async def test_mail_is_flagged_moved_left_and_deleted(mailboxes: Mailboxes) -> None:
    _, found = await mailboxes.ask("search", limit=1)
    uid = found["mails"][0]["uid"]
    assert (await mailboxes.ask("flag", uid=uid, read=True, flagged=True))[1] == {"changed": 1}
    _, one = await mailboxes.ask("get", uid=uid)
    assert (one["read"], one["flagged"]) == (True, True)
    assert (await mailboxes.ask("flag", uids=[uid], read=False))[1] == {"changed": 1}
    assert uid in [each["uid"] for each in (await mailboxes.ask("search", unread=True))[1]["mails"]]
    assert (await mailboxes.ask("create_mailbox", mailbox="Done"))[1] == {"name": "Done"}
    assert (await mailboxes.ask("move", uid=uid, target="Done"))[1] == {"moved": 1}
    _, moved = await mailboxes.ask("search", mailbox="Done")
    assert [each["subject"] for each in moved["mails"]] == [one["subject"]]
    draft = {"from": "a@example.com", "to": "b@example.com", "subject": "Grüße", "text": "Hallo"}
    assert (await mailboxes.ask("append", mailbox="Done", **draft))[0] == 200
    _, both = await mailboxes.ask("search", mailbox="Done")
    assert both["mails"][-1]["subject"] == "Grüße"
    uids = [each["uid"] for each in both["mails"]]
    assert (await mailboxes.ask("delete", mailbox="Done", uids=uids))[1] == {"deleted": 2}
    assert (await mailboxes.ask("search", mailbox="Done"))[1]["count"] == 0


@pytest.mark.parametrize(
    ("operation", "body", "status"),
    [
        ("search", {"mailbox": "Nowhere"}, 404),
        ("get", {"uid": 4_000_000}, 404),
        ("move", {"uid": 1, "target": "Nowhere"}, 404),
        ("flag", {"uid": 4_000_000, "read": True}, 404),
        ("flag", {"uid": 1}, 404),
        ("delete", {"uids": ["1"]}, 400),
        ("search", {"subject": "a\r\nA1 LOGOUT"}, 400),
        ("append", {"subject": "a\r\nb: c"}, 400),
        ("burn", {}, 400),
    ],
)
async def test_what_is_refused_says_why(mailboxes: Mailboxes, operation: str, body: dict[str, Any], status: int) -> None:
    assert (await mailboxes.ask(operation, **body))[0] == status


async def test_a_wrong_password_and_a_server_that_nobody_vouches_for(mailboxes: Mailboxes) -> None:
    mailboxes.password = "wrong"
    assert (await mailboxes.ask("ping"))[0] == 401
    mailboxes.client = ImapClient(BlockingCalls(Dialer(frozenset({mailboxes.port}), extra_ca_file=None, resolve=None)))
    assert await mailboxes.send("ping") == WebFailure(problem=WebProblem.TLS)
    await mailboxes.client.close()
    mailboxes.client = ImapClient(BlockingCalls(Dialer(frozenset(), extra_ca_file=None, resolve=None)))
    assert await mailboxes.send("ping") == WebFailure(problem=WebProblem.REFUSED_ADDRESS, detail="loopback")


async def test_a_session_that_is_cut_off_is_told_so(mailboxes: Mailboxes, server_port: int) -> None:
    async with run_tls_front(mailboxes.files, server_port, cut_at=b"STORE") as mailboxes.port:
        dialer = Dialer(frozenset({mailboxes.port}), extra_ca_file=str(mailboxes.files.authority), resolve=None)
        mailboxes.client = ImapClient(BlockingCalls(dialer))
        _, found = await mailboxes.ask("search")
        assert await mailboxes.send("flag", uid=found["mails"][0]["uid"], read=True) == WebFailure(problem=WebProblem.CUT_OFF)
    await mailboxes.client.close()
