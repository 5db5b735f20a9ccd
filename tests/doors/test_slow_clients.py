"""Requests that come slowly, too large or in two minds are shown out; the others get their reply whole."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
import uvicorn

from blubees.doors.body import read_body
from blubees.doors.front import Receive, Scope, Send
from blubees.doors.replies import Reply, send_reply
from blubees.doors.slow_clients import GuardedHttpProtocol

POST = b"POST /a HTTP/1.1\r\nHost: a\r\n"


class Impatient(GuardedHttpProtocol):
    """Waits a moment only."""

    header_seconds = 0.2
    body_seconds = 0.2


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the body, in capitals."""
    body = await read_body(receive, {})
    status = 204 if scope["path"] == "/204" else 200
    await send_reply(send, Reply.of_json(status, bytes(body).upper() if isinstance(body, bytes | bytearray) else b"none"))


@pytest.fixture
async def port() -> AsyncIterator[int]:
    config = uvicorn.Config(echo, http=Impatient, loop="none", lifespan="off", log_config=None, timeout_keep_alive=30)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[listener])
        yield int(listener.getsockname()[1])
        server.should_exit = True
        await server.shutdown(sockets=[listener])


async def ask(port: int, *parts: bytes, pause: float = 0.0) -> bytes:
    """Send the parts, and give all that comes until the other side closes or is silent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
        await asyncio.sleep(pause)
    answer = b""
    try:
        async with asyncio.timeout(3):
            while piece := await reader.read(65_536):
                answer += piece
    finally:
        writer.close()
    return answer


LAST = b"Connection: close\r\n"


async def test_a_reply_comes_whole_and_in_turn(port: int) -> None:
    first = POST + b"Content-Length: 2\r\n\r\nab"
    last = POST + LAST + b"Content-Length: 2\r\n\r\ncd"
    answer = await ask(port, first + last)
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert answer.index(b"\r\n\r\nAB") < answer.index(b"\r\n\r\nCD")
    assert answer.count(b"cache-control: no-store\r\n") == 2
    assert await ask(port, POST + LAST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", b"0\r\n\r\n", pause=0.05) != b""
    head = await ask(port, b"HEAD /a HTTP/1.1\r\nHost: a\r\n" + LAST + b"\r\n")
    assert head.endswith(b"\r\n\r\n")


async def test_a_request_that_trickles_is_broken_off(port: int) -> None:
    assert b" 408 " in await ask(port, POST)
    assert b" 408 " in await ask(port, POST + b"Content-Length: 9\r\n\r\na", b"b", pause=0.05)
    slow_but_steady = await ask(port, POST, LAST + b"Content-Length: 1\r\n\r\n", b"a", pause=0.15)
    assert b" 200 " in slow_but_steady, "the body has a deadline of its own"


@pytest.mark.parametrize(
    ("more", "status"),
    [
        (b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b" 400 "),
        (b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na", b" 400 "),
        (b"X-Long: " + b"a" * 20_000 + b"\r\n\r\n", b" 431 "),
        (b"".join(b"X-%d: a\r\n" % number for number in range(101)) + b"\r\n", b" 431 "),
        (b"\xff: a\r\n\r\n", b" 400 "),
    ],
)
async def test_what_is_no_sound_request_is_refused(port: int, more: bytes, status: bytes) -> None:
    assert status in await ask(port, POST + more)


async def test_what_we_could_not_take_is_to_come_again_and_what_is_no_http_is_not(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await ask(port, b"this is no request\r\n\r\n")).startswith(b"HTTP/1.1 400 ")

    def run_out(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Impatient, "on_header", run_out)
    assert (await ask(port, POST + LAST + b"\r\n")).startswith(b"HTTP/1.1 503 ")
