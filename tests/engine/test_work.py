"""The worker, the launcher and the intake: nothing is forgotten before its receipt is safe, nobody stands in another's way."""

import asyncio
from types import SimpleNamespace

import msgspec
import pytest

from blubees.engine import work as work_module
from blubees.engine.journal import Journal
from blubees.engine.launch import PROMPT_BURST, LaneChooser, Launcher
from blubees.engine.message import RunState, open_run, seal_run
from blubees.engine.plan import VERSIONS_KEPT, Plan, PlanShelf
from blubees.engine.receipt import StepBook, describe_run
from blubees.engine.runner import Runner
from blubees.engine.unkept import Unkept
from blubees.engine.work import Receipts
from blubees.flows import intake as intake_module
from blubees.flows.intake import Intake
from blubees.flows.match import FlowIndex
from blubees.model.call import Call, CallAnswer
from blubees.model.errors import TamperedError
from blubees.model.event import RawEvent, Verdict
from blubees.model.failures import Failure, FailureCode
from blubees.model.flow import TriggerKind
from blubees.model.ids import TenantId
from blubees.model.receipt import RunAccepted, RunOutcome, RunReceipt
from blubees.model.reference import Reference
from blubees.ports import Lane, Put, Stand
from blubees.vault.seal import Sealer
from fakes.engine import TENANT, FakeBox, FakeLine, FakeQueue, FakeTaken, make_message, make_plan, make_shelf
from fakes.machine import FakeChance, FakeClock
from fakes.workbench import SEALER, Workbench, until

OTHER = TenantId("t" + "1" * 24)
STOP = "  - {id: a, kind: stop}"
CALL = '  - {id: a, kind: http, with: {url: "https://a.example.com/"}}'


class Bench(Workbench):
    """One worker, a flow and a third party."""

    def __init__(self, plan: Plan | None = None, line: FakeLine | None = None) -> None:
        super().__init__(*([plan] if plan else []))
        self.worker = self.make_worker(None if line is None else lambda _tenant: line)
        self.workers = [self.worker]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_module, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(work_module, "HEARTBEAT_SECONDS", 0.02)


async def test_a_run_is_forgotten_only_after_its_receipt_is_in_the_broker() -> None:
    async with Bench(make_plan(STOP)) as bench:
        bench.box.failures = 3
        taken = bench.give(seal_run(make_message(), SEALER))
        await until(lambda: bench.told.count("receipts_waiting") == 2)
        assert "finish" not in taken.said
        await until(lambda: "finish" in taken.said)
        assert [type(each) for each in bench.box.sent] == [RunReceipt]


async def test_receipts_that_went_down_with_the_brokers_are_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_module, "KEPT_SECONDS", 0.01)
    monkeypatch.setattr(work_module, "RECEIPT_GATHER_SECONDS", 0)
    async with Bench(make_plan(STOP)) as bench:
        bench.give(seal_run(make_message(number=1), SEALER))
        await until(lambda: len(bench.box.sent) == 1)
        bench.give(seal_run(make_message(number=2), SEALER))
        await until(lambda: len(bench.box.sent) == 2)
        bench.box.stand = Stand(1, 1)  # the first is in the database
        await asyncio.sleep(0.05)
        assert len(bench.box.sent) == 2
        bench.box.stand = Stand(2, 0)  # another memory, and an empty one
        await until(lambda: len(bench.box.sent) == 3)
        assert [each.run for each in bench.box.sent if isinstance(each, RunReceipt)][2] == make_message(number=2).run
        bench.box.stand = Stand(2, 3)
        await asyncio.sleep(0.05)
        assert len(bench.box.sent) == 3


def test_the_oldest_receipts_are_let_go_when_nobody_keeps_them() -> None:
    unkept, receipt = Unkept(limit=5), make_receipt()
    assert [unkept.note(Stand(1, number), [receipt] * 2) for number in range(1, 5)] == [0, 0, 2, 2]
    assert len(unkept) == 4
    assert len(unkept.settle(Stand(2, 9))) == 4
    assert len(unkept) == 0


async def test_a_run_that_is_taken_over_goes_on_from_its_checkpoint_and_leaves_none_behind() -> None:
    line = FakeLine(lambda _call: CallAnswer(status=200, headers={}, body=b""))
    async with Bench(make_plan(CALL + "\n" + CALL.replace("id: a", "id: b")), line) as bench:
        message = make_message()
        journal = Journal(bench.checkpoints, SEALER, FakeClock(), message)
        await journal.save(RunState(done={"a": None}))
        taken = bench.give(seal_run(message, SEALER), deliveries=2)
        await until(lambda: "finish" in taken.said and not bench.checkpoints.kept)
        assert len(line.calls) == 1, "the first step is done already"


