"""People are asked an exact question, each answers once, and the run goes on by what they said: whatever comes between."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from blubees.engine.questions import bind_question, read_question
from blubees.engine.runner import Ended, Parked
from blubees.engine.sign_offs import AskedSignOff, SignOffs
from blubees.model.failures import FailureCode
from blubees.model.ids import RunId, TenantId
from blubees.model.order import Notify
from blubees.model.parking import SignOffRule
from blubees.model.receipt import RunOutcome
from blubees.model.sign_off import AnswerSignOff, Choice, SignOffReply, SignOffRequest, SignOffVerdict
from blubees.operations.sign_offs import SignOffService
from fakes.engine import TENANT, make_message
from fakes.parked_world import ParkedWorld, park_world
from fakes.world import http

RUN = make_message().run
BRANCHES = f"""
    branches:
      - {{name: approved, steps: [{http("yes", "yes-{{steps.ask.approved_by}}")}]}}
      - {{name: rejected, steps: [{http("no", "no-{{steps.ask.rejected_by}}")}]}}"""
ASK = """\
  - id: ask
    kind: sign_off
    with: {question: "Ship {{webhookData.what}}?", approvers: [mia, emma, tom], needed: 2, hours: 48}"""
HOUR = 3_600


class Asking:
    """A parked world with people in it."""

    def __init__(self, world: ParkedWorld) -> None:
        self.world = world
        self.service = SignOffService(world.database.sign_offs, world.service, world.orders, world.clock)
        self.sign_offs = SignOffs(self, world.parker)

    async def ask(self, request: SignOffRequest) -> SignOffReply:
        """Port SignOffDesk."""
        return await self.service.answer_desk(request)

    async def show(self, account: str, path: str = "ask", tenant: TenantId = TENANT) -> AskedSignOff:
        found = await self.sign_offs.show(tenant, RUN, path, account)
        assert isinstance(found, AskedSignOff), found
        return found

    async def answer(
        self, account: str, choice: str = "approve", *, question: str = "", path: str = "ask", **other: Any
    ) -> str:
        if not question:
            question = (await self.show(account, path)).question_hash
        done = await self.sign_offs.answer(
            AnswerSignOff(
                tenant=other.get("tenant", TENANT),
                run=other.get("run", RUN),
                path=path,
                account=account,
                choice=Choice(choice),
                question=question,
            )
        )
        return done.ended or done.verdict.value

    async def tell(self) -> int:
        """Send the notices that are due, and carry them out; gives how many comments there are then."""
        await self.service.send_notices()
        for order in [each for each in self.world.orders.given if isinstance(each, Notify)]:
            await self.sign_offs.notify(order)
        self.world.orders.given.clear()
        return len(self.world.jira.comments)


@asynccontextmanager
async def asking(folder: Path, steps: str = ASK + BRANCHES, trigger: str = "webhook") -> AsyncIterator[Asking]:
    async with park_world(folder, steps, trigger) as world:
        yield Asking(world)


async def test_enough_approvals_end_it_and_the_run_knows_whose(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        await asked.world.start({"what": "canary-ship"})
        shown = await asked.show("mia")
        assert (shown.question, shown.sign_off.needed, shown.sign_off.approved) == ("Ship canary-ship?", 2, 0)
        assert "canary" not in repr(shown)
        assert await asked.answer("mia") == "counted"
        assert [each.approved for each in await asked.sign_offs.list(TENANT, "emma")] == [1]
        assert await asked.sign_offs.list(TENANT, "mia") == (), "mia has answered"
        waiting = await asked.service.add_progress(TENANT, await asked.world.service.list_waiting(TENANT))
        assert [(each.approved, each.needed, each.approvers) for each in waiting] == [(1, 2, ("mia", "emma", "tom"))]
        asked.world.clock.advance(1)
        assert await asked.answer("emma") == "approved"
        await asked.world.end(await asked.world.wake())
        assert asked.world.asked == ["yes-mia, emma"]
        assert b"canary" not in (tmp_path / "db.sqlite3").read_bytes()


async def test_one_rejection_ends_it_and_later_answers_do_not_count(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        await asked.world.start({"what": "it"})
        question = (await asked.show("mia")).question_hash
        await asked.answer("mia")
        assert await asked.answer("emma", "reject") == "rejected"
        assert await asked.answer("tom", question=question) == "over"
        await asked.world.end(await asked.world.wake())
        assert asked.world.asked == ["no-emma"]
        assert await asked.answer("tom", question=question) == "unknown"


async def test_a_person_answers_once_and_a_replay_changes_nothing(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        await asked.world.start({"what": "it"})
        assert [await asked.answer("mia") for _ in range(3)] == ["counted"] * 3
        assert await asked.answer("mia", "reject") == "answered"
        assert (await asked.show("mia")).sign_off.approved == 1


async def test_others_other_tenants_and_other_runs_all_look_unknown(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        await asked.world.start({"what": "it"})
        question = (await asked.show("mia")).question_hash
        other = TenantId("t" + "1" * 24)
        assert await asked.answer("eve", question=question) == "unknown"
        assert await asked.answer("mia", question=question, tenant=other) == "unknown"
        assert await asked.answer("mia", question=question, run=RunId("r" + "9" * 26)) == "unknown"
        assert await asked.answer("mia", question=question, path="other") == "unknown"
        assert await asked.sign_offs.show(TENANT, RUN, "ask", "eve") is SignOffVerdict.UNKNOWN
        assert await asked.sign_offs.show(other, RUN, "ask", "mia") is SignOffVerdict.UNKNOWN
        assert await asked.sign_offs.list(other, "mia") == ()
        assert await asked.sign_offs.list(TENANT, "eve") == ()


async def test_an_answer_is_for_one_question_only(tmp_path: Path) -> None:
    steps = """\
  - id: loop
    kind: each
    with: {items: "{{webhookData.list}}"}
    branches:
      - steps: [{id: ask, kind: sign_off, with: {question: "{{item}}?", approvers: mia}}]"""
    async with asking(tmp_path, steps) as asked:
        await asked.world.start({"list": ["a", "b"]})
        first = await asked.show("mia", "loop[0]/ask")
        assert await asked.answer("mia", path="loop[0]/ask") == "approved"
        again = await asked.world.wake()
        assert isinstance(again, Parked)
        assert await asked.world.parker.park(again.message, again.waits) is None
        second = await asked.show("mia", "loop[1]/ask")
        assert (first.question, second.question) == ("a?", "b?")
        assert await asked.answer("mia", path="loop[1]/ask", question=first.question_hash) == "changed"
        assert await asked.answer("mia", path="loop[1]/ask") == "approved"
        await asked.world.end(await asked.world.wake())


CHANGES: list[dict[str, Any]] = [
    {"question": "Ship nothing?"},
    {"salt": "0" * 64},
    {"asked": [TENANT, RUN, "other", "1"]},
    {"asked": [TENANT, RUN, "ask", "2"]},
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_question_that_is_not_the_one_that_was_asked_is_not_shown(change: dict[str, Any]) -> None:
    rule = SignOffRule(approvers=("mia",))
    bound, note = bind_question(b"key", (TENANT, RUN, "ask", "1"), rule, "Ship it?")
    asked = (TENANT, RUN, "ask")
    assert read_question(dict(note), bound, asked, bound.question) == "Ship it?"
    assert read_question({**note, **change}, bound, asked, bound.question) is None
    assert read_question(dict(note), bound, asked, "0" * 64) is None
    assert read_question(dict(note), msgspec.structs.replace(bound, approvers=("eve",)), asked, bound.question) is None


async def test_two_who_answer_at_once_are_both_counted_and_the_run_wakes_once(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        await asked.world.start({"what": "it"})
        question = (await asked.show("mia")).question_hash
        people = ("mia", "emma", "tom")
        done = await asyncio.gather(*(asked.answer(each, question=question) for each in people))
        assert sorted(done) in (["approved", "counted", "over"], ["approved", "counted", "unknown"])
        await asked.world.end(await asked.world.wake())
        assert len(asked.world.asked) == 1


async def test_at_the_deadline_it_expires_and_no_answer_counts_any_more(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        await asked.world.start({"what": "it"})
        question = (await asked.show("mia")).question_hash
        asked.world.clock.advance(48 * HOUR)
        assert await asked.answer("mia", question=question) == "over"
        end = await asked.world.wake()
        assert isinstance(end, Ended)
        assert end.receipt.outcome is RunOutcome.FAILED
        assert end.receipt.failure is not None
        assert end.receipt.failure.code is FailureCode.SIGN_OFF_EXPIRED


async def test_a_rejection_without_its_branch_fails_the_run(tmp_path: Path) -> None:
    async with asking(tmp_path, ASK) as asked:
        await asked.world.start({"what": "it"})
        await asked.answer("mia", "reject")
        end = await asked.world.wake()
        assert isinstance(end, Ended)
        assert end.receipt.failure is not None
        assert end.receipt.failure.code is FailureCode.SIGN_OFF_REJECTED


async def test_before_the_run_is_parked_there_is_nothing_to_answer(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        end = await asked.world.perform(make_message(b'{"what": "it"}'))
        assert isinstance(end, Parked)
        rule = end.waits[0].rule
        assert rule is not None
        assert await asked.answer("mia", question=rule.question) == "unknown"
        assert await asked.world.parker.park(end.message, end.waits) is None
        assert await asked.answer("mia", question=rule.question) == "counted"


async def test_an_answer_while_the_run_is_under_way_with_something_else_is_kept(tmp_path: Path) -> None:
    steps = f"""\
  - id: both
    kind: parallel
    branches:
      - steps: [{{id: short, kind: wait, with: {{hours: 1}}}}, {http("a", "a")}]
      - steps: [{{id: ask, kind: sign_off, with: {{question: "Now?", approvers: [mia]}}}}, {http("b", "b")}]"""
    async with asking(tmp_path, steps) as asked:
        await asked.world.start({})
        question = (await asked.show("mia", "both[1]/ask")).question_hash
        again = await asked.world.wake(HOUR)
        assert isinstance(again, Parked)
        assert await asked.answer("mia", path="both[1]/ask", question=question) == "approved"
        assert await asked.world.parker.park(again.message, again.waits) is None
        runs = await asked.world.carry_out()
        assert len(runs) == 1
        await asked.world.end(await asked.world.perform(runs[0]))
        assert asked.world.asked == ["a", "b"]


async def test_an_answer_that_ended_it_just_before_the_process_died_still_wakes_the_run(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        await asked.world.start({"what": "it"})
        question = (await asked.show("mia")).question_hash
        for account in ("mia", "emma"):  # the database has it, and nobody was told
            given = AnswerSignOff(tenant=TENANT, run=RUN, path="ask", account=account, choice=Choice.APPROVE, question=question)
            await asked.world.database.sign_offs.answer(given, asked.world.clock.now_milliseconds())
        assert await asked.world.carry_out() == []
        await asked.service.mend()
        await asked.world.end(await asked.world.wake())
        assert asked.world.asked == ["yes-emma, mia"]


NOTIFIED = """\
  - id: ask
    kind: sign_off
    with:
      question: "Ship {{issue.summary}}?"
      approvers: [mia, emma]
      needed: 2
      hours: 48
      remind_hours: 12
      escalate_to: [boss]
      escalate_hours: 24"""
EVENT = {"eventType": "avi:jira:created:issue", "issue": {"id": "10001", "key": "A-1", "fields": {"summary": "the ship"}}}


def mentions(comment: Any) -> list[str]:
    return [each["attrs"]["id"] for each in comment["body"]["content"][0]["content"] if each["type"] == "mention"]


async def test_people_are_told_reminded_and_escalated_to_once_each(tmp_path: Path) -> None:
    async with asking(tmp_path, NOTIFIED, "jira.issue_created") as asked:
        await asked.world.start(EVENT)
        assert await asked.tell() == 1
        assert await asked.tell() == 1
        assert mentions(asked.world.jira.comments[0]) == ["mia", "emma"]
        assert "Ship the ship?" in json.dumps(asked.world.jira.comments[0])
        assert await asked.answer("mia") == "counted"
        assert await asked.sign_offs.show(TENANT, RUN, "ask", "boss") is SignOffVerdict.UNKNOWN, "not yet"
        asked.world.clock.advance(12 * HOUR)
        assert await asked.tell() == 2
        assert mentions(asked.world.jira.comments[1]) == ["emma"]
        asked.world.clock.advance(12 * HOUR)
        assert await asked.tell() == 3
        assert mentions(asked.world.jira.comments[2]) == ["emma", "boss"]
        asked.world.clock.advance(12 * HOUR)
        assert await asked.tell() == 3
        assert await asked.answer("boss") == "approved"


async def test_an_order_to_tell_people_that_comes_twice_writes_one_comment(tmp_path: Path) -> None:
    async with asking(tmp_path, NOTIFIED, "jira.issue_created") as asked:
        await asked.world.start(EVENT)
        await asked.service.send_notices()
        order = asked.world.orders.given[0]
        assert isinstance(order, Notify)
        await asked.sign_offs.notify(order)
        await asked.sign_offs.notify(order)
        assert len(asked.world.jira.comments) == 1


async def test_a_run_about_no_issue_tells_nobody(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        await asked.world.start({"what": "it"})
        assert await asked.tell() == 0
