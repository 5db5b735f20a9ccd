"""Files go from party to party in pieces: whole or not at all, never held, and who broke off is named."""

import asyncio
import json
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from email.message import Message
from email.parser import BytesParser
from typing import Any

import pytest
import uvloop

from blubees.adapters import web_stream
from blubees.adapters.web_client import GuardedWebClient
from blubees.connectors.transfer import Passed, Side, pass_file
from blubees.model.ids import TenantId
from blubees.model.web import FilePart, WebAnswer, WebFailure, WebProblem, WebRequest

FILE = bytes(range(256)) * 4_096  # 1 MiB
KNOWN = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n" % len(FILE)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
TAKEN = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def chunk(content: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (content[:1000], content[1000:]) if part) + b"0\r\n\r\n"


def giving(*parts: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            writer.write(part)
            await writer.drain()

    return serve


class Taker:
    """Takes what it is sent, then says what it is told to; or says it after so many bytes; or takes nothing more."""

    def __init__(self, answer: bytes = TAKEN, after: int | None = None, *, is_stuck: bool = False) -> None:
        self.answer, self.after, self.is_stuck = answer, after, is_stuck
        self.head, self.body, self.is_whole = b"", b"", False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.head = await reader.readuntil(b"\r\n\r\n")
        if self.is_stuck:
            await asyncio.sleep(30)
        if self.after is not None:
            self.body = await reader.readexactly(self.after)
        elif b"transfer-encoding: chunked" in self.head.lower():
            while size := int(await reader.readuntil(b"\r\n"), 16):
                self.body += (await reader.readexactly(size + 2))[:-2]
            await reader.readexactly(2)
            self.is_whole = True
        else:
            length = int(self.head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            self.body = await reader.readexactly(length)
            self.is_whole = True
        writer.write(self.answer)
        await writer.drain()


@asynccontextmanager
async def parties(source: Serve, target: Serve) -> AsyncIterator[Callable[..., Coroutine[Any, Any, Passed]]]:
    def quietly(serve: Serve) -> Serve:
        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await serve(reader, writer)
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                writer.close()

        return run

    servers = [await asyncio.start_server(quietly(each), "127.0.0.1", 0) for each in (source, target)]
    ports = [each.sockets[0].getsockname()[1] for each in servers]
    client = GuardedWebClient(frozenset(ports))

    async def move(part: FilePart | None = None, limit: int = 10_000_000, seconds: float = 5.0) -> Passed:
        urls = [f"http://127.0.0.1:{port}/files/a%20photo.png?x=y" for port in ports]
        common = {"tenant": TenantId("t" + "a" * 24), "timeout_seconds": seconds}
        given = WebRequest(method="GET", url=urls[0], answer_limit_bytes=limit, redirects=1, **common)  # type: ignore[arg-type]
        return await pass_file(client, given, WebRequest(method="PUT", url=urls[1], **common), part)  # type: ignore[arg-type]

    yield move
    await client.close()
    for each in servers:
        each.close()
        await each.wait_closed()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("kind", ["known", "chunked", "until the end", "empty", "gzip", "deflate"])
def test_a_file_arrives_as_it_was(kind: str, run: Callable[..., Passed]) -> None:
    packed = {"gzip": zlib.compressobj(wbits=31), "deflate": zlib.compressobj()}
    content = b"" if kind == "empty" else FILE
    if kind in packed:
        body = packed[kind].compress(content) + packed[kind].flush()
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (kind.encode(), len(body))
    else:
        body = chunk(content) if kind in {"chunked", "empty"} else content
        head = {"known": KNOWN, "until the end": b"HTTP/1.1 200 OK\r\n\r\n"}.get(kind, CHUNKED)
    taker = Taker()

    async def talk() -> Passed:
        async with parties(giving(head, body[:100], body[100:]), taker.serve) as move:
            return await move()

    passed = run(talk())
    assert passed == Passed(Side.TARGET, passed.answer, len(content))
    assert isinstance(passed.answer, WebAnswer), passed
    assert (passed.answer.status, passed.answer.body) == (201, b"ok")
    assert taker.body == content
    framing = b"content-length: 1048576" if kind == "known" else b"transfer-encoding: chunked"
    assert framing in taker.head.lower()
    assert (b"image/png" in taker.head) == (kind == "known")


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_file_becomes_a_part_of_a_form(*, is_known: bool) -> None:
    taker = Taker()
    part = FilePart(name='up"load', file_name="", fields=(("comment", "grüß\r\n--x"), ("a", "b")))
    body = FILE if is_known else chunk(FILE)
    async with parties(giving(KNOWN if is_known else CHUNKED, body), taker.serve) as move:
        await move(part)
    kind = taker.head.partition(b"Content-Type: ")[2].partition(b"\r\n")[0]
    form = BytesParser().parsebytes(b"Content-Type: " + kind + b"\r\n\r\n" + taker.body)
    parts = form.get_payload()
    assert isinstance(parts, list)
    comment, letter, file = (each for each in parts if isinstance(each, Message))
    assert comment.get_payload(decode=True) == "grüß\r\n--x".encode()
    assert letter["Content-Disposition"] == 'form-data; name="a"'
    assert file["Content-Disposition"] == 'form-data; name="up%22load"; filename="a photo.png"'
    assert file.get_content_type() == ("image/png" if is_known else "application/octet-stream")
    assert file.get_payload(decode=True) == FILE


@pytest.mark.parametrize(
    ("told", "name"),
    [
        (b'attachment; filename="a b.txt"', "a b.txt"),
        (b"attachment; filename*=UTF-8''gr%C3%BC%C3%9Fe.txt", "grüße.txt"),
        (b'attachment; filename="../../etc/pass\\wd"', "wd"),
        (b"attachment; filename*=x-nonsense''%FF", "ÿ"),
        (b"attachment; filename*=UTF-8''%22%0D%0Aa%3B", "a"),
        (b"attachment; filename=''", "''"),
        (b"inline", "a photo.png"),
    ],
)
async def test_the_source_tells_the_files_name(told: bytes, name: str) -> None:
    taker = Taker()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Disposition: %b\r\n\r\n" % told
    async with parties(giving(head, b"x"), taker.serve) as move:
        await move(FilePart(name="file", file_name=""))
    assert f'filename="{name}"'.encode() in taker.body


@pytest.mark.parametrize(
    "kind", ["short", "cut chunk", "reset", "silent", "too large", "too large, announced", "bomb", "garbage"]
)
async def test_a_source_that_breaks_off_is_named_and_the_target_gets_no_whole_file(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_stream, "STALL_SECONDS", 0.3)
    bomb = zlib.compressobj(wbits=31)
    parts = {
        "short": (KNOWN, FILE[:-1]),
        "cut chunk": (CHUNKED, b"100000\r\n" + FILE[:5_000]),
        "reset": (KNOWN,),
        "too large": (CHUNKED, chunk(FILE)),
        "too large, announced": (KNOWN, FILE),
        "bomb": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", bomb.compress(bytes(50_000_000)) + bomb.flush()),
        "garbage": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", FILE),
    }
    silent = giving(KNOWN, FILE[:5_000])

    async def fall_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent(reader, writer)
        await asyncio.sleep(30)

    taker = Taker()
    async with parties(fall_silent if kind == "silent" else giving(*parts[kind]), taker.serve) as move:
        passed = await move(limit=1_000_000 if kind.startswith("too") else 2_000_000)
    problem = {"silent": WebProblem.TIMEOUT, "bomb": WebProblem.TOO_LARGE, "garbage": WebProblem.BROKEN_ANSWER}
    expected = WebProblem.TOO_LARGE if kind.startswith("too") else problem.get(kind, WebProblem.CUT_OFF)
    assert (passed.side, passed.answer) == (Side.SOURCE, WebFailure(problem=expected))
    assert not taker.is_whole


@pytest.mark.parametrize("kind", ["closes", "resets", "stuck", "refuses early", "refuses"])
async def test_a_target_that_breaks_off_is_named_and_what_it_said_is_told(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_stream, "STALL_SECONDS", 0.3)
    monkeypatch.setattr("blubees.adapters.web_client.STALL_SECONDS", 0.3)
    refusal = b"HTTP/1.1 413 No\r\nContent-Length: 8\r\n\r\ntoo much"
    takers = {
        "closes": Taker(b"", 1_000),
        "resets": Taker(b"HTTP/1.1 ", 0),
        "stuck": Taker(is_stuck=True),
        "refuses early": Taker(refusal, 1_000),
        "refuses": Taker(refusal),
    }
    asked = asyncio.Event()

    async def give(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED + b"1000\r\n" + FILE[:4096] + b"\r\n")
        try:
            if kind == "stuck":
                for _ in range(1_000):
                    writer.write(b"100000\r\n" + FILE + b"\r\n")
                    await writer.drain()
            elif kind == "refuses":
                writer.write(b"0\r\n\r\n")
                return
            await reader.read()
        finally:
            asked.set()

    async with parties(give, takers[kind].serve) as move:
        passed = await move(limit=10_000_000_000)
        assert passed.side is Side.TARGET
        if kind.startswith("refuses"):
            assert isinstance(passed.answer, WebAnswer), passed
            assert (passed.answer.status, passed.answer.body) == (413, b"too much")
        else:
            problem = WebProblem.TIMEOUT if kind == "stuck" else WebProblem.CUT_OFF
            assert passed.answer == WebFailure(problem=problem)
        await asyncio.wait_for(asked.wait(), 5)  # the source is not left waiting


async def test_what_the_source_says_instead_of_a_file_is_told_and_the_target_is_not_asked() -> None:
    taker = Taker()
    async with parties(giving(b"HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\ngone"), taker.serve) as move:
        passed = await move()
    assert (passed.side, passed.size, taker.head) == (Side.SOURCE, 0, b"")
    assert isinstance(passed.answer, WebAnswer)
    assert (passed.answer.status, passed.answer.body) == (404, b"gone")


async def test_the_time_is_up_for_both() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(KNOWN)
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.01)

    async with parties(drip, Taker().serve) as move:
        passed = await move(seconds=0.3)
    assert passed.answer == WebFailure(problem=WebProblem.TIMEOUT)


async def test_a_transfer_that_is_cancelled_lets_both_go() -> None:
    begun = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(KNOWN + FILE[:5_000])
        begun.set()
        assert await reader.read() == b""
        begun.clear()

    taker = Taker()
    async with parties(wait, taker.serve) as move:
        task = asyncio.create_task(move())
        await asyncio.wait_for(begun.wait(), 5)
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for _ in range(500):
            if not begun.is_set():
                break
            await asyncio.sleep(0.01)
        assert not begun.is_set()
    assert not taker.is_whole


@pytest.mark.parametrize("size", [10, 140_000, 1_000_000])
async def test_a_connection_whose_answer_was_not_read_to_its_end_is_not_used_again(size: int) -> None:
    serving: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (size, FILE[:size]))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = GuardedWebClient(frozenset({port}))
    request = WebRequest(method="GET", url=f"http://127.0.0.1:{port}/", timeout_seconds=2)
    for is_read in (False, True):
        stream = await client.open(request)
        assert not isinstance(stream, WebFailure)
        await asyncio.sleep(0.05)
        read = b"".join([piece async for piece in stream.pieces()]) if is_read else b""
        stream.close()
        answer = await client.call(request)
        assert isinstance(answer, WebAnswer)
        assert (len(read), len(answer.body)) == (size * is_read, size)
    await client.close()
    server.close()
    await server.wait_closed()
    assert len(serving) == 3, "a stream's own, another for the call after it, and one for both of the second turn"
    await asyncio.gather(*(each for each in serving if each is not None))


