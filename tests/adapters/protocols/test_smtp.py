"""SMTP as a third party, on a real server: aiosmtpd, with TLS and AUTH."""

import base64
import email
import email.policy
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

from blubees.adapters.http_dialer import Dialer
from blubees.adapters.protocols.smtp import SmtpClient
from blubees.main.local_cluster import free_ports
from blubees.model.web import WebAnswer, WebFailure, WebProblem, WebRequest
from fakes.machine import FakeChance, FakeClock
from fakes.tls_front import TlsFiles, make_tls_files

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # aiosmtpd warns of its own settings


@dataclass
class Mailbox:
    """Takes what is sent, and refuses who and what it is told to."""

    got: list[Envelope] = field(default_factory=list)
    answer: str = "250 OK"
    hangs_up: bool = False

    async def handle_RCPT(self, _server: Any, _session: Session, envelope: Envelope, address: str, _options: Any) -> str:  # noqa: N802
        if address.startswith("nobody"):
            return "550 5.1.1 No such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - the library's own
        self.got.append(envelope)
        if self.hangs_up:
            server.transport.abort()
        return self.answer


def check_login(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
    assert isinstance(given, LoginPassword)
    return AuthResult(success=given.login == b"user" and given.password == b"right", handled=False)


@dataclass
class Post:
    """A server, and a way to it."""

    mailbox: Mailbox
    files: TlsFiles
    port: int
    scheme: str
    password: str = "right"
    is_trusted: bool = True

    async def ask(self, operation: str, **body: Any) -> tuple[int, Any]:
        found = await self.send(operation, **body)
        assert isinstance(found, WebAnswer), found
        return found.status, orjson.loads(found.body)

    async def send(self, operation: str, **body: Any) -> WebAnswer | WebFailure:
        authority = str(self.files.authority) if self.is_trusted else None
        dialer = Dialer(frozenset({self.port}), extra_ca_file=authority, resolve=None)
        credential = base64.b64encode(f"user:{self.password}".encode()).decode()
        return await SmtpClient(dialer, FakeClock(), FakeChance()).call(
            WebRequest(
                method="POST",
                url=f"{self.scheme}://127.0.0.1:{self.port}/{operation}",
                headers=(("Authorization", f"Basic {credential}"),),
                body=orjson.dumps(body),
                timeout_seconds=20,
            )
        )

    def read(self) -> EmailMessage:
        content = self.mailbox.got[-1].original_content
        assert content is not None
        return email.message_from_bytes(content, policy=email.policy.default)


@pytest.fixture(params=["smtp", "smtps"])
def post(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Post]:
    files, mailbox, port = make_tls_files(tmp_path), Mailbox(), free_ports(1)[0]
    how: dict[str, Any] = {"require_starttls": True, "tls_context": files.context()}
    if request.param == "smtps":
        how = {"ssl_context": files.context(), "auth_require_tls": False}  # it is below what the library calls TLS
    controller = Controller(mailbox, hostname="127.0.0.1", port=port, authenticator=check_login, auth_required=True, **how)
    controller.start()
    yield Post(mailbox, files, port, request.param)
    controller.stop()


MAIL = {"from": "Tess <tess@example.com>", "to": ["a@example.com"], "subject": "Grüße", "text": "Hello"}


async def test_a_mail_arrives_as_it_was_written(post: Post) -> None:
    more = {"cc": "B <b@example.com>", "bcc": ["c@example.com"], "reply_to": "r@example.com", "headers": {"X-Issue": "AB-1"}}
    attached = [{"name": "ü.txt", "content_base64": base64.b64encode(b"\x00file").decode(), "media_type": "text/plain"}]
    status, told = await post.ask("send", **MAIL, **more, html="<p>Hello</p>", attachments=attached)
    assert (status, told["accepted"], told["refused"]) == (200, 3, {})
    envelope, found = post.mailbox.got[-1], post.read()
    assert (envelope.mail_from, envelope.rcpt_tos) == ("tess@example.com", ["a@example.com", "b@example.com", "c@example.com"])
    assert (found["subject"], found["x-issue"], found["reply-to"]) == ("Grüße", "AB-1", "r@example.com")
    assert found["bcc"] is None
    assert found["message-id"] == told["message_id"]
    text, html = found.get_body(("plain",)), found.get_body(("html",))
    assert text is not None
    assert html is not None
    assert (text.get_content().strip(), html.get_content().strip()) == ("Hello", "<p>Hello</p>")
    (attachment,) = found.iter_attachments()
    assert (attachment.get_filename(), attachment.get_payload(decode=True)) == ("ü.txt", b"\x00file")


async def test_some_may_be_refused_and_all_may(post: Post) -> None:
    status, told = await post.ask("send", **(MAIL | {"to": ["a@example.com", "nobody@example.com"]}))
    assert (status, told["accepted"], told["refused"]) == (200, 1, {"nobody@example.com": {"code": 550}})
    assert (await post.ask("send", **(MAIL | {"to": "nobody@example.com"})))[0] == 404


async def test_what_the_server_says_keeps_its_meaning(post: Post) -> None:
    assert (await post.ask("ping"))[0] == 200
    for answer, status in (("451 Later", 429), ("552 Too large", 413), ("554 No", 400)):
        post.mailbox.answer = answer
        assert (await post.ask("send", **MAIL))[0] == status
    post.password = "wrong"
    assert (await post.ask("ping"))[0] == 401


async def test_a_mail_whose_sending_is_cut_off_may_have_been_sent_and_is_told_so(post: Post) -> None:
    post.mailbox.hangs_up = True
    assert await post.send("send", **MAIL) == WebFailure(problem=WebProblem.CUT_OFF)
    post.port = free_ports(1)[0]
    assert await post.send("send", **MAIL) == WebFailure(problem=WebProblem.UNREACHABLE), "and what never got there"


@pytest.mark.parametrize(
    "changes",
    [
        {"from": "no address"},
        {"from": ""},
        {"to": []},
        {"to": "a@example.com\r\nRCPT TO:<x@example.com>"},
        {"subject": "a\r\nBcc: x@example.com"},
        {"headers": {"Bcc": "x@example.com"}},
        {"headers": {"X\r\nBcc": "x@example.com"}},
        {"message_id": "a>\r\nX: y"},
        {"attachments": [{"name": "a"}]},
        {"to": [f"a{number}@example.com" for number in range(101)]},
    ],
)
async def test_nothing_is_sent_that_could_be_read_otherwise(post: Post, changes: dict[str, Any]) -> None:
    status, told = await post.ask("send", **(MAIL | changes))
    assert (status, told["error"]["code"]) == (400, "bad_argument")
    assert post.mailbox.got == []


async def test_only_a_server_that_its_authority_vouches_for_is_told_anything(post: Post) -> None:
    post.is_trusted = False
    assert await post.send("send", **MAIL) == WebFailure(problem=WebProblem.TLS)
    assert post.mailbox.got == []


async def test_a_server_without_tls_is_told_nothing(tmp_path: Path) -> None:
    files, mailbox, port = make_tls_files(tmp_path), Mailbox(), free_ports(1)[0]
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        assert await Post(mailbox, files, port, "smtp").send("send", **MAIL) == WebFailure(problem=WebProblem.TLS)
    finally:
        controller.stop()
    assert mailbox.got == []
