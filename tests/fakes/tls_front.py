"""TLS in front of a server that speaks none: what its own TLS would say, with the real server behind."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from blubees.main.certificates import Authority

SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"  # PostgreSQL's protocol, "SSLRequest"


@dataclass
class TlsFiles:
    """Files of an authority and of a server on loopback that it vouches for."""

    authority: Path
    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self.certificate, self.key)
        return made


def make_tls_files(folder: Path) -> TlsFiles:
    authority = Authority()
    issued = authority.issue("server")
    files = TlsFiles(folder / "authority.pem", folder / "server.pem", folder / "server.key")
    for path, content in zip(
        (files.authority, files.certificate, files.key), (authority.certificate, issued.certificate, issued.key), strict=True
    ):
        path.write_bytes(content)
    return files


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cut_at: bytes = b"") -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            if cut_at and cut_at in data:
                raise EOFError
            writer.write(data)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def run_postgresql_front(files: TlsFiles, server_port: int) -> AsyncIterator[int]:
    """Serve PostgreSQL's TLS on a port of its own; gives it."""

    async def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if await reader.readexactly(8) != SSL_REQUEST:
            return False
        writer.write(b"S")
        await writer.start_tls(files.context())
        return True

    async with _run_front(server_port, begin, None) as port:
        yield port


@asynccontextmanager
async def run_plain_front(server_port: int) -> AsyncIterator[int]:
    """Pass on what comes to a port of its own, until it is left: then all of it is cut off; gives it."""

    async def begin(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> bool:
        return True

    async with _run_front(server_port, begin, None) as port:
        yield port


@asynccontextmanager
async def run_tls_front(files: TlsFiles, server_port: int, cut_at: bytes = b"") -> AsyncIterator[int]:
    """Serve TLS from the first byte on a port of its own; gives it. `cut_at`: a client that says this is cut off."""

    async def begin(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> bool:
        return True

    async with _run_front(server_port, begin, files.context(), cut_at) as port:
        yield port


@asynccontextmanager
async def _run_front(
    server_port: int,
    begin: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bool]],
    tls: ssl.SSLContext | None,
    cut_at: bytes = b"",
) -> AsyncIterator[int]:
    tasks = set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        opened = [writer]
        with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
            if await begin(reader, writer):
                inner, outer = await asyncio.open_connection("127.0.0.1", server_port)
                opened.append(outer)
                await asyncio.gather(_pass_on(reader, outer, cut_at), _pass_on(inner, writer))
        for each in opened:
            each.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.01)  # what was broken off is closed by the loop
