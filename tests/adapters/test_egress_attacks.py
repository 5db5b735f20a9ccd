"""What an attacker tries of the way out: names that lead elsewhere the second time, the environment, slow and odd answers."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from blubees.adapters import http_dialer, http_tls
from blubees.adapters.address_guard import judge_address
from blubees.adapters.http_dialer import AddressInfo, Dialer
from blubees.adapters.web_client import GuardedWebClient
from blubees.model.ids import TenantId
from blubees.model.web import WebAnswer, WebFailure, WebProblem, WebRequest
from fakes.certificates import make_certificate

A, B = (TenantId("t" + letter * 24) for letter in "ab")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Call = Callable[..., Coroutine[Any, Any, WebAnswer | WebFailure]]


def refused(row: str) -> WebFailure:
    return WebFailure(problem=WebProblem.REFUSED_ADDRESS, detail=row)


class Party:
    """Answers every request with the same, a byte at a time where it is slow, and keeps what it was sent."""

    def __init__(self, answer: bytes = OK, seconds: float = 0.0) -> None:
        self.answer, self.seconds = answer, seconds
        self.heads: list[bytes] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task: asyncio.Task[None] | None = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                for place in range(0, len(self.answer), 1 if self.seconds else len(self.answer)):
                    writer.write(self.answer[place : place + 1] if self.seconds else self.answer)
                    await writer.drain()
                    await asyncio.sleep(self.seconds)
        writer.close()


@asynccontextmanager
async def meeting(party: Party, tls: ssl.SSLContext | None = None, **how: Any) -> AsyncIterator[Call]:
    server = await asyncio.start_server(party.serve, "127.0.0.1", 0, ssl=tls)
    party.port = server.sockets[0].getsockname()[1]
    client = GuardedWebClient(frozenset({party.port}), **how)

    async def call(host: str = "127.0.0.1", scheme: str = "http", **more: Any) -> WebAnswer | WebFailure:
        url = f"{scheme}://{host}:{party.port}/"
        return await client.call(WebRequest(method="GET", url=url, **{"timeout_seconds": 5, **more}))

    try:
        yield call
    finally:
        await client.close()
        server.close()
        for task in party.tasks:
            task.cancel()
        await asyncio.gather(*party.tasks)
        await server.wait_closed()


class Names:
    """A name server that is the attacker's: says another address each time."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked = 0

    async def resolve(self, _host: str, port: int) -> list[AddressInfo]:
        self.asked += 1
        address = self.addresses.pop(0) if len(self.addresses) > 1 else self.addresses[0]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port))]


async def test_a_name_is_asked_once_for_a_connection_and_what_is_connected_to_is_what_was_judged() -> None:
    party, names = Party(OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n")), Names("127.0.0.1", "10.0.0.1")
    async with meeting(party, resolve=names.resolve) as call:
        assert isinstance(await call("localhost"), WebAnswer)
        assert names.asked == 1
        assert isinstance(await call("localhost"), WebAnswer), "as it was judged, for ten seconds"
        assert names.asked == 1


async def test_a_name_that_leads_inside_the_second_time_is_refused_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_dialer, "NAMES_SECONDS", -1.0)
    party = Party(OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"))
    for inside, row in (("169.254.169.254", "link_local"), ("fd00:ec2::254", "private"), ("::ffff:7f00:1", "mapped")):
        async with meeting(party, resolve=Names("127.0.0.1", inside).resolve) as call:
            assert isinstance(await call("localhost"), WebAnswer)
            assert await call("localhost") == refused(row)


async def test_the_socket_itself_is_guarded_whatever_was_judged_before(monkeypatch: pytest.MonkeyPatch) -> None:
    async def find_unjudged(_dialer: Dialer, _origin: object) -> list[AddressInfo]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1))]

    monkeypatch.setattr(Dialer, "find_addresses", find_unjudged)
    client = GuardedWebClient()
    found = await client.call(WebRequest(method="GET", url="https://example.com/"))
    await client.close()
    assert found == refused("loopback")


METADATA = {
    "169.254.169.254": "link_local",  # AWS, Azure, Google, DigitalOcean, OpenStack
    "169.254.170.2": "link_local",  # AWS ECS
    "169.254.170.23": "link_local",  # AWS EKS
    "fd00:ec2::254": "private",  # AWS
    "fd00:ec2::23": "private",
    "fd20:ce::254": "private",  # Google
    "100.100.100.200": "cgnat",  # Alibaba
    "192.0.0.192": "reserved",  # Oracle, classic
    "168.63.129.16": "",  # Azure's wire server: a public address
}


