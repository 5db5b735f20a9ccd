"""Every trigger of the catalogue that registers a webhook at its vendor takes it back: by what the vendor's documented answer tells.

The vendor is played by the examples of the connector's own file, which are the vendor's documented requests and answers.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from blubees.adapters.database import Database, open_database
from blubees.connectors.catalogue import load_catalogue
from blubees.model.action import ActionExample
from blubees.model.connector import Connector, Hook
from blubees.model.ids import FlowId
from blubees.model.web import WebAnswer, WebRequest
from fakes.engine import TENANT
from fakes.machine import FakeWeb
from fakes.registering import FLOW, Registering

REGISTERED = [
    (connector, name, trigger.hook)
    for connector in load_catalogue()
    for name, trigger in connector.triggers.items()
    if trigger.hook is not None and trigger.hook.register
]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'db.sqlite3'}")
    await opened.prepare()
    yield opened
    await opened.close()


def find_example(connector: Connector, action: str) -> ActionExample:
    return next(each for each in connector.actions[action].examples if not each.fails)


def read_body(content: bytes) -> object:
    """JSON, or a form."""
    return json.loads(content) if content.startswith(b"{") else dict(parse_qsl(content.decode(), keep_blank_values=True))


class Vendor:
    """Answers one request after the other as the examples say."""

    def __init__(self, *examples: ActionExample) -> None:
        self.replies = [reply for each in examples for reply in each.replies]

    def answer(self, _request: WebRequest) -> WebAnswer:
        reply = self.replies.pop(0)
        body = b"" if reply.body is None else json.dumps(reply.body).encode()
        return WebAnswer(status=reply.status, headers={"content-type": "application/json", **reply.headers}, body=body)


@pytest.mark.parametrize(("connector", "trigger", "hook"), REGISTERED, ids=[f"{each[0].name}.{each[1]}" for each in REGISTERED])
async def test_what_is_registered_is_taken_back_by_what_the_vendor_told(
    database: Database, tmp_path: Path, connector: Connector, trigger: str, hook: Hook
) -> None:
    assert hook.unregister, "there is a way back"
    registering, taking_back = find_example(connector, hook.register), find_example(connector, hook.unregister)
    web = FakeWeb(Vendor(registering, taking_back).answer)
    control = Registering(database, tmp_path, web, connector)
    await control.connect("t0ken")
    asked = connector.actions[hook.register].inputs
    needed = {name for name, each in asked.items() if each.is_required and name not in hook.register_inputs}
    done = await control.publish(trigger, {name: registering.inputs[name] for name in needed})
    assert (done.is_registered, done.registration) == (True, None)
    assert await control.flows.withdraw(TENANT, FLOW) is None
    wanted = (registering.asks[0], taking_back.asks[0])
    assert [(each.method, urlsplit(each.url).path) for each in web.requests] == [(each.method, each.path) for each in wanted]
    if taking_back.asks[0].body is not None:
        assert read_body(web.requests[1].body) == taking_back.asks[0].body
    assert await database.registrations.list_removals(TENANT) == []


async def test_what_another_flow_has_registered_in_the_same_place_is_not_taken_from_it(
    database: Database, tmp_path: Path
) -> None:
    connector = next(each[0] for each in REGISTERED if each[0].name == "twilio")
    web = FakeWeb(lambda _request: WebAnswer(status=500, headers={}, body=b""))
    control = Registering(database, tmp_path, web, connector)
    await control.connect("t0ken")
    registering = find_example(connector, "set_message_address")
    number = {name: value for name, value in registering.inputs.items() if name != "url"}
    web.reply = Vendor(registering).answer
    await control.publish("message_received", number)
    web.reply = lambda _request: WebAnswer(status=500, headers={}, body=b"")
    assert await control.flows.withdraw(TENANT, FLOW) == "vendor_broken"
    web.reply = Vendor(registering).answer
    assert (await control.publish("message_received", number, FlowId("other"))).is_registered
    asked = len(web.requests)
    control.clock.advance(60)
    assert await control.registrations.removals.see_to_due() == 1
    assert len(web.requests) == asked, "the number's address is the other flow's now"
    assert [each.state for each in await control.registrations.list(TENANT)] == ["registered"]


def test_some_vendors_register() -> None:
    assert {"github", "gitlab"} <= {each[0].name for each in REGISTERED}
