"""Mutual TLS: a certificate from memory is shown, also by a locked process, and nobody calls on another's connection."""

import asyncio
import contextlib
import json
import socket
import socketserver
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from blubees.adapters.web_client import GuardedWebClient
from blubees.model.web import ClientCertificate, WebAnswer, WebFailure, WebProblem, WebRequest


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        self.certificate = self._sign(self._name, self._key, is_authority=True)

    def issue(self, name: str, password: bytes = b"") -> ClientCertificate:
        key = ec.generate_private_key(ec.SECP256R1())
        locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        return ClientCertificate(
            chain=(_pem(self._sign(_name(name), key)) + _pem(self.certificate)).decode(),
            private_key=key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked).decode(),
        )

    def _sign(self, name: x509.Name, key: ec.EllipticCurvePrivateKey, *, is_authority: bool = False) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(self._name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
        builder = builder.not_valid_after(now + timedelta(days=1))
        builder = builder.add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        return builder.add_extension(names, critical=False).sign(self._key, hashes.SHA256())


def _wait_for_end(connection: ssl.SSLSocket) -> None:
    """Let the alert arrive: a close with something unread would overtake it."""
    with socket.socket(fileno=connection.detach()) as plain, contextlib.suppress(ConnectionError):
        plain.shutdown(socket.SHUT_WR)
        while plain.recv(65_536):
            pass


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


class World:
    """A server that tells who called, and on which connection."""

    def __init__(self, folder: Path, version: ssl.TLSVersion) -> None:
        self.authority = Authority("ours")
        self.ca_file = str(folder / "ca.pem")
        Path(self.ca_file).write_bytes(_pem(self.authority.certificate))
        own = self.authority.issue("server")
        (folder / "server.pem").write_text(own.chain + own.private_key)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(folder / "server.pem")
        self.tls.load_verify_locations(self.ca_file)
        self.tls.verify_mode = ssl.CERT_REQUIRED
        self.tls.maximum_version = version
        self.port = 0

    def serve(self, plain: socket.socket) -> None:
        with self.tls.wrap_socket(plain, server_side=True, do_handshake_on_connect=False) as connection:
            try:
                connection.do_handshake()
            except (ssl.SSLError, ConnectionError):
                _wait_for_end(connection)
                return
            certificate = connection.getpeercert()
            assert certificate is not None
            told = f"{certificate['subject'][0][0][1]} {id(connection)}".encode()
            while head := connection.recv(65_536):
                if head.startswith(b"GET /elsewhere"):
                    there = b"https://127.0.0.2:%d/" % self.port
                    connection.sendall(b"HTTP/1.1 307 T\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % there)
                else:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(told), told))

    @asynccontextmanager
    async def run(self) -> AsyncIterator[Callable[..., Any]]:
        world = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                world.serve(self.request)

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self.port = server.server_address[1]
        serving = asyncio.create_task(asyncio.to_thread(server.serve_forever, 0.02))
        client = GuardedWebClient(frozenset({self.port}), extra_ca_file=self.ca_file)

        async def call(certificate: ClientCertificate | None, path: str = "", scheme: str = "https") -> WebAnswer | WebFailure:
            url = f"{scheme}://127.0.0.1:{self.port}/{path}"
            return await client.call(WebRequest(method="GET", url=url, client_certificate=certificate, redirects=1))

        yield call
        await client.close()
        server.shutdown()
        await serving
        server.server_close()


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["TLS 1.2", "TLS 1.3"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return World(tmp_path, request.param)


def test_a_certificate_is_shown_on_a_connection_of_its_own(world: World) -> None:
    async def talk() -> list[Any]:
        async with world.run() as call:
            first, second = world.authority.issue("first"), world.authority.issue("second")
            return [await call(each) for each in (first, second, first, second)]

    for run in (asyncio.run, uvloop.run):
        told = [each.body.decode().split() for each in run(talk())]
        assert [subject for subject, _ in told] == ["first", "second", "first", "second"]
        assert told[0] == told[2]
        assert told[0][1] != told[1][1]


def test_what_is_wrong_with_a_certificate_is_told(world: World) -> None:
    good, other = world.authority.issue("good"), world.authority.issue("other")
    cases = {
        "none": None,
        "of a stranger": Authority("strangers").issue("good"),
        "key of another": ClientCertificate(chain=good.chain, private_key=other.private_key),
        "locked": world.authority.issue("locked", password=b"x"),
        "no PEM": ClientCertificate(chain="x", private_key="y"),
        "nothing": ClientCertificate(chain="", private_key=""),
        "too long": ClientCertificate(chain=good.chain + "\n" * 32_768, private_key=good.private_key),
    }

    async def talk() -> dict[str, Any]:
        async with world.run() as call:
            return {name: await call(certificate) for name, certificate in cases.items()}

    refused = WebFailure(problem=WebProblem.CLIENT_CERTIFICATE, detail="client_certificate")
    for run in (asyncio.run, uvloop.run):
        found = run(talk())
        assert found.pop("none").problem in {WebProblem.TLS, WebProblem.CLIENT_CERTIFICATE}  # TLS 1.2 does not say which
        assert found == {name: refused for name in cases if name != "none"}


async def test_a_certificate_goes_to_its_own_origin_only(tmp_path: Path) -> None:
    world = World(tmp_path, ssl.TLSVersion.TLSv1_3)
    async with world.run() as call:
        certificate = world.authority.issue("mine")
        plain = await call(certificate, scheme="http")
        assert plain == WebFailure(problem=WebProblem.REFUSED_SCHEME, detail="client_certificate")
        elsewhere = await call(certificate, "elsewhere")
        assert isinstance(elsewhere, WebFailure)
        assert elsewhere.problem in {WebProblem.UNREACHABLE, WebProblem.TLS}  # nobody listens on 127.0.0.2


def test_a_certificate_tells_nothing_of_itself() -> None:
    assert "secret" not in repr(
        WebRequest(method="GET", url="", client_certificate=ClientCertificate(chain="", private_key="secret"))
    )


LOCKED = """
import asyncio, json, sys
import uvloop
from blubees.adapters.lockdown import lock_process
from blubees.adapters.web_client import GuardedWebClient
from blubees.model.web import ClientCertificate, WebRequest
given = json.load(sys.stdin)
lock = lock_process()
async def main():
    client = GuardedWebClient(frozenset({given["port"]}), extra_ca_file=given["ca"])
    certificate = ClientCertificate(chain=given["chain"], private_key=given["key"])
    url = f"https://127.0.0.1:{given['port']}/"
    found = await client.call(WebRequest(method="GET", url=url, client_certificate=certificate))
    print(json.dumps([found.body.decode().split()[0], lock.complete]))
uvloop.run(main())
"""


async def test_a_locked_process_shows_a_certificate(tmp_path: Path) -> None:
    world = World(tmp_path, ssl.TLSVersion.TLSv1_3)
    async with world.run():
        own = world.authority.issue("locked")
        given = {"port": world.port, "ca": world.ca_file, "chain": own.chain, "key": own.private_key}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-B", "-c", LOCKED, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, errors = await process.communicate(json.dumps(given).encode())
    assert errors == b""
    assert json.loads(out)[0] == "locked"