POST = CALL.replace("with: {", "with: {method: POST, ")


async def test_a_run_of_one_unsafe_call_costs_no_checkpoint() -> None:
    line = FakeLine(lambda _call: CallAnswer(status=200, headers={}, body=b""))
    async with Bench(make_plan(POST), line) as bench:
        taken = bench.give(seal_run(make_message(), SEALER))
        await until(lambda: "finish" in taken.said)
        assert (len(line.calls), bench.checkpoints.saved) == (1, [])


@pytest.mark.parametrize(("head", "calls"), [("", 0), ("runs: {mode: queued}", 1)])
async def test_a_run_that_another_had_and_did_not_finish_is_in_doubt_unless_it_may_have_waited_at_a_gate(
    head: str, calls: int
) -> None:
    line = FakeLine(lambda _call: CallAnswer(status=200, headers={}, body=b""))
    async with Bench(make_plan(POST.replace("}}", "}, on_doubt: fail}"), head=head), line) as bench:
        taken = bench.give(seal_run(make_message(), SEALER), deliveries=2)
        await until(lambda: "finish" in taken.said)
        assert len(line.calls) == calls


async def test_a_run_that_came_while_a_worker_stops_is_in_no_doubt_elsewhere() -> None:
    line = FakeLine(lambda _call: CallAnswer(status=200, headers={}, body=b""))
    async with Bench(make_plan(POST), line) as bench:
        await bench.worker.stop(0)
        first = FakeTaken(TENANT, seal_run(make_message(), SEALER))
        bench.worker.hold(first)
        await until(lambda: first.said == ["hand back"])
        assert line.calls == []
        bench.worker._stopping = False
        bench.worker.hold(second := FakeTaken(TENANT, first.sealed, 2))
        await until(lambda: "finish" in second.said)
        assert len(line.calls) == 1


async def test_a_run_whose_checkpoint_can_not_be_read_now_is_handed_back() -> None:
    async with Bench(make_plan(STOP)) as bench:
        bench.checkpoints.away = 1
        taken = bench.give(seal_run(make_message(), SEALER), deliveries=2)
        await until(lambda: taken.said == ["hand back"])
        assert bench.box.sent == []


async def test_a_run_that_another_conduit_has_is_left_to_it_without_a_word() -> None:
    async with Bench(make_plan(CALL.replace("with: {", "with: {method: POST, "))) as bench:
        message = msgspec.structs.replace(make_message(), relaunches=1)
        await Journal(bench.checkpoints, SEALER, FakeClock(), message).save(RunState())
        taken = bench.give(seal_run(message, SEALER), deliveries=1)
        await until(lambda: "run_lost_to_another" in bench.told)
        assert (taken.said.count("finish"), taken.said.count("hand back"), bench.box.sent) == (0, 0, [])


async def test_a_run_that_was_tampered_with_or_moved_to_another_tenant_is_refused() -> None:
    sealed = seal_run(make_message(), SEALER)
    async with Bench(make_plan(STOP)) as bench:
        bad = [
            bench.give(sealed[:-1] + bytes((sealed[-1] ^ 1,))),
            bench.give(sealed, tenant=OTHER),
            bench.give(b""),
            bench.give(sealed.replace(b"flow", b"flaw", 1)),
            bench.give(seal_run(make_message(), Sealer(b"x" * 32, FakeChance()))),
        ]
        await until(lambda: all(each.said == ["finish"] for each in bad))
        assert (bench.refused, bench.box.sent) == (5, [])
        assert bench.told.count("run_refused") == 5


def test_what_is_sealed_opens_for_its_tenant_flow_and_run_only() -> None:
    message = make_message()
    sealed = seal_run(message, SEALER)
    assert open_run(TENANT, sealed, SEALER) == message
    assert b'"n"' not in sealed
    with pytest.raises(TamperedError):
        open_run(OTHER, sealed, SEALER)


async def test_held_runs_are_kept_alive_and_handed_back_when_they_do_not_end_in_time() -> None:
    class Stuck(FakeLine):
        async def call(self, call: Call) -> CallAnswer | Failure:
            await asyncio.sleep(30)
            return self.answer(call)

    line = Stuck(lambda _call: CallAnswer(status=200, headers={}, body=b""))
    async with Bench(make_plan(CALL), line) as bench:
        taken = bench.give(seal_run(make_message(), SEALER))
        await until(lambda: taken.said.count("keep") >= 2)
        await bench.worker.stop(0.05)
        assert taken.said[-1] == "hand back"
        late = bench.give(seal_run(make_message(number=2), SEALER))
        await until(lambda: late.said == ["hand back"])
        assert bench.box.sent == []


