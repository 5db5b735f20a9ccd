"""The desk that launches lost runs again: what it asks of the source, and the event that it makes of it."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import orjson
import pytest

from blubees.engine.launch import Launcher
from blubees.engine.message import RunMessage, open_run
from blubees.engine.plan import PlanShelf
from blubees.engine.work import Receipts
from blubees.flows.check import check_flow
from blubees.flows.redrive import RedriveDesk
from blubees.model.call import Call, CallAnswer
from blubees.model.errors import UnavailableError
from blubees.model.failures import Failure, FailureCode
from blubees.model.flow import PublishedFlow, TriggerKind
from blubees.model.ids import FlowId
from blubees.model.order import Redrive
from blubees.model.receipt import RunAccepted, RunOutcome, RunReceipt
from blubees.model.reference import Reference
from blubees.steps.book import load_book
from blubees.vault.seal import Sealer
from fakes.engine import TENANT, FakeBox, FakeLine, FakeQueue
from fakes.machine import FakeChance, FakeClock

FLOW = FlowId("flow")
RUN = "r" + "7" * 26
CREATED = Reference(issue="10001", event_at_milliseconds=5)


class Box(Receipts):
    """Keeps what is told."""

    def __init__(self) -> None:
        super().__init__(FakeBox(), lambda *_args, **_fields: None)
        self.told: list[Any] = []

    def add(self, receipt: Any, taken: Any = None) -> None:
        assert taken is None
        self.told.append(receipt)


class World:
    """A conduit's parts around one flow, and a site."""

    def __init__(self, trigger: Any = "{on: jira.issue_created}", answer: Callable[[str], Any] = lambda _path: 404) -> None:
        self.clock, self.queue, self.box, self.answer = FakeClock(), FakeQueue(), Box(), answer
        self.sealer = Sealer(b"k" * 32, FakeChance())
        self.line = FakeLine(self.reply)
        self.accepted: list[RunAccepted] = []
        text = f"id: flow\nname: F\ntrigger: {trigger}\nsteps: [{{id: a, kind: stop}}]\n"
        checked = check_flow(text, load_book())
        assert checked.flow is not None, checked.problems
        shelf = PlanShelf(dict(load_book()))
        shelf.put(TENANT, FLOW, PublishedFlow(tenant=TENANT, version=3, flow=checked.flow))
        self.launcher = Launcher(self.queue, self.sealer, b"d" * 32, self.clock, self.accepted.append)
        self.desk = RedriveDesk(shelf, lambda _tenant: self.line, self.launcher, self.box, self.clock)

    def reply(self, call: Call) -> CallAnswer | Failure:
        query = "&".join(f"{name}={value}" for name, value in call.query)
        found = self.answer(call.url.removeprefix("/rest/api/3/issue/") + (f"?{query}" if query else ""))
        if isinstance(found, Failure):
            return found
        status, body = (found, {}) if isinstance(found, int) else (200, found)
        return CallAnswer(status=status, headers={"content-type": "application/json"}, body=json.dumps(body).encode())

    def launched(self) -> tuple[RunMessage, Any]:
        (put,) = self.queue.put_runs
        message = open_run(TENANT, put[2], self.sealer)
        return message, orjson.loads(message.body)


def order(trigger: TriggerKind = TriggerKind.ISSUE_CREATED, reference: Reference = CREATED, version: int = 3) -> Redrive:
    return Redrive(
        tenant=TENANT,
        flow=FLOW,
        version=version,
        run=RUN,
        trigger=trigger,
        accepted_at_milliseconds=1,
        relaunches=1,
        reference=reference,
        expires_at_milliseconds=FakeClock().now_milliseconds() + 1_000,
    )


ISSUE_JSON = {"id": "10001", "key": "A-1", "self": "s", "fields": {"summary": "now", "creator": {"accountId": "c"}}}


async def test_a_created_issue_is_asked_for_and_the_run_keeps_its_id() -> None:
    world = World(answer=lambda path: ISSUE_JSON if path == "10001" else 404)
    for _ in range(2):
        await world.desk.carry_out(order())
    message, event = world.launched()
    assert (message.run, message.relaunches, message.is_redriven, message.version) == (RUN, 1, True, 3)
    assert event["issue"] == {"id": "10001", "key": "A-1", "fields": ISSUE_JSON["fields"]}
    assert (event["eventType"], event["timestamp"], event["atlassianId"]) == ("avi:jira:created:issue", "5", "c")
    assert [each.relaunches for each in world.accepted] == [1], "carried out twice, it is launched once"


