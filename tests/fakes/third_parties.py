"""Third parties on loopback, and the real way to them: the guarded web client behind a caller."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import uvicorn
from starlette.types import ASGIApp

from blubees.adapters.web_client import GuardedWebClient
from blubees.connectors.caller import Caller, JiraSite
from blubees.model.call import Call, CallAnswer, Transfer, Transferred
from blubees.model.connection import ConnectionKind, Lease, LeaseRefusal, Use
from blubees.model.failures import Failure
from blubees.model.ids import ConnectionName, TenantId
from fakes.machine import FakeChance, FakeClock


class OneKey:
    """A lease desk that has one connection at most, `there`."""

    def __init__(self, lease: Lease | None = None) -> None:
        self.lease = lease

    async def borrow(self, _tenant: TenantId, name: ConnectionName, _use: Use, _refused: str = "") -> Lease | LeaseRefusal:
        return self.lease if self.lease is not None and name == "there" else LeaseRefusal.MISSING


class Way:
    """Makes calls for one test, and remembers them."""

    def __init__(self, web: GuardedWebClient, desk: OneKey) -> None:
        tenant = TenantId("development:cloud-1")
        self._caller = Caller(tenant, web, desk, FakeClock(), FakeChance(), JiraSite("", "", lambda: None))
        self.calls: list[Call] = []

    async def __call__(self, call: Call) -> CallAnswer | Failure:
        self.calls.append(call)
        return await self._caller.call(call)

    async def transfer(self, transfer: Transfer) -> Transferred | Failure:
        return await self._caller.transfer(transfer)

    @property
    def lines(self) -> list[str]:
        """What was asked for: method, and what is in the message."""
        return [f"{each.method} {_tell_method(each.body)}".strip() for each in self.calls]


class CallingTools:
    """What performing an action is given."""

    def __init__(self, send: Callable[[Call], Awaitable[CallAnswer | Failure]]) -> None:
        self.send = send
        self.milliseconds = FakeClock().now_milliseconds()

    async def call(self, call: Call) -> CallAnswer | Failure:
        return await self.send(call)

    async def call_jira(self, call: Call) -> CallAnswer | Failure:
        raise AssertionError(call.url)

    def now_milliseconds(self) -> int:
        return self.milliseconds


def _tell_method(body: bytes) -> str:
    _, _, rest = body.partition(b'"method":"')
    return rest.partition(b'"')[0].decode()


@contextlib.asynccontextmanager
async def serve(make_app: Callable[[int], ASGIApp]) -> AsyncIterator[int]:
    """Serve an app on a free loopback port, in this very loop; gives the port, as the app is given it."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port: int = listener.getsockname()[1]
    config = uvicorn.Config(
        make_app(port), log_config=None, access_log=False, lifespan="on", ws="none", timeout_graceful_shutdown=1, loop="none"
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined, unused-ignore]
    task = asyncio.create_task(server._serve([listener]))
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    try:
        yield port
    finally:
        server.should_exit = True
        await task


@contextlib.asynccontextmanager
async def find_way(port: int, desk: OneKey | None = None) -> AsyncIterator[Way]:
    """Give the way to a loopback port."""
    web = GuardedWebClient(frozenset({port}))
    try:
        yield Way(web, desk or OneKey())
    finally:
        await web.close()


def write_lease(port: int, secret: str = "right") -> Lease:  # noqa: S107 - made up
    """Open the credential of `there`: a bearer token, for this loopback port alone."""
    return Lease(
        kind=ConnectionKind.BEARER,
        hosts=(f"127.0.0.1:{port}",),
        user_name="",
        parameter="",
        secret=secret,
        expires_at_milliseconds=FakeClock().now_milliseconds() + 60_000,
    )
