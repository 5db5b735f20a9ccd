"""`bench.py connectors`: a connector's call beside the same call by a bare aiohttp session. Called by bench.py.

Both POST Slack's chat.postMessage to the sink, ten calls at a time, on uvloop, in one process and in turn. Ours goes the whole
way of a step: settings, lease and its host, URL and headers checked, the tenant's rules and share, the answer within its limit
and read as the connector says. The session's builds the JSON, sends it with the token, and reads the answer's JSON. What the
sink costs is not counted, nor is what a run costs around its step: that is w2 and w3.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import msgspec
import uvloop

from blubees.adapters.machine import SystemChance, SystemClock
from blubees.adapters.web_client import GuardedWebClient
from blubees.connectors.caller import Caller, JiraSite
from blubees.connectors.catalogue import load_connector
from blubees.model.action import Limits
from blubees.model.connection import ConnectionKind, Lease, LeaseRefusal, Use
from blubees.model.egress import HostJudge
from blubees.model.ids import ConnectionName, TenantId
from blubees.steps.actions import make_entries
from blubees.steps.book import load_book
from blubees.steps.contract import Done

ALLOWED: Final = 1.5  # times the session's CPU
AT_ONCE: Final = 10
TURNS: Final = 100  # of each ten
ROUNDS: Final = 15
TENANT: Final = TenantId("t" + "b" * 24)
MESSAGE: Final = {"channel": "C0123456789", "text": "OPS-7 is done: the report has arrived and nobody waits for it any more."}


class Desk:
    """Lends what a conduit holds already: it asks the control plane once a minute."""

    def __init__(self, host: str, clock: SystemClock) -> None:
        self._lease = Lease(
            kind=ConnectionKind.BEARER,
            hosts=(host,),
            user_name="",
            parameter="",
            secret="xoxb-secret",  # noqa: S106 - a word of the bench
            expires_at_milliseconds=clock.now_milliseconds() + 600_000,
        )

    async def borrow(self, tenant: TenantId, name: ConnectionName, _use: Use, refused: str = "") -> Lease | LeaseRefusal:
        del tenant, name, refused
        return self._lease


class Tools(Caller):
    """A caller as a step's tools."""

    def now_milliseconds(self) -> int:
        return self._clock.now_milliseconds()


def try_connectors(sink_url: str) -> dict[str, Any]:
    """Microseconds of CPU a call, ours and the session's, and their ratio: an action of a connector, and the step kind http."""
    return uvloop.run(_measure(f"{sink_url}slack"))


async def _measure(base_url: str) -> dict[str, Any]:
    port, clock = urlsplit(base_url).port or 0, SystemClock()
    web = GuardedWebClient(frozenset({port}), find_judge={TENANT: HostJudge((), ("evil.example",))}.get)
    site = JiraSite("", "", lambda: None)
    tools: Any = Tools(TENANT, web, Desk(f"127.0.0.1:{port}", clock), clock, SystemChance(), site)
    slack = load_connector("slack")
    assert slack is not None
    action = msgspec.structs.replace(slack.actions["post_message"], limits=Limits())  # fifty a minute is no bench
    here = msgspec.structs.replace(slack, base_url=base_url, actions={"post_message": action}, limits=Limits())
    by_action, by_http = make_entries([here])["slack.post_message"], load_book()["http"]
    url = f"{base_url}/chat.postMessage"

    async def call_action() -> None:
        outcome = await by_action.perform({**MESSAGE, "connection": "slack"}, tools)
        assert isinstance(outcome, Done), outcome

    async def call_http() -> None:
        written = {"method": "POST", "url": url, "json": MESSAGE, "connection": "slack"}
        settings: Any = msgspec.convert(written, by_http.settings, strict=False)
        outcome = await by_http.perform(settings, tools)
        assert isinstance(outcome, Done), outcome

    async with aiohttp.ClientSession() as session:

        async def call_bare() -> None:
            async with session.post(url, json=MESSAGE, headers={"Authorization": "Bearer xoxb-secret"}) as answer:
                assert (await answer.json())["ok"]

        sides = {"action": call_action, "http": call_http, "aiohttp": call_bare}
        times: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(ROUNDS + 1):  # the first one opens connections
            for name, call in sides.items():
                times[name].append(await _count_cpu(call))
    await web.close()
    best = {name: min(found[1:]) for name, found in times.items()}
    return {
        name: {
            "microseconds": round(best[name], 1),
            "aiohttp_microseconds": round(best["aiohttp"], 1),
            "ratio": round(best[name] / best["aiohttp"], 2),
            "allowed_ratio": ALLOWED,
        }
        for name in ("action", "http")
    }


async def _count_cpu(call: Callable[[], Awaitable[None]]) -> float:
    async def repeat() -> None:
        for _ in range(TURNS):
            await call()

    before = time.process_time()
    await asyncio.gather(*(repeat() for _ in range(AT_ONCE)))
    return (time.process_time() - before) / (TURNS * AT_ONCE) * 1e6