@pytest.mark.parametrize("name", ["metadata.google.internal", "instance-data.ec2.internal", "169.254.169.254.nip.example"])
async def test_names_of_clouds_own_services_lead_nowhere(name: str) -> None:
    for address, row in METADATA.items():
        if not row:
            continue
        client = GuardedWebClient(resolve=Names(address).resolve)
        found = await client.call(WebRequest(method="GET", url=f"https://{name}/latest/meta-data/"))
        await client.close()
        assert found == refused(row), address


def test_the_public_address_of_azures_wire_server_is_refused_by_name() -> None:
    assert judge_address("168.63.129.16", 80, frozenset()) == "cloud"


async def test_the_environment_names_no_proxy_and_no_file_for_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, party = Party(), Party()
    async with meeting(proxy):
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
        async with meeting(party) as call:
            assert isinstance(await call(), WebAnswer)
            assert http_tls.TlsContexts(None).plain.keylog_filename is None
    assert (proxy.heads, (tmp_path / "keys").exists()) == ([], False)
    assert b"authorization" not in party.heads[0].lower()


async def test_no_cookie_is_kept_for_anybody() -> None:
    party = Party(OK.replace(b"OK\r\n", b"OK\r\nSet-Cookie: session=stolen; Path=/\r\n"))
    async with meeting(party) as call:
        for tenant in (A, A, B):
            await call(tenant=tenant)
    assert len(party.heads) == 3
    assert not any(b"cookie" in head.lower() for head in party.heads)


@pytest.mark.parametrize(
    "answer",
    [
        OK.replace(b"OK\r\n", b"OK\r\nRefresh: 0; url=http://127.0.0.1:1/\r\n"),
        OK.replace(b"200 OK\r\n", b"201 Created\r\nLocation: http://127.0.0.1:1/\r\n"),
        b'HTTP/1.1 200 OK\r\nContent-Type: image/svg+xml\r\nContent-Length: 52\r\n\r\n<!DOCTYPE x [<!ENTITY y SYSTEM "http://127.0.0.1:1">]',
    ],
)
async def test_an_answer_that_names_another_address_is_an_answer_and_nothing_is_fetched(answer: bytes) -> None:
    party = Party(answer)
    async with meeting(party) as call:
        assert isinstance(await call(redirects=5), WebAnswer)
    assert len(party.heads) == 1


@pytest.mark.parametrize(
    "url", ["ws://127.0.0.1/", "wss://example.com/", "gopher://127.0.0.1:6379/_", "data:,x", "unix:/run/x"]
)
async def test_no_other_protocol_is_spoken(url: str) -> None:
    client = GuardedWebClient(frozenset({80, 6379}))
    found = await client.call(WebRequest(method="GET", url=url))
    await client.close()
    assert isinstance(found, WebFailure)
    assert found.problem in {WebProblem.REFUSED_SCHEME, WebProblem.REFUSED_URL}


@pytest.mark.parametrize("answer", [OK, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000])
async def test_who_answers_a_byte_at_a_time_holds_a_call_no_longer_than_its_time(answer: bytes) -> None:
    async with meeting(Party(answer, seconds=0.02)) as call:
        assert await call(timeout_seconds=0.3) == WebFailure(problem=WebProblem.TIMEOUT)


async def test_an_endless_head_is_given_up() -> None:
    party = Party(b"HTTP/1.1 100 Continue\r\n\r\n" * 40_000 + OK)
    async with meeting(party) as call:
        assert await call() == WebFailure(problem=WebProblem.BROKEN_ANSWER)


async def test_a_chain_of_redirects_is_guarded_at_each_link() -> None:
    last = Party(b"HTTP/1.1 302 F\r\nLocation: https://rebind.example/latest/meta-data\r\nContent-Length: 0\r\n\r\n")
    async with meeting(last, resolve=Names("127.0.0.1", "169.254.169.254").resolve) as call:
        assert await call("localhost", redirects=5) == refused("link_local")
    loop = Party()
    async with meeting(loop) as call:
        loop.answer = b"HTTP/1.1 302 F\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"
        assert await call(redirects=5) == WebFailure(problem=WebProblem.TOO_MANY_REDIRECTS)
    assert len(loop.heads) == 6


async def test_name_of_tls_and_name_of_http_are_the_same(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, "party.example")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    asked: list[str | None] = []
    tls.sni_callback = lambda _socket, name, _context: asked.append(name)
    party = Party()
    async with meeting(party, tls, resolve=Names("127.0.0.1").resolve, extra_ca_file=certificate) as call:
        assert isinstance(await call("party.example", "https"), WebAnswer)
        assert isinstance(await call("PARTY.example", "https", headers=(("X-Forwarded-Host", "evil.example"),)), WebAnswer)
        assert await call("other.example", "https") == WebFailure(problem=WebProblem.TLS)
    assert asked[0] == "party.example"
    assert all(b"\r\nHost: party.example:%d\r\n" % party.port in head for head in party.heads)
