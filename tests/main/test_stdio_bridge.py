"""An MCP server that speaks stdio is served over HTTP by an operator, and called as every other; nobody else gets at it."""

import asyncio
import contextlib
import io
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import msgspec
import psutil
import pytest

from blubees.connectors.actions.perform import compile_action
from blubees.connectors.importers.mcp import read_mcp
from blubees.connectors.importers.mcp_ask import ask_tools
from blubees.connectors.mcp.wire import HANDSHAKES, MODERN
from blubees.main import stdio_bridge, stdio_program
from blubees.main.stdio_bridge import BODY_MAX_BYTES, Bridge, run_bridge
from blubees.main.stdio_command import TOKEN_VARIABLE, read_environment, read_token, serve_program
from blubees.main.stdio_program import Ending, run_program
from blubees.model.connector import Connector
from blubees.model.errors import InputError
from blubees.model.failures import Failure, FailureCode
from fakes.third_parties import CallingTools, OneKey, Way, find_way, write_lease

pytestmark = pytest.mark.timeout(120)  # each start imports the protocol's SDK twice
TILL = Path(__file__).with_name("till_server.py")
TOKEN = "right" * 8
HINT = re.compile(r"serving \S+ at (http://127\.0\.0\.1:\d+/mcp)")


@dataclass
class Running:
    """A bridge that runs, as its operator sees it."""

    process: asyncio.subprocess.Process
    url: str
    said: list[str]

    async def ends(self) -> int:
        async with asyncio.timeout(30):
            assert self.process.stderr is not None
            self.said.append((await self.process.stderr.read()).decode())
            return await self.process.wait()


@contextlib.asynccontextmanager
async def bridge(*options: str, token: str = TOKEN, program: tuple[str, ...] = (str(TILL),)) -> AsyncIterator[Running]:
    command = ["-c", "from blubees.main.cli import main; main()", "connector", "serve-stdio", "--port", "0", *options]
    environment = {**os.environ, "SECRET_OF_OURS": "canary"} | ({TOKEN_VARIABLE: token} if token else {})
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, "--", sys.executable, *program,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment,
    )  # fmt: skip
    said: list[str] = []
    assert process.stderr is not None
    try:
        async with asyncio.timeout(50):
            while not (found := HINT.search(said[-1] if said else "")):
                line = (await process.stderr.readline()).decode()
                assert line, said
                said.append(line)
        yield Running(process, found[1], said)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


@contextlib.asynccontextmanager
async def way_to(url: str, token: str = TOKEN) -> AsyncIterator[Way]:
    port = urlsplit(url).port or 0
    async with find_way(port, OneKey(write_lease(port, token))) as way:
        yield way


async def take(way: Way, url: str) -> Connector:
    document = await ask_tools(way, url, "there")
    assert isinstance(document, bytes), document
    return read_mcp(document, "till", url=url).connector


async def perform(way: Way, connector: Connector, action: str, **inputs: object) -> object:
    return await compile_action(connector, action, {})({"connection": "there", **inputs}, CallingTools(way))


