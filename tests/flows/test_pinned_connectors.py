"""A published version carries the actions that it uses: it stays as it was published, whatever becomes of the connector."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from blubees.adapters.database import Database, open_database
from blubees.engine.plan import PlanShelf
from blubees.engine.runner import Ended, Runner
from blubees.flows.timetable import Timetable
from blubees.flows.versions import FlowService
from blubees.model.action import Action, ActionInput, ActionOutput, Answer, Content, Place, Request
from blubees.model.call import Call, CallAnswer, Effect
from blubees.model.connector import AuthScheme, Connector
from blubees.model.failures import Failure, FailureCode
from blubees.model.flow import PublishedFlow
from blubees.model.ids import FlowId
from blubees.model.receipt import RunOutcome
from blubees.steps.book import load_book
from fakes.boards import FakeBoard
from fakes.connectors import FakeShelf
from fakes.engine import TENANT, FakeLine, make_message
from fakes.machine import FakeChance, FakeClock

TEXT = """\
id: flow
name: F
trigger: {on: webhook}
steps:
  - {id: make, kind: acme.make, with: {connection: c, title: "{{webhookData.n}}"}}
  - {id: say, kind: set, with: {values: {made: "{{steps.make.id}}"}}}
"""


def make_connector(path: str, *names: str) -> Connector:
    taken = {
        name: ActionInput(schema={"type": "string"}, place=Place.BODY, at=("fields", name), is_required=True) for name in names
    }
    made = Action(
        title="Make",
        effect=Effect.KEYED,
        key_header="X-Once",
        request=Request(method="POST", path=path, content=Content.JSON),
        inputs=taken,
        answer=Answer(outputs={"id": ActionOutput(schema={"type": "string"}, at=("id",))}),
    )
    return Connector(
        name="acme",
        title="Acme",
        base_url="https://acme.example/v1",
        auth={"main": AuthScheme(kind="bearer")},
        actions={"make": made, "other": made},
        source="openapi",
    )


class World:
    """A tenant with a connector that it imported."""

    def __init__(self, database: Database) -> None:
        self.board, self.shelf = FakeBoard(), FakeShelf({"acme": make_connector("/things", "title")})
        clock = FakeClock()
        timetable = Timetable(database.schedules, clock)
        self.flows = FlowService(database.flows, self.board, timetable, clock, FakeChance(), load_book(), connectors=self.shelf)

    async def publish(self) -> int:
        await self.flows.save_draft(TENANT, TEXT)
        return (await self.flows.publish(TENANT, FlowId("flow"))).version

    async def posted(self) -> PublishedFlow:
        plan = (await self.board.find(TENANT, FlowId("flow")))[1]
        assert plan is not None
        return msgspec.json.decode(msgspec.json.encode(plan), type=PublishedFlow)  # as it travels


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'flows.sqlite3'}")
    await database.prepare()
    yield World(database)
    await database.close()


async def perform(plan: PublishedFlow, answer: CallAnswer) -> tuple[Ended, list[Call]]:
    shelf = PlanShelf(dict(load_book()))
    shelf.put(TENANT, plan.flow.id, plan)
    compiled = shelf.get(TENANT, plan.flow.id, plan.version)
    assert compiled is not None
    line = FakeLine(lambda _call: answer)
    end = await Runner(FakeClock(), lambda _tenant: line).perform(compiled, make_message(version=plan.version))
    assert isinstance(end, Ended)
    return end, line.calls


MADE = CallAnswer(status=201, headers={"content-type": "application/json"}, body=b'{"id": "7", "more": 1}')


async def test_an_action_is_a_step(world: World) -> None:
    await world.publish()
    plan = await world.posted()
    assert list(plan.connectors[0].actions) == ["make"]
    end, calls = await perform(plan, MADE)
    assert end.receipt.outcome is RunOutcome.FINISHED
    assert [(step.step, step.kind, step.http_status) for step in end.receipt.steps] == [
        ("make", "acme.make", 201),
        ("say", "set", 0),
    ]
    assert (calls[0].method, calls[0].url, calls[0].connection) == ("POST", "https://acme.example/v1/things", "c")
    assert calls[0].body == b'{"fields":{"title":"1"}}'
    assert dict(calls[0].headers)["X-Once"]


async def test_a_failure_says_what_the_answer_means(world: World) -> None:
    await world.publish()
    end, _ = await perform(await world.posted(), CallAnswer(status=429, headers={"retry-after": "7"}))
    assert end.receipt.failure == Failure(code=FailureCode.BUSY, http_status=429, retry_after_seconds=7)


async def test_a_version_stays_as_it_was_when_the_connector_changes(world: World) -> None:
    assert await world.publish() == 1
    world.shelf.connectors["acme"] = make_connector("/v2/things", "name")
    await world.flows.post_all()
    assert (await world.posted()).connectors[0].actions["make"].request.path == "/things"
    checked = await world.flows.save_draft(TENANT, TEXT)
    assert any("acme.make has no input `title`" in each.message for each in checked.problems)
    assert (await world.flows.load_published(TENANT, FlowId("flow"), 1)).connectors[0].actions["make"].inputs.keys() == {
        "title"
    }


async def test_publishing_again_takes_over_what_changed(world: World) -> None:
    assert [await world.publish(), await world.publish()] == [1, 1]
    world.shelf.connectors["acme"] = make_connector("/v2/things", "title")
    assert await world.publish() == 2
    assert (await world.posted()).connectors[0].actions["make"].request.path == "/v2/things"
