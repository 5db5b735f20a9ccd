"""A file goes from an action to another in one step, in pieces; only the flow's own text can say so."""

from typing import Any

import msgspec
import pytest

from blubees.engine.plan import compile_plan
from blubees.engine.runner import Ended, Runner
from blubees.flows.check import CheckedFlow, check_flow
from blubees.flows.connectors import find_connectors, list_named, pin, read_pinned
from blubees.flows.host_rules import list_unreachable
from blubees.model.action import Action, ActionInput, Answer, Content, Fixed, Place, Request
from blubees.model.call import CallAnswer, Effect, Transfer, Transferred
from blubees.model.connector import AuthScheme, Connector
from blubees.model.failures import Failure, FailureCode
from blubees.model.flow import PublishedFlow
from blubees.model.receipt import RunOutcome
from blubees.model.settings import TenantSettings
from blubees.model.web import FilePart
from blubees.steps.book import load_book
from fakes.connectors import FakeShelf
from fakes.engine import TENANT, FakeLine, make_message
from fakes.machine import FakeClock

TEXT: dict[str, Any] = {"type": "string"}
FILE: dict[str, Any] = {"type": "string", "format": "binary"}
GET = Action(
    effect=Effect.READ,
    request=Request(path="/files/{id}"),
    inputs={"id": ActionInput(schema={"type": "integer"}, place=Place.PATH, at=("id",), is_required=True)},
    answer=Answer(is_file=True),
)
SOURCE = Connector(
    name="box",
    title="Box",
    base_url="https://box.example/v1",
    auth={"main": AuthScheme(kind="bearer")},
    actions={"get": GET, "list": msgspec.structs.replace(GET, answer=Answer())},
    source="openapi",
)


def taking(content: Content, at: tuple[str, ...]) -> Action:
    return Action(
        effect=Effect.KEYED,
        key_header="X-Once",
        request=Request(method="POST", path="/put", content=content, fixed=Fixed(body={"v": 2} if at else {})),
        inputs={
            "file": ActionInput(schema=FILE, place=Place.BODY, at=at, is_required=True),
            "note": ActionInput(schema=TEXT, place=Place.BODY if at else Place.QUERY, at=("note",)),
        },
        answer=Answer(at=("id",)),
    )


TARGET = Connector(
    name="store",
    title="Store",
    base_url="https://store.example",
    actions={"put": taking(Content.BYTES, ()), "post": taking(Content.MULTIPART, ("file",))},
    source="openapi",
)
STEP = "- {id: copy, kind: store.%s, with: {note: n, file: {from: box.get, with: {connection: c, id: '{{webhookData.n}}'}}}}"


async def check(step: str) -> tuple[CheckedFlow, tuple[Connector, ...]]:
    text = f"id: flow\nname: F\ntrigger: {{on: webhook}}\nsteps:\n{step}\n"
    found = await find_connectors(FakeShelf({"box": SOURCE, "store": TARGET}), TENANT, text, load_book())
    return check_flow(text, load_book(), found), found.connectors


class Line(FakeLine):
    """Passes files, and keeps what was asked."""

    def __init__(self, passed: Transferred | Failure) -> None:
        super().__init__(lambda _call: CallAnswer(status=200))
        self.passed, self.transfers = passed, list[Transfer]()

    async def transfer(self, transfer: Transfer) -> Transferred | Failure:
        self.transfers.append(transfer)
        return self.passed


async def perform(step: str, passed: Transferred | Failure) -> tuple[Ended, Line]:
    checked, connectors = await check(step)
    assert checked.flow is not None, checked.problems
    pinned = read_pinned(pin(connectors))
    plan = compile_plan(PublishedFlow(tenant=TENANT, version=1, flow=checked.flow, connectors=pinned), dict(load_book()))
    line = Line(passed)
    end = await Runner(FakeClock(), lambda _tenant: line).perform(plan, make_message())
    assert isinstance(end, Ended)
    return end, line


def said(status: int, body: bytes = b'{"id": "7"}', *, is_sent: bool = True) -> Transferred:
    answer = CallAnswer(status=status, headers={"content-type": "application/json"}, body=body)
    return Transferred(is_sent=is_sent, answer=answer, size=9)


