"""How whole the broker is: asked about now, and not more often than need be."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from blubees.adapters.broker import size
from blubees.adapters.broker.link import Broker
from blubees.adapters.broker.size import Surveyor


class Client:
    """Three nodes, one of which can be stopped, or killed: then it is called current for a while. Counts surveys."""

    def __init__(self) -> None:
        self.is_stopped = False
        self.killed_at = 0.0
        self.surveys = 0

    async def request(self, subject: str, _data: bytes, *, timeout: float) -> Any:  # noqa: ASYNC109 - as the client's own
        _ = timeout
        silent = int((asyncio.get_running_loop().time() - self.killed_at) * 1e9) if self.killed_at else 0
        peers = [{"name": "node2", "current": not self.is_stopped, "active": silent}, {"name": "node3", "current": True}]
        info = {"config": {"storage": "memory"}, "cluster": {"leader": "node1", "replicas": peers}}
        await asyncio.sleep(0)
        self.surveys += subject.endswith("NAMES")
        return SimpleNamespace(data=msgspec.json.encode({"streams": ["RUNS"]} if subject.endswith("NAMES") else info))


def make_surveyor(client: Client) -> Surveyor:
    return Surveyor(cast("Broker", SimpleNamespace(client=client, replicas=3)))


async def test_a_node_that_was_stopped_before_the_question_is_missed() -> None:
    client = Client()
    surveyor = make_surveyor(client)
    assert (await surveyor.survey()).is_whole
    client.is_stopped = True
    assert (await surveyor.survey()).problems == ("node node2: is away or behind for every stream",)


async def test_a_node_that_was_killed_just_now_is_missed_though_the_broker_calls_it_current(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(size, "HEARD_SECONDS", 0.1)
    monkeypatch.setattr(size, "LOOK_SECONDS", 0.02)
    client = Client()
    client.killed_at = asyncio.get_running_loop().time()
    question = asyncio.create_task(make_surveyor(client).survey())
    assert (await question).problems == ("node node2: is away or behind for every stream",)


async def test_a_node_that_is_heard_a_little_later_is_there() -> None:
    client = Client()
    client.killed_at = asyncio.get_running_loop().time()
    question = asyncio.create_task(make_surveyor(client).survey())
    await asyncio.sleep(0.05)
    client.killed_at = 0.0
    assert (await question).is_whole


async def test_a_question_that_comes_while_a_survey_is_under_way_gets_the_next() -> None:
    client = Client()
    surveyor = make_surveyor(client)
    first = asyncio.create_task(surveyor.survey())
    while not client.surveys:  # noqa: ASYNC110 - the client has no event for that
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    client.is_stopped = True
    assert not (await surveyor.survey()).is_whole
    await first


async def test_all_that_ask_at_once_share_a_survey() -> None:
    client = Client()
    surveyor = make_surveyor(client)
    await asyncio.gather(*(surveyor.survey() for _ in range(50)))
    await asyncio.gather(*(surveyor.survey() for _ in range(50)))
    assert client.surveys == 2


async def test_who_goes_away_takes_the_answer_from_nobody() -> None:
    surveyor = make_surveyor(Client())
    leaving, staying = (asyncio.create_task(surveyor.survey()) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying).is_whole
