"""A run that is broken off at any moment goes on elsewhere: finished effects are not repeated, doubtful ones as declared."""

import json
from typing import Any

import pytest

from blubees.engine import journal as journal_module
from blubees.engine.journal import Journal, RunLostError
from blubees.engine.message import RunMessage, RunState, open_state
from blubees.engine.plan import Plan
from blubees.engine.runner import Ended, Runner
from blubees.model.call import Call, CallAnswer
from blubees.model.errors import TamperedError
from blubees.model.failures import Failure, FailureCode
from blubees.model.receipt import RunOutcome
from blubees.vault.seal import Sealer
from fakes.engine import EPOCH, FakeCheckpoints, FakeLine, make_message, make_plan
from fakes.machine import FakeChance, FakeClock

SEALER = Sealer(b"k" * 32, FakeChance())


class Killed(BaseException):
    """What SIGKILL does to a walk: nothing after it happens."""


class World:
    """A third party that remembers what was done to it, and conduits that die when told."""

    def __init__(self, plan: Plan, *, is_held_by_one: bool = False) -> None:
        self.plan, self.store, self.clock = plan, FakeCheckpoints(), FakeClock()
        self.is_held_by_one = is_held_by_one
        self.done: list[str] = []
        self.keys: list[str] = []
        self.calls_until_death = 10**6
        self.dies_before_answer = False

    def answer(self, call: Call) -> CallAnswer:
        self.calls_until_death -= 1
        if self.calls_until_death < 0 and not self.dies_before_answer:
            raise Killed
        name = call.url.rpartition("/")[2]
        self.done.append(name)
        self.keys += [value for header, value in call.headers if header == "Idempotency-Key"]
        if self.calls_until_death < 0:
            raise Killed
        return CallAnswer(status=200, headers={"content-type": "application/json"}, body=json.dumps({"name": name}).encode())

    async def run_once(self, *, deliveries: int) -> Ended:
        message = make_message()
        is_first = deliveries == 1 and self.is_held_by_one
        journal = Journal(self.store, SEALER, self.clock, message, is_first=is_first)
        if deliveries > 1:
            saved = await journal.load()
            journal.was_begun = saved is None and self.is_held_by_one
            message.state = saved or message.state
        if message.state.receipt is not None:
            return Ended(message.state.receipt)
        runner = Runner(self.clock, lambda _tenant: FakeLine(self.answer))
        end = await runner.perform(self.plan, message, journal=journal, deliveries=deliveries)
        assert isinstance(end, Ended)
        return end

    async def run(self, die_after: int, *, before_answer: bool) -> Ended:
        """Run; die at the call after `die_after` calls, once; then let another conduit take over."""
        self.calls_until_death, self.dies_before_answer = die_after, before_answer
        try:
            return await self.run_once(deliveries=1)
        except Killed:
            self.calls_until_death = 10**6
            return await self.run_once(deliveries=2)


async def test_a_run_goes_on_when_the_brokers_lost_their_memory_just_now_and_not_when_it_may_have_been_given_up() -> None:
    store, clock, message = FakeCheckpoints(), FakeClock(), make_message()
    journal = Journal(store, SEALER, clock, message, epoch=EPOCH)
    await journal.save(RunState())
    store.lose_all()
    clock.advance(10)
    await journal.save(RunState(attempting=("a",)))
    found = await Journal(store, SEALER, clock, message, epoch=store.epoch_now).load()
    assert found == RunState(attempting=("a",))
    store.lose_all()
    clock.advance(journal_module.ANEW_SECONDS + 3)
    with pytest.raises(RunLostError):
        await journal.save(RunState())
    late = Journal(store, SEALER, clock, message, epoch=EPOCH)
    with pytest.raises(RunLostError):
        await late.save(RunState())
    assert store.kept == {}


async def test_of_two_conduits_that_have_a_run_in_a_new_memory_only_one_goes_on() -> None:
    store, clock, message = FakeCheckpoints(), FakeClock(), make_message()
    held = Journal(store, SEALER, clock, message, epoch=EPOCH)
    store.lose_all()
    launched_again = Journal(store, SEALER, clock, message, epoch=store.epoch_now)
    await launched_again.save(RunState())
    with pytest.raises(RunLostError):
        await held.save(RunState())


