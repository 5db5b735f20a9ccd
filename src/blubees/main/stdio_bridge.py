"""Serves an MCP server that speaks stdio over HTTP: `blubees connector serve-stdio`, a program of its own beside the service.

The protocol is the SDK's on both sides (extra `bridge`); ours is who may speak to it, and what becomes of the program
(stdio_program.py). No process of the service imports this file: pyproject.toml. Source: docs/decisions/0057.
"""

import contextlib
import hashlib
import hmac
import logging
import signal
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import anyio
import mcp_types as types
import uvicorn
from mcp.client.client import Client
from mcp.server.lowlevel.server import Server
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel, ValidationError
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from blubees.doors.slow_clients import GuardedHttpProtocol
from blubees.main.stdio_program import Ending, Tell, run_program
from blubees.model.errors import InputError

PATH: Final = "/mcp"
BODY_MAX_BYTES: Final = 4_194_304  # docs/decisions/0057
SESSIONS_MAX: Final = 100
SESSION_IDLE_SECONDS: Final = 600.0
CONNECTIONS_MAX: Final = 100
START_SECONDS: Final = 120.0  # npx and uvx fetch a program before they start it
CALL_SECONDS: Final = 300.0
STOP_SECONDS: Final = 2
GONE: Final = "The program has ended."
_NO_START: Final = (OSError, MCPError, RuntimeError, ValidationError)
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})

