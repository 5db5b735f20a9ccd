"""Answers of every shape: where each ends, which connections are used again, and what is never sent twice."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvloop

from blubees.adapters import http_pool
from blubees.adapters.web_client import GuardedWebClient
from blubees.model.web import WebAnswer, WebFailure, WebProblem, WebRequest

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Says what it is told to each request on a connection, then closes it; None keeps silent."""

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while self.answers:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                self.requests.append(head + await reader.readexactly(int(length or 0)))
                answer = self.answers.pop(0)
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(*answers: bytes | None) -> AsyncIterator[tuple[Server, Callable[..., Awaitable[WebAnswer | WebFailure]]]]:
    server = Server(*answers)
    running = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = running.sockets[0].getsockname()[1]
    client = GuardedWebClient(frozenset({server.port}))

    async def call(method: str = "GET", body: bytes = b"", limit: int = 1_000_000) -> WebAnswer | WebFailure:
        url = f"http://127.0.0.1:{server.port}/a%20b?c=d"
        request = WebRequest(method=method, url=url, body=body, timeout_seconds=1, answer_limit_bytes=limit)
        return await client.call(request)

    yield server, call
    await client.close()
    running.close()
    await running.wait_closed()


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (OK, b"ok"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nTrailer: 1\r\n\r\n", b"abc"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.0 200 OK\r\n\r\n", b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b""),
    ],
)
async def test_an_answer_ends_where_it_says(answer: bytes, body: bytes) -> None:
    async with serving(answer) as (server, call):
        found = await call()
        assert isinstance(found, WebAnswer), found
        assert found.body == body
        assert server.requests[0].startswith(b"GET /a%20b?c=d HTTP/1.1\r\nHost: 127.0.0.1:")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X%d: a\r\n" % n for n in range(300)) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b\x00\r\n\r\n",
        b"hello\r\n\r\n",
    ],
)
async def test_a_broken_answer_is_told(answer: bytes) -> None:
    async with serving(answer) as (_, call):
        assert await call("POST", b"x") == WebFailure(problem=WebProblem.BROKEN_ANSWER)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ncut",
        None,
    ],
)
async def test_an_answer_that_is_cut_off_is_told_from_a_broken_one(answer: bytes | None) -> None:
    async with serving(answer) as (_, call):
        assert await call("POST", b"x") == WebFailure(problem=WebProblem.CUT_OFF)


@pytest.mark.parametrize("head", [b"Content-Length: 100\r\n\r\n", b"\r\n", b"Transfer-Encoding: chunked\r\n\r\n64\r\n"])
async def test_no_more_is_read_than_allowed(head: bytes) -> None:
    async with serving(b"HTTP/1.1 200 OK\r\n" + head + b"a" * 100) as (_, call):
        assert await call(limit=99) == WebFailure(problem=WebProblem.TOO_LARGE)


async def test_a_connection_is_used_again_and_no_answer_goes_to_another_call() -> None:
    async with serving(OK, OK, OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", OK) as (server, call):
        answers = [await call("POST", b"%d" % number) for number in range(4)]
        assert [answer.body for answer in answers if isinstance(answer, WebAnswer)] == [b"ok"] * 4
        assert server.connections == 2, "what said more than it was asked is not asked again"
        assert [request[-1:] for request in server.requests] == [b"0", b"1", b"2", b"3"]


async def test_head_has_no_body_whatever_it_says() -> None:
    async with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n", OK) as (_, call):
        found = await call("HEAD", limit=10)
        assert isinstance(found, WebAnswer)
        assert (found.body, found.headers["content-length"]) == (b"", "5000000")
        again = await call()
        assert isinstance(again, WebAnswer)


@pytest.mark.parametrize(("method", "is_repeated"), [("GET", True), ("PUT", True), ("POST", False), ("PATCH", False)])
async def test_what_a_dead_connection_did_not_hear_is_said_again_only_where_that_is_harmless(
    method: str, *, is_repeated: bool
) -> None:
    async with serving(OK, None, OK) as (server, call):
        await call()
        found = await call(method, b"x")
        assert isinstance(found, WebAnswer) == is_repeated
        assert len(server.requests) == 2 + is_repeated


async def test_calls_wait_when_there_are_too_many_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_pool, "CONNECTIONS_MAX", 2)
    async with serving(*[OK] * 12) as (server, call):
        found = await asyncio.gather(*(call() for _ in range(12)))
        assert all(isinstance(each, WebAnswer) for each in found)
        assert server.connections <= 12


async def test_a_call_that_is_cancelled_leaves_no_answer_for_the_next() -> None:
    asked, late = asyncio.Event(), asyncio.Event()

    async def answer_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if not asked.is_set():
            asked.set()
            await late.wait()
            writer.write(OK.replace(b"ok", b"no"))
        writer.write(OK)
        writer.close()

    slow = await asyncio.start_server(answer_late, "127.0.0.1", 0)
    port = slow.sockets[0].getsockname()[1]
    client = GuardedWebClient(frozenset({port}))
    request = WebRequest(method="GET", url=f"http://127.0.0.1:{port}/")
    task = asyncio.create_task(client.call(request))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    late.set()
    found = await client.call(request)
    await client.close()
    slow.close()
    await slow.wait_closed()
    assert isinstance(found, WebAnswer)
    assert found.body == b"ok"


def test_it_is_the_same_on_the_conduits_own_loop() -> None:
    async def talk() -> list[WebAnswer | WebFailure]:
        async with serving(OK, OK, b"HTTP/1.1 200 OK\r\n\r\nuntil the end") as (_, call):
            return [await call("POST", b"x") for _ in range(3)]

    found = uvloop.run(talk())
    assert [each.body for each in found if isinstance(each, WebAnswer)] == [b"ok", b"ok", b"until the end"]
