"""Sign-offs in real databases: people who answer at the same instant are all counted, and exactly one of them ends it."""

import asyncio

from blubees.adapters.database import Database
from blubees.model.flow import TriggerKind
from blubees.model.ids import FlowId, RunId, TenantId
from blubees.model.parking import ArmSlot, SignOffRule, Wait, WaitKind
from blubees.model.sign_off import AnswerSignOff, Choice, Notice
from blubees.ports import ParkedRow, ParkedStatus

A, B = TenantId("t" + "a" * 24), TenantId("t" + "b" * 24)
QUESTION = "5" * 64
PEOPLE = tuple(f"person-{number}" for number in range(6))


async def park(database: Database, number: int, *, tenant: TenantId = A, notify: bool = False) -> RunId:
    run = RunId(f"r{number:026d}")
    row = ParkedRow(
        tenant=tenant,
        run=run,
        ordinal=1,
        status=ParkedStatus.OPEN,
        flow=FlowId("flow"),
        version=1,
        trigger=TriggerKind.WEBHOOK,
        accepted_at_milliseconds=1,
    )
    assert await database.parked.open(row) is not None
    rule = SignOffRule(approvers=PEOPLE, needed=len(PEOPLE), question=QUESTION, remind_milliseconds=500, notify=notify)
    wait = Wait(path="ask", step="ask", kind=WaitKind.SIGN_OFF, due_milliseconds=1_000, rule=rule)
    await database.parked.arm(ArmSlot(tenant=tenant, run=run, ordinal=1, issue="1", parts=1, waits=(wait,)), 10)
    return run


def give(run: RunId, account: str, *, choice: str = "approve", question: str = QUESTION) -> AnswerSignOff:
    return AnswerSignOff(tenant=A, run=run, path="ask", account=account, choice=Choice(choice), question=question)


async def test_all_who_answer_at_once_are_counted_and_one_of_them_ends_it(database: Database) -> None:
    for number in range(8):
        run = await park(database, number)
        tallies = await asyncio.gather(*(database.sign_offs.answer(give(run, person), 100) for person in PEOPLE))
        assert [tally.choice for tally in tallies if tally is not None] == [Choice.APPROVE] * len(PEOPLE)
        ended = [tally.ended for tally in tallies if tally is not None and tally.ended is not None]
        assert [sorted(each.by) for each in ended] == [sorted(PEOPLE)]
        assert (A, run) in await database.sign_offs.list_unwoken(limit=50)


async def test_a_persons_first_answer_stands_and_one_for_another_question_is_none(database: Database) -> None:
    run = await park(database, 1)
    pairs = await asyncio.gather(*(database.sign_offs.answer(give(run, "person-1"), 100) for _ in range(4)))
    assert all(tally is not None and tally.ended is None for tally in pairs)
    again = await database.sign_offs.answer(give(run, "person-1", choice="reject"), 101)
    assert again is not None
    assert (again.choice, again.ended) == (Choice.APPROVE, None)
    assert await database.sign_offs.answer(give(run, "person-2", question="6" * 64), 102) is None
    assert await database.sign_offs.answer(give(run, "person-2"), 1_000) is None, "its time is over"
    found = await database.sign_offs.load(A, run, "ask")
    assert found is not None
    assert found.answers == {"person-1": Choice.APPROVE}
    assert await database.sign_offs.load(B, run, "ask") is None
    assert await database.sign_offs.list_open(B, limit=10) == []


async def test_notices_come_in_order_once_each_and_go_with_the_run(database: Database) -> None:
    run = await park(database, 1, notify=True)
    due = await database.sign_offs.list_due_notices(100, limit=10)
    assert [(each.run, each.notice, each.number, each.next_milliseconds) for each in due] == [(run, Notice.ASK, 0, 500)]
    for _ in range(2):
        await database.sign_offs.note_notice(due[0])
    assert await database.sign_offs.list_due_notices(499, limit=10) == []
    assert [each.notice for each in await database.sign_offs.list_due_notices(500, limit=10)] == [Notice.REMIND]
    await database.sign_offs.answer(give(run, "person-1"), 600)
    await database.parked.finish(A, [run], 700)
    assert await database.sign_offs.list_due_notices(999, limit=10) == []
    assert await database.sign_offs.list_open(A, limit=10) == []
