"""A run that waits for a call back or a Jira event: what comes early, twice, or is not what is waited for."""

from pathlib import Path

import pytest

from blubees.engine.mail import Mailbox, MailVerdict
from blubees.engine.runner import Ended, Parked
from blubees.flows.check import check_flow
from blubees.flows.listening import Listener
from blubees.model.errors import UnavailableError
from blubees.model.event import Admission, RawEvent, Verdict
from blubees.model.flow import TriggerKind
from blubees.model.ids import TenantId
from blubees.model.settings import Parking
from blubees.steps.book import load_book
from fakes.engine import TENANT, make_message
from fakes.parked_world import ParkedWorld, park_world

OTHER = TenantId("t" + "1" * 24)
STEPS = """\
  - {id: ask, kind: http, with: {method: PUT, url: "https://a.example.com/ask", json: "{{callBacks.reply}}"}}
  - id: reply
    kind: wait_for
    with: {hours: 2, where: "{{event.body.ok}}"}
    branches:
      - name: arrived
        steps: [{id: yes, kind: http, with: {method: PUT, url: "https://a.example.com/yes-{{steps.reply.event.body.word}}"}}]
      - {name: timeout, steps: [{id: no, kind: http, with: {method: PUT, url: "https://a.example.com/no"}}]}
  - {id: last, kind: http, with: {method: PUT, url: "https://a.example.com/last-{{steps.reply.timed_out}}"}}"""


async def find_mailbox(world: ParkedWorld) -> Mailbox:
    """The mailbox behind the address that the third party was given."""
    address = world.sent[0].body.decode().strip('"')
    assert address.startswith(f"https://hooks.example.com/call-backs/{TENANT}/")
    token = address.rpartition("/")[2]
    assert await world.call_backs.find_mailbox(OTHER, token) is None, "another tenant's"
    assert await world.call_backs.find_mailbox(TENANT, token[:-2] + "AA") is None, "forged"
    assert await world.call_backs.find_mailbox(TENANT, "r0.AAAA") is None
    found = await world.call_backs.find_mailbox(TENANT, token)
    assert found is not None
    return found


async def call_back(world: ParkedWorld, word: str, *, ok: bool = True) -> MailVerdict:
    return await world.room.deliver(TENANT, await find_mailbox(world), {"body": {"ok": ok, "word": word}})


async def test_a_call_back_ends_the_wait_and_what_it_brought_can_be_read(tmp_path: Path) -> None:
    async with park_world(tmp_path, STEPS) as world:
        await world.start({})
        assert await call_back(world, "w") is MailVerdict.TAKEN
        end = await world.wake()
        assert world.asked == ["ask", "yes-w", "last-false"]
        await world.end(end)
        assert b"https://hooks" not in (tmp_path / "db.sqlite3").read_bytes()


async def test_a_call_back_that_comes_before_the_run_is_parked_is_not_lost(tmp_path: Path) -> None:
    async with park_world(tmp_path, STEPS) as world:
        parked = await world.perform(make_message())
        assert isinstance(parked, Parked)
        assert await call_back(world, "early") is MailVerdict.TAKEN
        assert await world.parker.park(parked.message, parked.waits) is None
        await world.end(await world.wake())
        assert world.asked == ["ask", "yes-early", "last-false"]


async def test_what_is_not_waited_for_leaves_the_run_waiting_and_what_came_meanwhile_is_looked_at(tmp_path: Path) -> None:
    async with park_world(tmp_path, STEPS) as world:
        await world.start({})
        await call_back(world, "a", ok=False)
        again = await world.wake()
        assert isinstance(again, Parked)
        await call_back(world, "b", ok=False)
        await call_back(world, "c")
        assert await world.parker.park(again.message, again.waits) is None
        await world.end(await world.wake())
        assert world.asked == ["ask", "yes-c", "last-false"]


async def test_only_what_came_last_counts_for_nothing_more_and_the_time_is_over_as_it_was_said(tmp_path: Path) -> None:
    async with park_world(tmp_path, STEPS) as world:
        await world.start({})
        world.clock.advance(3_600)
        await call_back(world, "a", ok=False)
        again = await world.wake()
        assert isinstance(again, Parked)
        assert await world.parker.park(again.message, again.waits) is None
        assert await world.service.wake_due() == 0
        await world.end(await world.wake(3_600))
        assert world.asked == ["ask", "no", "last-true"]


async def test_two_call_backs_at_a_time_end_it_once_and_a_late_one_changes_nothing(tmp_path: Path) -> None:
    async with park_world(tmp_path, STEPS) as world:
        await world.start({})
        await call_back(world, "one")
        await call_back(world, "two")
        await world.end(await world.wake())
        assert await call_back(world, "late") is MailVerdict.OVER
        assert await world.carry_out() == []
        assert world.asked == ["ask", "yes-one", "last-false"]


