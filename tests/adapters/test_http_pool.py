"""Connections belong to tenants, nobody's slow host takes them all, and a host that does not answer is left alone for a while."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from blubees.adapters import http_pool, http_route
from blubees.adapters.http_route import Origin, Route, Share
from blubees.adapters.web_client import GuardedWebClient
from blubees.model.ids import TenantId
from blubees.model.web import WebAnswer, WebFailure, WebProblem, WebRequest

A, B, C = (TenantId("t" + letter * 24) for letter in "abc")
OPEN = WebProblem.CIRCUIT_OPEN


class Vendor:
    """Answers with the number of the connection; holds calls of /slow until it is told; says nothing to /silent."""

    def __init__(self) -> None:
        self.connections = self.calls = 0
        self.slow = self.slow_most = 0
        self.go_on = asyncio.Event()
        self.status = 200
        self.port = 0
        self.is_deaf = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = b"%d" % self.connections
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.calls += 1
                if self.is_deaf:
                    break
                if b"/slow" in head:
                    self.slow += 1
                    self.slow_most = max(self.slow, self.slow_most)
                    await self.go_on.wait()
                    self.slow -= 1
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (self.status, len(number), number))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class World:
    def __init__(self, vendor: Vendor, client: GuardedWebClient) -> None:
        self.vendor, self.client = vendor, client

    async def call(
        self, tenant: TenantId, path: str = "", seconds: float = 5.0, host: str = "127.0.0.1"
    ) -> WebAnswer | WebFailure:
        url = f"http://{host}:{self.vendor.port}/{path}"
        return await self.client.call(WebRequest(method="POST", url=url, tenant=tenant, timeout_seconds=seconds))

    async def begin(self, tenant: TenantId, count: int) -> list[asyncio.Task[WebAnswer | WebFailure]]:
        """Begin slow calls, and wait until no more of them come through."""
        tasks = [asyncio.create_task(self.call(tenant, "slow")) for _ in range(count)]
        seen = -1
        while seen != self.vendor.slow or not seen:
            seen = self.vendor.slow
            await asyncio.sleep(0.1)
        return tasks


@asynccontextmanager
async def world_of(most: int, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(http_pool, "CONNECTIONS_MAX", most)
    vendor = Vendor()
    server = await asyncio.start_server(vendor.serve, "127.0.0.1", 0)
    vendor.port = server.sockets[0].getsockname()[1]
    client = GuardedWebClient(frozenset({vendor.port}))
    yield World(vendor, client)
    vendor.go_on.set()
    await client.close()
    server.close()
    await server.wait_closed()


def bodies(found: list[WebAnswer | WebFailure]) -> list[bytes]:
    return [each.body if isinstance(each, WebAnswer) else each.problem.encode() for each in found]


async def test_no_tenant_calls_on_anothers_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async with world_of(100, monkeypatch) as world:
        found = [await world.call(tenant) for tenant in (A, B, A, B, A)]
        assert bodies(found) == [b"1", b"2", b"1", b"2", b"1"]


async def test_a_slow_host_of_one_tenant_leaves_room_for_its_others_and_for_other_tenants(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_pool, "FAIR_FACTOR", 3)
    async with world_of(40, monkeypatch) as world:
        slow = await world.begin(A, 60)
        assert world.vendor.slow == 28  # 3 x (3 x (40 - 28) - 28) = 24, which is less
        other_host = await world.call(A, host="localhost")
        assert isinstance(other_host, WebAnswer)
        assert all([isinstance(await world.call(each), WebAnswer) for each in (B, C)])
        before = world.vendor.slow
        more = await world.begin(B, 60)
        assert world.vendor.slow - before >= 7
        assert isinstance(await world.call(C), WebAnswer)
        world.vendor.go_on.set()
        assert all(isinstance(each, WebAnswer) for each in await asyncio.gather(*slow, *more))
        assert world.vendor.slow_most < 40


async def test_who_waits_gets_the_next_free_connection_tenant_by_tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    async with world_of(2, monkeypatch) as world:
        slow = await world.begin(A, 30)
        quiet = asyncio.create_task(world.call(B))
        await asyncio.sleep(0.05)
        assert not quiet.done()
        ended: list[str] = []
        for task in slow:
            task.add_done_callback(lambda _task: ended.append("A"))
        quiet.add_done_callback(lambda _task: ended.append("B"))
        world.vendor.go_on.set()
        await asyncio.gather(quiet, *slow)
        assert ended.index("B") < 10, "it did not wait for all of the other's"


async def test_who_finds_no_place_in_time_is_told_when_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with world_of(2, monkeypatch) as world:
        slow = await world.begin(A, 2)
        found = await world.call(A, seconds=0.1)
        assert found == WebFailure(problem=WebProblem.CROWDED, detail="crowded", retry_after_seconds=1.0)
        left = asyncio.create_task(world.call(A))
        await asyncio.sleep(0.05)
        left.cancel()
        await asyncio.wait({left})
        world.vendor.go_on.set()
        await asyncio.gather(*slow)
        assert all([isinstance(await world.call(each), WebAnswer) for each in (A, B, C)]), "nothing is lost by those who went"


async def test_an_idle_connection_makes_room_for_another_route(monkeypatch: pytest.MonkeyPatch) -> None:
    async with world_of(2, monkeypatch) as world:
        found = [await world.call(tenant) for tenant in (A, B, C, A, B, C)]
        assert bodies(found) == [b"1", b"2", b"3", b"4", b"5", b"3"]


async def test_a_host_that_does_not_answer_is_not_called_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_route, "PAUSE_SECONDS", 0.3)
    async with world_of(100, monkeypatch) as world:
        world.vendor.is_deaf = True
        found = [await world.call(A) for _ in range(7)]
        assert bodies(found) == [b"cut_off"] * 5 + [b"circuit_open"] * 2
        assert isinstance(found[-1], WebFailure)
        assert 0 < found[-1].retry_after_seconds <= 0.3
        assert world.vendor.calls == 5
        assert bodies([await world.call(A, host="localhost"), await world.call(B)]) == [b"cut_off"] * 2, "of A, and there, only"
        world.vendor.is_deaf = False
        await asyncio.sleep(0.35)
        assert all([isinstance(await world.call(A), WebAnswer) for _ in range(2)])


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
async def test_whatever_is_answered_opens_no_circuit(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    async with world_of(100, monkeypatch) as world:
        world.vendor.status = status
        assert {each.status for each in [await world.call(A) for _ in range(8)] if isinstance(each, WebAnswer)} == {status}


def make_route(problem: WebProblem = WebProblem.TIMEOUT, failures: int = http_route.BREAK_AFTER) -> Route:
    route = Route(Origin("example.com", 443, is_tls=True), Share())
    for _ in range(failures):
        route.note_failure(problem, began=10.0, now=11.0)
    return route


def test_one_call_finds_out_whether_it_is_over_and_each_pause_is_longer() -> None:
    route, now, pauses = make_route(), 11.0, []
    for _ in range(8):
        wait = route.ask_breaker(now)
        pauses.append(wait)
        now += wait
        assert route.ask_breaker(now) == 0
        assert route.ask_breaker(now) > 0, "one at a time"
        route.note_failure(WebProblem.TIMEOUT, began=now, now=now)
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    route.note_answer()
    assert route.pause_seconds == 0


def test_calls_that_were_under_way_make_no_pause_longer() -> None:
    route = make_route()
    for _ in range(1_000):
        route.note_failure(WebProblem.TIMEOUT, began=10.9, now=11.5)
    assert route.ask_breaker(11.0) == 1


def test_a_trial_that_never_ends_does_not_keep_the_circuit_open_for_ever() -> None:
    route = make_route()
    assert route.ask_breaker(12.0) == 0
    assert route.ask_breaker(12.5) == 0.5
    assert route.ask_breaker(13.0) == 0


@pytest.mark.parametrize(
    "problem", [WebProblem.TLS, WebProblem.REFUSED_ADDRESS, WebProblem.TOO_LARGE, WebProblem.CROWDED, WebProblem.BROKEN_ANSWER]
)
def test_other_problems_open_no_circuit(problem: WebProblem) -> None:
    assert make_route(problem, 100).pause_seconds == 0
    assert make_route(failures=http_route.BREAK_AFTER - 1).pause_seconds == 0


async def test_routes_that_lead_nowhere_any_more_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_pool, "KEPT_SECONDS", 0.1)
    async with world_of(100, monkeypatch) as world:
        await world.call(A)
        world.vendor.is_deaf = True
        await world.call(B)
        await asyncio.sleep(0.4)
        pool = world.client._pool  # what is kept can't be seen from outside
        assert (pool._open, pool._idle) == (0, 0)
        assert [tenant for tenant, _, _ in pool._routes] == [B], "its failures count for a minute"
        monkeypatch.setattr(http_route, "FORGET_SECONDS", 0.0)
        await asyncio.sleep(0.2)
        gc.collect()
        assert (pool._routes, len(pool._shares)) == ({}, 0)
