"""Vendors of the catalogue on loopback: a stand-in speaks the documented protocol, and an action is performed against it for real."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec
from starlette.applications import Starlette
from starlette.routing import Route

from blubees.connectors.actions.perform import compile_action
from blubees.connectors.catalogue import list_hooks, load_connector
from blubees.model.call import Call, CallAnswer
from blubees.model.connector import Connector
from blubees.model.failures import Failure
from fakes.machine import FakeClock
from fakes.third_parties import OneKey, Way, find_way, serve, write_lease

Perform = Callable[..., Awaitable[Any]]
NOW_SECONDS = FakeClock().now_milliseconds() // 1000


class Tools:
    """What performing an action needs, over the real caller."""

    def __init__(self, way: Way) -> None:
        self.way = way

    async def call(self, call: Call) -> CallAnswer | Failure:
        return await self.way(call)

    async def call_jira(self, call: Call) -> CallAnswer | Failure:
        raise NotImplementedError

    def now_milliseconds(self) -> int:
        return FakeClock().now_milliseconds()


@contextlib.asynccontextmanager
async def visit(name: str, routes: list[Route]) -> AsyncIterator[tuple[Perform, OneKey]]:
    """Give what performs actions of a vendor against a stand-in, and the desk with the token (`right`)."""
    async with serve(lambda _: Starlette(routes=routes)) as port:
        desk = OneKey(write_lease(port))
        connector = move_connector(name, port)
        async with find_way(port, desk) as way:
            tools = Tools(way)

            async def perform(action: str, **inputs: Any) -> Any:
                return await compile_action(connector, action, list_hooks(name))({"connection": "there", **inputs}, tools)

            yield perform, desk


def move_connector(name: str, port: int) -> Connector:
    """Give the connector as it is, but at a loopback port."""
    connector = load_connector(name)
    assert connector is not None
    return msgspec.structs.replace(connector, base_url=f"http://127.0.0.1:{port}{urlsplit(connector.base_url).path}")


def take_token(desk: OneKey, token: str) -> None:
    """Have the desk hold another token, as after a refresh."""
    assert desk.lease is not None
    desk.lease = msgspec.structs.replace(desk.lease, secret=token)