Found = TypeVar("Found", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Bridge:
    """What is served, where, and to whom.

    Attributes:
        command: the program and its arguments.
        port: 0 takes a free one.
        environment: what the program gets besides PATH, HOME, LOGNAME, SHELL, TERM and USER.
        hosts: what may stand in the header Host besides loopback's names; `name` or `name:port`.
        certificate, key: PEM files; without them it is served to loopback only.
    """

    command: Sequence[str]
    token: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 0
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    hosts: tuple[str, ...] = ()
    certificate: Path | None = None
    key: Path | None = None


@dataclass(slots=True)
class Standing:
    """How it stands.

    Attributes:
        stopping: a signal has come.
        ending: of the program.
        is_serving: the program has told what it is.
        is_late: it did not tell in time.
    """

    stopping: anyio.Event = field(default_factory=anyio.Event)
    ending: Ending = field(default_factory=Ending)
    is_serving: bool = False
    is_late: bool = False


def run_bridge(bridge: Bridge, tell: Tell) -> bool:
    """Serve until a signal (true) or the program's end (false).

    Args:
        tell: is given sentences for the operator.

    Raises:
        InputError: the program can't be started or speaks no MCP, the address can't be had.
    """
    logging.getLogger("mcp").setLevel(logging.CRITICAL + 1)  # it would tell what messages hold
    with _listen(bridge) as listener:
        standing: Standing = anyio.run(_run, bridge, listener, tell)
    if standing.is_serving and not standing.stopping.is_set():
        how = "" if standing.ending.code is None else f" with code {standing.ending.code}"
        tell(f"The program has ended{how}; what it said stands above. Nothing is served any more.")
    else:
        tell("Ended; so is the program.")
    return standing.stopping.is_set()


async def _run(bridge: Bridge, listener: socket.socket, tell: Tell) -> Standing:
    standing = Standing()
    try:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
            async with anyio.create_task_group() as group:
                group.start_soon(_watch, signals, standing, group.cancel_scope)
                async with Client(run_program(bridge.command, bridge.environment, standing.ending, tell), cache=None) as client:
                    standing.is_serving = True
                    await _serve(bridge, client, listener, standing, tell)
                group.cancel_scope.cancel()
    except (OSError, MCPError, RuntimeError, ValidationError, BaseExceptionGroup) as error:
        if standing.is_serving or not all(isinstance(each, _NO_START) for each in _flatten(error)):
            raise
        raise _refuse(bridge, standing, error) from None
    if not standing.is_serving and not standing.stopping.is_set():
        raise _refuse(bridge, standing, None)
    return standing


async def _watch(signals: AsyncIterator[signal.Signals], standing: Standing, scope: anyio.CancelScope) -> None:
    """Take signals; while the program has not told what it is, they end the waiting for that, as its time does."""
    with anyio.move_on_after(START_SECONDS):
        async for _ in signals:
            standing.stopping.set()
            break
    if not standing.is_serving:
        standing.is_late = not standing.stopping.is_set()
        scope.cancel()
    async for _ in signals:
        standing.stopping.set()


async def _serve(bridge: Bridge, client: Client, listener: socket.socket, standing: Standing, tell: Tell) -> None:
    """Serve it until it has ended, or a signal comes."""
    port = listener.getsockname()[1]
    server = uvicorn.Server(_configure(bridge, _make_app(bridge, client, standing, port)))
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    async with anyio.create_task_group() as group:
        group.start_soon(_exit_when, standing.stopping, server)
        group.start_soon(_exit_when, standing.ending.event, server)
        tell(_introduce(bridge, client, port))
        await server.serve(sockets=[listener])
        group.cancel_scope.cancel()


def _flatten(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in _flatten(each)]
    return [error]


def _refuse(bridge: Bridge, standing: Standing, error: BaseException | None) -> InputError:
    """Say why there is nothing to serve; the program's own words stand on standard error."""
    system = next((each for each in _flatten(error) if isinstance(each, OSError)), None) if error is not None else None
    if system is not None:
        return InputError(f"{bridge.command[0]}: can't be started ({system.strerror or 'no such program'}).")
    why = f"it has told nothing within {START_SECONDS:.0f} s" if standing.is_late else "its answers are none of that protocol's"
    code = standing.ending.code
    ended = "it has ended" if code is None else f"it has ended with code {code}"
    why = ended if standing.ending.is_there and not standing.is_late else why
    return InputError(f"{bridge.command[0]}: speaks no MCP on its standard input and output: {why}.")


def _listen(bridge: Bridge) -> socket.socket:
    if bridge.host not in _LOOPBACK and bridge.certificate is None:
        raise InputError(
            f"--host {bridge.host}: other machines could read the token and all that is sent. Give --certificate and --key, or"
            " stay on loopback and put a front that speaks TLS before it (--allow-host NAME)."
        )
    family = socket.AF_INET6 if ":" in bridge.host else socket.AF_INET
    try:
        return socket.create_server((bridge.host, bridge.port), family=family, backlog=100)
    except OSError as error:
        raise InputError(f"{bridge.host}, port {bridge.port}: can't be listened on ({error.strerror}).") from None


def _make_app(bridge: Bridge, client: Client, standing: Standing, port: int) -> ASGIApp:
    names = (f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}", f"{bridge.host}:{port}", *bridge.hosts)
    app = _make_server(bridge, client, standing).streamable_http_app(
        streamable_http_path=PATH,
        json_response=True,
        max_request_body_size=BODY_MAX_BYTES,
        max_sessions=SESSIONS_MAX,
        session_idle_timeout=SESSION_IDLE_SECONDS,
        # no browser has business here: any Origin is refused, and a Host that is not ours (DNS rebinding)
        transport_security=TransportSecuritySettings(allowed_hosts=list(dict.fromkeys(names)), allowed_origins=[]),
    )
    return TokenGate(app, bridge.token)


def _make_server(bridge: Bridge, client: Client, standing: Standing) -> Server[Any]:
    """Make a server whose tools are the program's."""
    forms: dict[str, Mapping[str, Any]] = {}

    async def list_tools(_context: object, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        asked = types.PaginatedRequestParams(cursor=params.cursor) if params is not None and params.cursor else None
        found = await _ask(client, standing, types.ListToolsRequest(params=asked), types.ListToolsResult)
        forms.update({tool.name: tool.input_schema for tool in found.tools})
        return found

    async def call_tool(_context: object, params: types.CallToolRequestParams) -> types.CallToolResult:
        asked = types.CallToolRequestParams(name=params.name, arguments=params.arguments)
        return await _ask(client, standing, types.CallToolRequest(params=asked), types.CallToolResult)

    told = client.server_info
    return Server(
        told.name if told is not None else Path(bridge.command[0]).name,
        version=told.version if told is not None else "",
        title=told.title if told is not None else None,
        description=told.description if told is not None else None,
        instructions=client.instructions,
        get_tool_input_schema=forms.get,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


async def _ask(client: Client, standing: Standing, request: Any, kind: type[Found]) -> Found:  # noqa: ANN401 - the SDK's union
    """Ask the program for one thing. Raises MCPError, as the program gave it, or an internal error where it gave none."""
    if standing.ending.is_there:
        raise MCPError(types.INTERNAL_ERROR, GONE)
    try:
        return await client.session.send_request(request, kind, request_read_timeout_seconds=CALL_SECONDS)
    except MCPError:
        if standing.ending.is_there:
            raise MCPError(types.INTERNAL_ERROR, GONE) from None
        raise
    except ValidationError:
        raise MCPError(types.INTERNAL_ERROR, "The program's answer is not of the protocol's form.") from None


class TokenGate:
    """Lets those in who have the token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._hash = app, hashlib.sha256(token.encode()).digest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and not self._knows(scope):
            refusal = JSONResponse({"error": "The token was not accepted."}, 401, {"WWW-Authenticate": "Bearer"})
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _knows(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        word, _, token = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
        return word.lower() == b"bearer" and hmac.compare_digest(hashlib.sha256(token.strip()).digest(), self._hash)


def _configure(bridge: Bridge, app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=GuardedHttpProtocol,
        ws="none",
        loop="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=STOP_SECONDS,
        limit_concurrency=CONNECTIONS_MAX,
        ssl_certfile=str(bridge.certificate) if bridge.certificate is not None else None,
        ssl_keyfile=str(bridge.key) if bridge.key is not None else None,
    )


def _introduce(bridge: Bridge, client: Client, port: int) -> str:
    scheme = "http" if bridge.certificate is None else "https"
    host = f"[{bridge.host}]" if ":" in bridge.host else bridge.host
    return f"{client.protocol_version}: serving {Path(bridge.command[0]).name} at {scheme}://{host}:{port}{PATH}"


async def _exit_when(event: anyio.Event, server: uvicorn.Server) -> None:
    await event.wait()
    server.should_exit = True