async def test_a_file_is_the_body_of_the_request_that_takes_it() -> None:
    end, line = await perform(STEP % "put", said(201))
    assert end.receipt.outcome is RunOutcome.FINISHED
    source, target = line.transfers[0].source, line.transfers[0].target
    assert (source.method, source.url, source.connection) == ("GET", "https://box.example/v1/files/1", "c")
    assert (source.answer_limit_bytes, source.effect) == (1_073_741_824, Effect.READ)
    assert (target.method, target.url, target.body) == ("POST", "https://store.example/put?note=n", b"")
    assert dict(target.headers)["X-Once"]
    assert "Content-Type" not in dict(target.headers), "as the source tells it"
    assert line.transfers[0].part is None
    assert line.calls == []


async def test_a_file_is_a_part_of_a_form_behind_its_fields() -> None:
    _, line = await perform(STEP % "post", said(201))
    assert line.transfers[0].part == FilePart(name="file", fields=(("v", "2"), ("note", "n")))


@pytest.mark.parametrize(
    ("passed", "failure"),
    [
        (said(429), Failure(code=FailureCode.BUSY, http_status=429)),
        (said(404, is_sent=False), Failure(code=FailureCode.NOT_FOUND, http_status=404, field="with.file")),
        (said(200, b"{}", is_sent=False), Failure(code=FailureCode.ANSWER_UNREADABLE, http_status=200, field="with.file")),
        (
            Failure(code=FailureCode.VENDOR_BROKEN, field="with.from_url"),
            Failure(code=FailureCode.VENDOR_BROKEN, field="with.file"),
        ),
        (Failure(code=FailureCode.TIMEOUT, field="with.to_url"), Failure(code=FailureCode.TIMEOUT)),
    ],
)
async def test_whose_failure_it_is_is_told(passed: Transferred | Failure, failure: Failure) -> None:
    end, _ = await perform(STEP % "put", passed)
    assert end.receipt.failure == failure


async def test_no_value_can_name_an_action_or_a_connection() -> None:
    step = "- {id: copy, kind: store.put, with: {file: '{{webhookData}}'}}"
    checked, connectors = await check(step)
    assert checked.flow is not None
    plan = compile_plan(
        PublishedFlow(tenant=TENANT, version=1, flow=checked.flow, connectors=(*connectors, SOURCE)), dict(load_book())
    )
    line = Line(said(201))
    body = b'{"from": "box.get", "with": {"connection": "c", "id": 1}}'
    end = await Runner(FakeClock(), lambda _tenant: line).perform(plan, make_message(body))
    assert isinstance(end, Ended)
    assert end.receipt.failure == Failure(code=FailureCode.INPUT_INVALID, field="with.file", detail="object_not_file")
    assert line.transfers == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("box.get", "box.gt", "The connector box has no action `gt`."),
        ("box.get", "http.get", "There is no connector `http`"),
        ("box.get", "box.list", "box.list gives no file that can be passed on."),
        ("id: '{{webhookData.n}}'", "x: 1", "box.get has no input `x`."),
        ("id: '{{webhookData.n}}'", "id: one", "`id` is a text, allowed is a whole number."),
        ("connection: c, ", "", "box.get needs `connection`"),
        ("{from:", "{form: 1, from:", "`form` is not known here."),
        ("note: n, file:", "file: x, note:", "`note` takes no file, so it can't come `from` an action."),
    ],
)
async def test_a_source_is_checked_like_a_step(old: str, new: str, told: str) -> None:
    step = STEP % "put"
    assert old in step
    checked, _ = await check(step.replace(old, new))
    assert any(told in each.message for each in checked.problems), checked.problems


async def test_a_source_is_found_pinned_and_judged_by_the_tenants_hosts() -> None:
    checked, connectors = await check(STEP % "put")
    assert checked.flow is not None
    assert {name: list(each.actions) for each in connectors for name in [each.name]} == {"box": ["get"], "store": ["put"]}
    denied = list_unreachable(checked.flow, TenantSettings(tenant=TENANT, egress_deny=("box.example",)), connectors)
    assert len(denied) == 1
    assert "with.file.from leads to box.example" in denied[0]


def test_a_template_is_no_name() -> None:
    data = {"steps": [{"kind": "store.put", "with": {"file": {"from": "{{a.b}}"}, "x": {"from": 7}, "y": ["from"]}}]}
    assert list_named(data, {}) == ({"store": {"put"}}, {})