def is_there(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


async def test_a_program_is_imported_and_called_and_its_end_is_told() -> None:
    async with bridge("--env", "LANG=C") as running, way_to(running.url) as way:
        connector = await take(way, running.url)
        assert (connector.title, connector.description, connector.source_version) == ("Till", "It counts.", MODERN)
        assert connector.default_auth == ()
        assert connector.actions["add"].answer.schema["properties"]["structured"]["additionalProperties"] == {"type": "integer"}
        await perform(way, connector, "add", amount=2)
        found = await perform(way, connector, "add", amount="3")
        assert found == {
            "text": '{\n  "total": 5\n}',
            "structured": {"total": 5},
            "content": [{"type": "text", "text": '{\n  "total": 5\n}'}],
        }
        old = msgspec.structs.replace(connector, source_version=HANDSHAKES[0])
        assert (await perform(way, old, "add", amount=1))["structured"] == {"total": 6}  # type: ignore[index]
        assert await perform(way, connector, "refuse") == Failure(code=FailureCode.REQUEST_REFUSED, detail="tool_error")
        names = (await perform(way, connector, "tell_environment"))["text"].split(",")  # type: ignore[index]
        assert "LANG" in names
        assert set(names) <= {"HOME", "LANG", "LC_CTYPE", "LOGNAME", "PATH", "SHELL", "TERM", "USER"}
        died = await perform(way, connector, "die")
        assert died == Failure(code=FailureCode.VENDOR_BROKEN, http_status=200, detail="internal_error")
        assert await running.ends() == 1
    told = "".join(running.said)
    assert "till: open" in told, "its standard error is the operator's"
    assert "none of BluBees' processes" in told
    assert "The program has ended with code 7;" in told
    assert "canary" in told, "what its own log says is its own"


async def test_a_reference_server_of_the_protocol_is_imported_and_called() -> None:
    program = ("-m", "mcp_server_time", "--local-timezone", "UTC")
    async with bridge(program=program) as running, way_to(running.url) as way:
        connector = await take(way, running.url)
        assert set(connector.actions) == {"get_current_time", "convert_time"}
        asked = {"source_timezone": "Europe/Berlin", "time": "12:00", "target_timezone": "Asia/Tokyo"}
        found = json.loads((await perform(way, connector, "convert_time", **asked))["text"])  # type: ignore[index]
        assert found["source"]["timezone"] == "Europe/Berlin"
        assert found["target"]["datetime"][11:16] in {"19:00", "20:00"}, "summer, winter"
        wrong = await perform(way, connector, "convert_time", **{**asked, "time": "noon"})
        assert wrong == Failure(code=FailureCode.REQUEST_REFUSED, detail="tool_error")


async def test_nobody_gets_at_it_without_the_token_nor_through_a_browser_and_no_process_stays() -> None:
    async with bridge(token="") as running:
        assert running.process.stdout is not None
        line = (await running.process.stdout.readline()).decode()
        token = line.removeprefix("token (shown once): ").strip()
        assert len(token) == 43
        right = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Accept": "application/json"}
        port = urlsplit(running.url).port

        async def ask(headers: dict[str, str], body: bytes = b"{}", path: str = "/mcp") -> int:
            async with session.post(f"http://127.0.0.1:{port}{path}", data=io.BytesIO(body), headers=headers) as answer:
                return answer.status

        async with aiohttp.ClientSession() as session:
            assert await ask(right) == 400, "no message of the protocol"
            for wrong in ("", "Bearer", "Bearer ", f"Bearer {token}x", f"Bearer {token[:-1]}", f"Basic {token}", token):
                assert await ask({**right, "Authorization": wrong}) == 401, wrong
                assert await ask({**right, "Authorization": wrong}, path="/other") == 401, wrong
            assert await ask({**right, "Host": "evil.example"}) == 421
            assert await ask({**right, "Host": f"evil.example:{port}"}) == 421
            assert await ask({**right, "Host": f"localhost:{port}"}) == 400
            for origin in ("https://evil.example", f"http://127.0.0.1:{port}", "null"):
                assert await ask({**right, "Origin": origin}) == 403
            assert await ask(right, b" " * (BODY_MAX_BYTES + 1)) == 413
            assert await ask({**right, "X": "y" * 20_000}) == 431
        async with way_to(running.url, token) as way:
            found = await perform(way, await take(way, running.url), "have_a_child")
        pids = [int(each) for each in found["text"].split(",")]  # type: ignore[index]
        assert all(map(is_there, pids))
        running.process.send_signal(signal.SIGINT)  # Ctrl-C
        try:
            assert await running.ends() == 0
            assert not any(map(is_there, pids))
        finally:
            for each in filter(is_there, pids):
                os.kill(each, signal.SIGKILL)
    assert token not in "".join(running.said)
    assert "so is the program" in "".join(running.said)


def refuse(*command: str, **more: object) -> str:
    with pytest.raises(InputError) as raised:
        run_bridge(Bridge(command, TOKEN, **more), lambda _: None)  # type: ignore[arg-type]
    return raised.value.for_user


def test_what_can_t_be_served_is_told() -> None:
    assert refuse("/no/such/program") == "/no/such/program: can't be started (No such file or directory)."
    assert refuse("true").endswith("it has ended with code 0.")
    assert refuse("cat").endswith("its answers are none of that protocol's.")
    assert "--certificate" in refuse("true", host="0.0.0.0")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "can't be listened on" in refuse("true", port=taken.getsockname()[1])


def test_a_program_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stdio_bridge, "START_SECONDS", 0.2)
    monkeypatch.setattr(stdio_program, "CLOSE_SECONDS", 0.1)
    assert refuse("sleep", "600").endswith("it has told nothing within 0 s.")
    assert not [each for each in psutil.Process().children() if each.name() == "sleep"]


async def test_what_is_no_message_is_told_once_without_its_words_and_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stdio_program, "LINE_MAX_BYTES", 100)
    script = """echo canary; echo; echo canary2; echo '{"jsonrpc": "2.0", "method": "notifications/x"}'; head -c 200 /dev/zero; exec cat"""
    told: list[str] = []
    ending = Ending()
    with monkeypatch.context() as context:
        context.setattr(sys, "stderr", sys.__stderr__)
        async with run_program(["sh", "-c", script], {}, ending, told.append) as (messages, _):
            found = [each.message.method async for each in messages]
    assert found == ["notifications/x"]
    assert len(told) == 2
    assert "no message of MCP" in told[0]
    assert "more than" in told[1]
    assert "canary" not in "".join(told)
    assert ending.is_there


def test_a_token_is_made_or_must_be_long() -> None:
    made, again = read_token({}), read_token({})
    assert made[1]
    assert made[0] != again[0]
    assert read_token({TOKEN_VARIABLE: TOKEN}) == (TOKEN, False)
    for weak in ("short", "x" * 31, "x" * 40 + " ", "é" * 40):
        with pytest.raises(InputError) as raised:
            read_token({TOKEN_VARIABLE: weak})
        assert weak not in raised.value.for_user


def test_the_program_gets_what_is_named_and_nothing_else() -> None:
    ours = {"A": "1", "B": "2", TOKEN_VARIABLE: TOKEN}
    assert read_environment(["A", "C=x=y"], ours) == {"A": "1", "C": "x=y"}
    for wrong in ("MISSING", "=x", TOKEN_VARIABLE):
        with pytest.raises(InputError):
            read_environment([wrong], ours)


def test_a_command_is_needed_and_a_certificate_has_a_key(tmp_path: Path) -> None:
    def ask(*command: str, certificate: Path | None = None) -> str:
        with pytest.raises(InputError) as raised:
            serve_program(command, host="127.0.0.1", port=0, given=(), hosts=(), certificate=certificate, key=None)
        return raised.value.for_user

    assert "which program" in ask()
    assert "--key" in ask("true", certificate=tmp_path / "cert.pem")