SIZE = 200_000_000
SERVER = """
import asyncio, sys, zlib
import uvloop
PIECE = bytes(range(256)) * 400
async def give(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % SIZE)
    for _ in range(SIZE // len(PIECE)):
        writer.write(PIECE)
        await writer.drain()
    writer.write(PIECE[:SIZE % len(PIECE)])
    await writer.drain()
    writer.close()
async def take(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    seen, digest, done = 0, 0, False
    while seen < SIZE:
        piece = await reader.read(65536)
        seen += len(piece)
        digest = zlib.crc32(piece, digest)
        if not done and seen > SIZE // 4:
            done = True
            await asyncio.sleep(0.3)
    told = b"%d" % digest
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(told), told))
    await writer.drain()
    writer.close()
async def main():
    servers = [await asyncio.start_server(each, "127.0.0.1", 0) for each in (give, take)]
    print(*(each.sockets[0].getsockname()[1] for each in servers), flush=True)
    await asyncio.sleep(60)
SIZE = int(sys.argv[1])
uvloop.run(main())
"""
CLIENT = """
import asyncio, json, sys
import uvloop
from blubees.adapters.lockdown import lock_process
from blubees.adapters.web_client import GuardedWebClient
from blubees.connectors.transfer import pass_file
from blubees.model.web import WebRequest
ports = [int(each) for each in sys.argv[1:]]
def read_peak():  # in KiB, of this program alone: getrusage counts what its parent held, too
    with open("/proc/self/status") as status:
        return int(next(line for line in status if line.startswith("VmHWM")).split()[1])
async def main():
    client = GuardedWebClient(frozenset(ports))
    before = read_peak()
    urls = [f"http://127.0.0.1:{port}/" for port in ports]
    source = WebRequest(method="GET", url=urls[0], answer_limit_bytes=10**9, timeout_seconds=50)
    passed = await pass_file(client, source, WebRequest(method="PUT", url=urls[1], timeout_seconds=50), None)
    print(json.dumps([passed.size, passed.answer.body.decode(), read_peak() - before]))
lock_process()
uvloop.run(main())
"""


async def test_a_large_file_passes_through_a_locked_process_that_does_not_grow() -> None:
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVER, str(SIZE), stdout=subprocess.PIPE)
    assert server.stdout is not None
    ports = (await server.stdout.readline()).decode().split()
    command = [sys.executable, "-B", "-c", CLIENT, *ports]
    client = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, errors = await client.communicate()
    server.kill()
    await server.wait()
    assert errors == b""
    size, digest, grown_kib = json.loads(out)
    piece = bytes(range(256)) * 400
    expected = zlib.crc32(piece * (SIZE // len(piece)) + piece[: SIZE % len(piece)])
    assert (size, int(digest)) == (SIZE, expected)
    assert grown_kib < 20_000