async def test_a_change_is_found_on_whichever_page_of_the_changelog_it_stands() -> None:
    def answer(path: str) -> Any:
        if path == "10001":
            return ISSUE_JSON
        start = int(path.partition("startAt=")[2].partition("&")[0])
        size = int(path.partition("maxResults=")[2])
        values = [
            {"id": str(number), "author": {"accountId": f"u{number}"}, "items": [{"field": "x"}]} for number in range(250)
        ]
        return {"total": 250, "values": values[start : start + size]}

    for change in ("3", "120", "249"):
        world = World("{on: jira.issue_updated}", answer)
        await world.desk.carry_out(order(TriggerKind.ISSUE_UPDATED, Reference(issue="10001", changelog=change)))
        _, event = world.launched()
        assert event["changelog"] == {"id": change, "items": [{"field": "x"}]}
        assert event["atlassianId"] == f"u{change}"
    world = World("{on: jira.issue_updated}", answer)
    await world.desk.carry_out(order(TriggerKind.ISSUE_UPDATED, Reference(issue="10001", changelog="999")))
    assert world.box.told[0].failure.code is FailureCode.REFERENCE_GONE


async def test_a_comment_comes_with_its_issue() -> None:
    comment = {"id": "9", "author": {"accountId": "a"}, "body": {}}
    world = World("{on: jira.issue_commented}", lambda path: {"10001": ISSUE_JSON, "10001/comment/9": comment}.get(path, 404))
    await world.desk.carry_out(order(TriggerKind.ISSUE_COMMENTED, Reference(issue="10001", comment="9")))
    _, event = world.launched()
    assert (event["comment"], event["atlassianId"]) == (comment, "a")


async def test_what_is_gone_is_lost_and_says_so() -> None:
    world = World()
    await world.desk.carry_out(order())
    (receipt,) = world.box.told
    assert isinstance(receipt, RunReceipt)
    assert (receipt.outcome, receipt.run, receipt.relaunches) == (RunOutcome.LOST, RUN, 1)
    assert receipt.failure is not None
    assert receipt.failure.code is FailureCode.REFERENCE_GONE
    assert world.queue.put_runs == []


@pytest.mark.parametrize("failure", [FailureCode.BUSY, FailureCode.CREDENTIAL_REFUSED, FailureCode.UNREACHABLE])
async def test_what_may_work_later_is_tried_later_until_the_order_expires(failure: FailureCode) -> None:
    world = World(answer=lambda _path: Failure(code=failure, retry_after_seconds=40))
    with pytest.raises(UnavailableError) as caught:
        await world.desk.carry_out(order())
    assert caught.value.retry_after_seconds == 40
    world.clock.advance(2)
    await world.desk.carry_out(order())
    assert world.box.told[0].failure.code is FailureCode.LOST


async def test_an_unknown_version_and_a_full_queue_wait() -> None:
    world = World(answer=lambda _path: ISSUE_JSON)
    with pytest.raises(UnavailableError):
        await world.desk.carry_out(order(version=4))
    world.queue.room_for = 0
    with pytest.raises(UnavailableError):
        await world.desk.carry_out(order())
    assert world.box.told == []


async def test_a_tick_is_written_anew_and_a_polled_item_is_found_by_its_mark() -> None:
    world = World("{on: schedule, every_seconds: 60}")
    await world.desk.carry_out(order(TriggerKind.SCHEDULE, Reference(due_at_milliseconds=1_795_000_000_000)))
    assert world.launched()[1]["schedule"]["due"].startswith("2026-11-18")
    items = [{"id": "a"}, {"id": "b"}]
    asks = "url: 'https://a.example/', items: '{{response.body}}', id: '{{item.id}}', cursor: '{{response.status}}'"
    trigger = f"{{on: poll, every_seconds: 60, poll: {{{asks}}}}}"
    world = World(trigger, lambda _path: items)
    mark = world.launcher.hash_delivery(TENANT, FLOW, "poll|b")
    await world.desk.carry_out(order(TriggerKind.POLL, Reference(item="c1", due_at_milliseconds=5, delivery=mark)))
    assert world.launched()[1]["item"] == {"id": "b"}
    other = Reference(item="c1", due_at_milliseconds=5, delivery="0" * 32)
    world = World(trigger, lambda _path: items)
    await world.desk.carry_out(order(TriggerKind.POLL, other))
    assert world.box.told[0].failure.code is FailureCode.REFERENCE_GONE


async def test_a_failed_run_that_starts_anew_is_another_run_that_says_which_it_retries() -> None:
    world = World(answer=lambda path: ISSUE_JSON if path == "10001" else 404)
    anew = msgspec.structs.replace(order(), retry_of="r" + "1" * 26, relaunches=0)
    await world.desk.carry_out(anew)
    message, event = world.launched()
    assert (message.run, message.retry_of, message.relaunches) == (RUN, "r" + "1" * 26, 0)
    assert message.is_redriven, "what the failed run did before, nobody knows: its unsafe calls are in doubt"
    assert event["issue"]["fields"] == ISSUE_JSON["fields"], "today's"
    (told,) = world.accepted
    assert (told.run, told.retry_of, told.reference.issue) == (RUN, "r" + "1" * 26, "10001"), "it can be asked for again too"
    lost = World()
    await lost.desk.carry_out(anew)
    assert (lost.box.told[0].outcome, lost.box.told[0].retry_of) == (RunOutcome.LOST, "r" + "1" * 26)