async def test_a_run_whose_plan_is_unknown_waits_for_it_and_fails_in_the_end() -> None:
    async with Bench() as bench:
        early = bench.give(seal_run(make_message(), SEALER), deliveries=1)
        late = bench.give(seal_run(make_message(), SEALER), deliveries=work_module.PLAN_WAIT_DELIVERIES)
        await until(lambda: early.said[-1:] == ["hand back"] and late.said[-1:] == ["finish"])
        receipt = bench.box.sent[0]
        assert isinstance(receipt, RunReceipt)
        assert receipt.failure is not None
        assert (receipt.outcome, receipt.failure.code) == (RunOutcome.FAILED, FailureCode.PLAN_MISSING)


async def test_no_more_runs_are_held_than_allowed_and_the_bulk_lane_leaves_room(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = asyncio.Event()

    class Waiting(FakeLine):
        async def call(self, call: Call) -> CallAnswer | Failure:
            await gate.wait()
            return self.answer(call)

    monkeypatch.setattr(work_module, "RUNS_AT_ONCE", 8)
    line = Waiting(lambda _call: CallAnswer(status=200, headers={}, body=b""))
    async with Bench(make_plan(CALL), line) as bench:
        bulk = [bench.give(seal_run(make_message(number=number), SEALER), lane=Lane.BULK) for number in range(10)]
        await until(lambda: bench.worker.held == 6)
        prompt = [bench.give(seal_run(make_message(number=number), SEALER)) for number in range(20, 25)]
        await until(lambda: bench.worker.held == 8)
        await asyncio.sleep(0.05)
        assert bench.worker.held == 8
        gate.set()
        await until(lambda: all("finish" in each.said for each in bulk + prompt))


async def test_large_runs_take_the_room_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = asyncio.Event()

    class Waiting(FakeLine):
        async def call(self, call: Call) -> CallAnswer | Failure:
            await gate.wait()
            return self.answer(call)

    monkeypatch.setattr(work_module, "BYTES_AT_ONCE", 40_000)
    line = Waiting(lambda _call: CallAnswer(status=200, headers={}, body=b""))
    async with Bench(make_plan(CALL), line) as bench:
        body = b'"' + b"x" * 10_000 + b'"'
        bulk = [bench.give(seal_run(make_message(body, number=number), SEALER), lane=Lane.BULK) for number in range(9)]
        await until(lambda: bench.worker.held == 3)
        await asyncio.sleep(0.05)
        assert bench.worker.held == 3
        prompt = bench.give(seal_run(make_message(number=20), SEALER))
        await until(lambda: bench.worker.held == 4)
        gate.set()
        await until(lambda: all("finish" in each.said for each in [*bulk, prompt]))


async def test_a_broker_that_is_away_is_asked_again() -> None:
    async with Bench(make_plan(STOP)) as bench:
        bench.queue.is_away = True
        taken = bench.give(seal_run(make_message(), SEALER))
        await asyncio.sleep(0.05)
        bench.queue.is_away = False
        await until(lambda: "finish" in taken.said)


def test_a_noisy_tenant_takes_the_bulk_lane_and_a_quiet_one_never() -> None:
    clock = FakeClock()
    lanes = LaneChooser(clock)
    noisy = [lanes.choose(TENANT) for _ in range(100)]
    assert noisy.count(Lane.PROMPT) == PROMPT_BURST
    assert lanes.choose(OTHER) is Lane.PROMPT
    clock.advance(0.5)
    assert [lanes.choose(TENANT) for _ in range(20)].count(Lane.PROMPT) == 10


def test_a_shelf_keeps_the_versions_that_runs_may_still_need() -> None:
    shelf = make_shelf(*(make_plan(STOP, version=number) for number in range(1, VERSIONS_KEPT + 3)))
    assert shelf.get(TENANT, make_message().flow, 2) is None
    assert shelf.get(TENANT, make_message().flow, 3) is not None
    shelf.put(TENANT, make_message().flow, None)
    assert shelf.get(TENANT, make_message().flow, 3) is not None, "runs of a withdrawn flow go on"
    assert shelf.get(OTHER, make_message().flow, 3) is None


def make_receipt() -> RunReceipt:
    message = make_message()
    return describe_run(message, StepBook(FakeClock(), message), RunOutcome.FINISHED, None, deliveries=1, failed_step="")


class Door:
    """An intake with everything around it in memory."""

    def __init__(self, plan: Plan, line: FakeLine | None = None) -> None:
        self.plan, self.queue, self.box = plan, FakeQueue(), FakeBox()
        index, shelf = FlowIndex(), PlanShelf({})
        published = plan.published
        index.changed(published.tenant, published.flow.id, published)
        shelf = make_shelf(plan)
        clock, chance = FakeClock(), FakeChance()
        runner = Runner(clock, lambda _tenant: line or FakeLine(lambda _call: CallAnswer(status=200, headers={}, body=b"")))
        self.accepted: list[RunAccepted] = []
        launcher = Launcher(self.queue, SEALER, b"d" * 32, clock, self.accepted.append)
        self.intake = Intake(index, shelf, launcher, runner, Receipts(self.box, lambda *_, **__: None), clock, chance)

    async def send(self, *, delivery: str = "") -> Verdict:
        event = RawEvent(
            tenant=TENANT,
            trigger=TriggerKind.WEBHOOK,
            body=b"{}",
            document={},
            delivery=delivery,
            hook=self.plan.published,
            reference=Reference(issue="7"),
        )
        return (await self.intake.admit(event)).verdict


async def test_the_intake_says_queued_duplicate_full_and_unavailable() -> None:
    door = Door(make_plan(STOP))
    assert [await door.send(delivery="d") for _ in range(2)] == [Verdict.QUEUED, Verdict.DUPLICATE]
    assert "d" not in {each[3] for each in door.queue.put_runs}, "a delivery id is hashed with a key"
    door.queue.room_for = 1
    assert await door.send() is Verdict.FULL
    door.queue.is_away = True
    assert await door.send() is Verdict.UNAVAILABLE


async def test_callers_who_wait_are_bounded_for_each_tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = asyncio.Event()

    class Waiting(FakeLine):
        async def call(self, call: Call) -> CallAnswer | Failure:
            await gate.wait()
            return self.answer(call)

    monkeypatch.setattr(intake_module, "ANSWERING_PER_TENANT", 3)
    steps = CALL + "\n  - {id: say, kind: respond, with: {json: 1}}"
    door = Door(make_plan(steps), Waiting(lambda _call: CallAnswer(status=200, headers={}, body=b"")))
    waiting = [asyncio.create_task(door.send()) for _ in range(3)]
    await asyncio.sleep(0.02)
    assert await door.send() is Verdict.FULL
    gate.set()
    assert await asyncio.gather(*waiting) == [Verdict.ANSWERED] * 3
    assert await door.send() is Verdict.ANSWERED
    assert await door.send(delivery="x") is Verdict.ANSWERED
    assert await door.send(delivery="x") is Verdict.DUPLICATE


async def test_a_run_that_is_too_large_for_the_broker_is_refused_and_not_cut() -> None:
    accepted: list[RunAccepted] = []
    launcher = Launcher(queue := FakeQueue(), SEALER, b"d" * 32, FakeClock(), accepted.append)
    assert await launcher.launch(make_message(b'"' + b"x" * 8_388_608 + b'"'), delivery="") is Put.FULL
    assert (queue.put_runs, accepted) == ([], [])


async def test_what_the_broker_has_is_told_with_its_reference_and_never_with_a_delivery_id_in_clear() -> None:
    door = Door(make_plan(STOP))
    for delivery in ("d", "d", ""):
        await door.send(delivery=delivery)
    first, second = door.accepted
    assert first.reference.delivery == door.queue.put_runs[0][3] != ""
    assert (first.epoch, first.reference.issue, second.reference.delivery) == (1, "7", "")
    door.queue.room_for = 0
    await door.send()
    assert len(door.accepted) == 2, "what is refused is not told"


async def test_nothing_is_promised_when_the_brokers_lose_their_memory_while_a_run_is_put() -> None:
    door = Door(make_plan(STOP))
    door.queue.epochs = [1, 2, 2, 2]
    assert await door.send() is Verdict.UNAVAILABLE
    assert door.accepted == []
    assert await door.send() is Verdict.QUEUED
    assert [each.epoch for each in door.accepted] == [2]


async def test_a_run_that_may_come_again_keeps_its_checkpoints() -> None:
    async with Bench(make_plan(STOP)) as bench:
        for is_heard in (False, True):
            dropped: list[bool] = []

            async def drop(dropped: list[bool] = dropped) -> None:
                dropped.append(True)

            taken = FakeTaken(TENANT, b"", 1)
            taken.is_heard = is_heard
            await work_module._PerformedRun(taken, SimpleNamespace(drop=drop)).finish()  # type: ignore[arg-type]
            assert (taken.said, bool(dropped)) == (["finish"], is_heard)
        assert bench.box.sent == []