def step(name: str, method: str = "POST", more: str = "", on_doubt: str = "fail") -> str:
    doubt = f", on_doubt: {on_doubt}" if on_doubt else ""
    return f'  - {{id: {name}, kind: http, with: {{method: {method}, url: "https://a.example.com/{name}"{more}}}{doubt}}}'


CHAIN = "\n".join(step(name) for name in ("a", "b", "c"))
MIXED = "\n".join(
    [
        step("a"),
        step("look", "GET"),
        "  - {id: words, kind: set, with: {values: {w: '{{steps.a.body.name}}'}}}",
        step("b", "PUT"),
        step("c", more=', json: "{{w}}{{steps.look.body.name}}"'),
    ]
)


@pytest.mark.parametrize("steps", [CHAIN, MIXED], ids=["chain", "mixed"])
@pytest.mark.parametrize("die_after", range(5))
async def test_a_run_that_dies_before_a_call_was_sent_does_each_effect_once(steps: str, die_after: int) -> None:
    world = World(make_plan(steps))
    end = await world.run(die_after, before_answer=False)
    effects = [name for name in world.done if name != "look"]
    assert len(effects) == len(set(effects)), "no effect twice"
    unsafe_at_death = end.receipt.failure is not None
    assert unsafe_at_death == (end.receipt.outcome is RunOutcome.FAILED)
    if unsafe_at_death:
        assert end.receipt.failure is not None
        assert end.receipt.failure.code is FailureCode.IN_DOUBT
    else:
        assert [receipt.step for receipt in end.receipt.steps][-1] == "c"


@pytest.mark.parametrize("die_after", range(3))
@pytest.mark.parametrize("is_held_by_one", [False, True])
async def test_an_unsafe_call_in_doubt_is_not_repeated_and_the_run_says_so(die_after: int, is_held_by_one: bool) -> None:
    world = World(make_plan(CHAIN), is_held_by_one=is_held_by_one)
    end = await world.run(die_after, before_answer=True)
    assert world.done == ["a", "b", "c"][: die_after + 1]
    assert end.receipt.failure is not None
    assert (end.receipt.failure.code, end.receipt.failed_step) == (FailureCode.IN_DOUBT, "abc"[die_after])


@pytest.mark.parametrize(("on_doubt", "expected"), [("retry", ["a", "b", "b", "c"]), ("skip", ["a", "b", "c"])])
async def test_the_flow_may_say_what_to_do_in_doubt(on_doubt: str, expected: list[str]) -> None:
    world = World(make_plan("\n".join([step("a"), step("b", on_doubt=on_doubt), step("c")])))
    end = await world.run(1, before_answer=True)
    assert end.receipt.outcome is RunOutcome.FINISHED
    assert world.done == expected


async def test_an_idempotent_call_is_made_again_and_a_keyed_one_with_the_same_key() -> None:
    world = World(make_plan("\n".join([step("a", "PUT"), step("b", more=", effect: keyed"), step("c", "PUT")])))
    end = await world.run(1, before_answer=True)
    assert end.receipt.outcome is RunOutcome.FINISHED
    assert world.done == ["a", "b", "b", "c"]
    assert len(world.keys) == 2
    assert len(set(world.keys)) == 1
    other = World(make_plan(step("b", more=", effect: keyed"), version=2))
    other.plan = make_plan(step("other", more=", effect: keyed"))
    await other.run(9, before_answer=False)
    assert set(other.keys).isdisjoint(world.keys)


async def test_a_run_that_ended_only_sends_its_receipt_again() -> None:
    world = World(make_plan(CHAIN))
    first = await world.run_once(deliveries=1)
    assert await world.run_once(deliveries=2) == first
    assert world.done == ["a", "b", "c"]