async def test_a_mailbox_takes_so_much_and_no_more(tmp_path: Path) -> None:
    async with park_world(tmp_path, STEPS) as world:
        assert isinstance(await world.perform(make_message()), Parked)
        verdicts = [await call_back(world, str(number)) for number in range(22)]
        assert verdicts == [MailVerdict.TAKEN] * 20 + [MailVerdict.FULL] * 2


EVENT_STEPS = """\
  - id: reply
    kind: wait_for
    with: {event: jira.issue_commented, days: 1, where: '{{event.comment.body.contains("ok")}}'}
  - {id: last, kind: http, with: {method: PUT, url: "https://a.example.com/{{steps.reply.event.comment.body}}-{{issue.key}}"}}"""
ISSUE = {"id": "10001", "key": "A-1", "fields": {}}


def comment(body: str, *, tenant: TenantId = TENANT, issue: str = "10001") -> RawEvent:
    document = {"issue": {"id": issue}, "comment": {"body": body}}
    return RawEvent(tenant=tenant, trigger=TriggerKind.ISSUE_COMMENTED, body=b"", document=document, delivery=body)


class World:
    """A listener in front of an intake that matches nothing."""

    def __init__(self, world: ParkedWorld) -> None:
        self.listener = Listener(self.admit, world.room, world.desk)
        self.listener.learn(TENANT)

    async def admit(self, _event: RawEvent) -> Admission:
        return Admission(verdict=Verdict.UNMATCHED)


async def test_an_event_about_the_runs_own_issue_ends_the_wait_when_it_is_the_one(tmp_path: Path) -> None:
    async with park_world(tmp_path, EVENT_STEPS, "jira.issue_created") as world:
        parked = await world.start({"eventType": "avi:jira:created:issue", "issue": ISSUE})
        assert [(wait.trigger, wait.issue) for wait in parked.waits] == [(TriggerKind.ISSUE_COMMENTED, "10001")]
        assert world.listening == [TENANT]
        ears = World(world)
        for other in (comment("ok", issue="10002"), comment("ok", tenant=OTHER)):
            assert (await ears.listener.admit(other)).verdict is Verdict.UNMATCHED
        assert await world.carry_out() == []
        assert (await ears.listener.admit(comment("no"))).verdict is Verdict.QUEUED
        again = await world.wake()
        assert isinstance(again, Parked)
        assert await world.parker.park(again.message, again.waits) is None
        for _ in range(2):  # the sender tries twice
            await ears.listener.admit(comment("ok!"))
        end = await world.wake()
        assert isinstance(end, Ended)
        assert world.asked == ["ok!-A-1"]


async def test_an_event_whose_waiters_are_not_known_now_is_asked_for_again(tmp_path: Path) -> None:
    async with park_world(tmp_path, EVENT_STEPS, "jira.issue_created") as world:
        await world.start({"eventType": "avi:jira:created:issue", "issue": ISSUE})
        ears = World(world)

        async def refuse(*_: object) -> None:
            raise UnavailableError("away")

        world.desk.find_waiters = refuse  # type: ignore[method-assign,assignment]
        assert (await ears.listener.admit(comment("ok"))).verdict is Verdict.UNAVAILABLE


@pytest.mark.parametrize(
    ("branches", "part"),
    [
        ("[{name: late, steps: [{id: b, kind: stop}]}]", "is named arrived or timeout"),
        ("[{name: timeout, steps: [{id: b, kind: stop}]}, {name: timeout, steps: [{id: c, kind: stop}]}]", "each once"),
        ("[{steps: [{id: b, kind: stop}]}]", "is named arrived or timeout"),
    ],
)
def test_a_branch_that_is_none_of_its_own_is_told(branches: str, part: str) -> None:
    text = f"id: f\nname: F\ntrigger: {{on: webhook}}\nsteps:\n  - {{id: a, kind: wait_for, branches: {branches}}}\n"
    assert part in " ".join(problem.message for problem in check_flow(text, load_book()).problems)


@pytest.mark.parametrize("is_read", [True, False])
async def test_what_arrived_is_payload_while_its_branch_waits_on_if_it_is_read_later(tmp_path: Path, *, is_read: bool) -> None:
    steps = STEPS.replace("{id: yes, kind: http", "{id: pause, kind: wait, with: {days: 1}}, {id: yes, kind: http")
    steps = steps.replace("{{steps.reply.timed_out}}", "x").replace("yes-{{steps.reply.event.body.word}}", "yes")
    if is_read:
        steps = steps.replace("last-x", "last-{{steps.reply.event.body.word}}")
    async with park_world(tmp_path, steps) as world:
        world.parking = Parking.REFUSE
        await world.start({})
        await call_back(world, "canary")
        end = await world.wake()
        assert isinstance(end, Parked)
        failure = await world.parker.park(end.message, end.waits)
        assert (failure is not None, "canary" in str(end.message.state.done)) == (is_read, is_read)