async def test_a_checkpoint_holds_only_what_later_steps_read() -> None:
    world = World(make_plan(MIXED))
    await world.run_once(deliveries=1)
    message = make_message()
    states = [open_state(message, sealed, SEALER) for sealed in world.store.saved]
    before_c = next(state for state in states if state.attempting == ("c",))
    assert {name for name, result in before_c.done.items() if result is not None} == {"look"}
    assert before_c.variables == {"w": "a"}
    assert set(before_c.done) == {"a", "look", "words", "b"}
    assert states[-1].receipt is not None
    assert (states[-1].done, states[-1].variables) == ({}, {})
    assert not any(b"example" in sealed for sealed in world.store.saved)


SIDE_BY_SIDE = """
  - id: both
    kind: parallel
    branches:
      - {name: one, steps: [{id: a, kind: http, with: {method: PUT, url: "https://a.example.com/a"}}]}
      - {name: two, steps: [{id: b, kind: http, with: {method: POST, url: "https://a.example.com/b"}}]}
"""


@pytest.mark.parametrize(
    ("steps", "is_held_by_one", "expected"),
    [
        (step("a"), True, []),
        (step("a"), False, [("a",)]),
        (step("look", "GET") + "\n" + step("a"), True, []),
        (step("a") + "\n" + step("b"), True, [("b",)]),
        (step("a", "PUT") + "\n" + step("b"), True, [("b",)]),
        (SIDE_BY_SIDE, True, [("both[1]/b",)]),
    ],
)
async def test_only_the_first_call_of_a_run_is_begun_without_a_checkpoint(
    steps: str, is_held_by_one: bool, expected: list[tuple[str, ...]]
) -> None:
    world = World(make_plan(steps), is_held_by_one=is_held_by_one)
    await world.run_once(deliveries=1)
    states = [open_state(make_message(), sealed, SEALER) for sealed in world.store.saved]
    assert [state.attempting for state in states if state.attempting] == expected


async def test_a_run_that_was_paused_before_its_first_call_asks_whether_another_has_it() -> None:
    world = World(make_plan(step("look", "GET") + "\n" + step("a")), is_held_by_one=True)
    message = make_message()
    slow = Journal(world.store, SEALER, world.clock, message, is_first=True)

    def answer(call: Call) -> CallAnswer:
        if call.method == "GET":  # it sleeps here, longer than it may have the run; another takes over and says so
            world.clock.advance(journal_module.SAVE_SECONDS + 1)
            world.store.kept[message.tenant, message.run] = (7, b"another's")
        return world.answer(call)

    with pytest.raises(RunLostError):
        await Runner(world.clock, lambda _tenant: FakeLine(answer)).perform(world.plan, message, journal=slow)
    assert world.done == ["look"]


BROKEN = """  - {id: z, kind: set, with: {values: {a: '{{"x".left(flow.name)}}'}}}"""


async def test_the_end_is_not_saved_where_the_broker_surely_hears_of_it_unless_the_run_failed() -> None:
    for plan, kept in ((make_plan(step("a", "PUT")), 0), (make_plan(step("a", "PUT") + "\n" + BROKEN), 1)):
        world = World(plan)
        journal = Journal(world.store, SEALER, world.clock, make_message(), keeps_end=False)
        await Runner(world.clock, lambda _tenant, world=world: FakeLine(world.answer)).perform(  # type: ignore[misc]
            plan, make_message(), journal=journal
        )
        assert len(world.store.saved) == kept


async def test_reads_and_computing_alone_need_no_checkpoint() -> None:
    world = World(
        make_plan("\n".join([step("look", "GET"), "  - {id: s, kind: set, with: {values: {a: 1}}}", "  - {id: e, kind: stop}"]))
    )
    await world.run_once(deliveries=1)
    assert world.store.saved == []


async def test_a_conduit_that_wakes_up_after_another_took_over_makes_no_further_call() -> None:
    world = World(make_plan(CHAIN))
    message = make_message()
    slow = Journal(world.store, SEALER, world.clock, message)

    def answer(call: Call) -> CallAnswer:
        return world.answer(call)

    async def pause_then_go_on(state: RunState) -> None:
        await Journal.save(slow, state)
        if state.attempting == ("b",):  # it sleeps here; another takes over, finds b in doubt, and ends the run
            await world.run_once(deliveries=2)

    slow.save = pause_then_go_on  # type: ignore[method-assign]
    with pytest.raises(RunLostError):
        await Runner(world.clock, lambda _tenant: FakeLine(answer)).perform(world.plan, message, journal=slow)
    assert world.done == ["a", "b"]


def journal_for(store: FakeCheckpoints, clock: FakeClock | None = None, message: RunMessage | None = None) -> Journal:
    return Journal(store, SEALER, clock or FakeClock(), message or make_message())


async def test_a_save_goes_on_until_the_broker_confirms_and_gives_up_before_another_may_have_the_run(monkeypatch: Any) -> None:
    monkeypatch.setattr(journal_module, "RETRY_SECONDS", 0)
    store = FakeCheckpoints()
    store.away = 3
    journal = journal_for(store)
    await journal.save(RunState())
    store.unconfirmed = 1
    await journal.save(RunState(attempting=("a",)))
    assert len(store.saved) == 2, "the unconfirmed try was recognised as our own"
    clock = FakeClock()
    monkeypatch.setattr(clock, "monotonic_seconds", iter(range(0, 1_000, 3)).__next__)
    store.away = 100
    with pytest.raises(RunLostError):
        await journal_for(store, clock).save(RunState())
    with pytest.raises(RunLostError):
        await journal_for(FakeCheckpointsOfAnother()).save(RunState())


class FakeCheckpointsOfAnother(FakeCheckpoints):
    """Another conduit has saved already."""

    async def save(self, *_arguments: Any, **_more: Any) -> int | None:
        return None


async def test_a_checkpoint_of_another_run_does_not_open() -> None:
    store, message = FakeCheckpoints(), make_message()
    await journal_for(store, message=message).save(RunState(attempting=("a",)))
    other = make_message(number=2)
    store.kept[other.tenant, other.run] = store.kept[message.tenant, message.run]
    with pytest.raises(TamperedError):
        await journal_for(store, message=other).load()
    loaded = await journal_for(store, message=message).load()
    assert loaded is not None
    assert loaded.attempting == ("a",)


async def test_what_stands_after_a_block_is_kept_while_the_run_is_inside() -> None:
    block = """  - id: way
    kind: choose
    branches:
      - steps:
          - {id: in, kind: http, on_doubt: fail, with: {method: POST, url: "https://a.example.com/in"}}"""
    last = step("z", more=', json: "{{steps.a.body}}"')
    world = World(make_plan("\n".join([step("a"), block, last])))
    end = await world.run(1, before_answer=True)
    assert end.receipt.failure is not None
    states = [open_state(make_message(), sealed, SEALER) for sealed in world.store.saved]
    inside = next(state for state in states if state.attempting == ("in",))
    assert inside.done["a"]["body"] == {"name": "a"}
    assert inside.entered == {"way": 0}


async def stand_still(world: World, step_text: str) -> list[str]:
    """Perform a run that stands still in its first call, longer than it may have the run; another takes over meanwhile."""
    world.plan = make_plan(step_text)
    message = make_message()
    slow = Journal(world.store, SEALER, world.clock, message, is_first=True, keeps_end=False)

    def answer(call: Call) -> CallAnswer | Failure:
        world.done.append(call.method)
        world.clock.advance(journal_module.SAVE_SECONDS + 1)
        world.store.kept[message.tenant, message.run] = (7, b"another's")
        return Failure(code=FailureCode.TIMEOUT)

    with pytest.raises(RunLostError):
        await Runner(world.clock, lambda _tenant: FakeLine(answer)).perform(world.plan, message, journal=slow)
    return world.done


@pytest.mark.parametrize("more", ["PUT", "GET"])
async def test_a_conduit_that_stood_still_in_a_call_does_not_try_again_what_another_has(more: str) -> None:
    retried = step("a", more).removesuffix("}") + ", retry: {attempts: 3, seconds: 0.1}}"
    assert await stand_still(World(make_plan(step("a"))), retried) == [more]


async def test_nor_does_it_tell_how_an_unsafe_call_ended_of_which_another_asks_a_person() -> None:
    assert await stand_still(World(make_plan(step("a"))), step("a")) == ["POST"]
