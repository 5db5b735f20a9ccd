"""`run_flow`: another flow in the same run; broken off anywhere in it, the run goes on where it was, in the same version."""

from typing import Any

import msgspec
import pytest

from blubees.engine.journal import Journal
from blubees.engine.message import open_state
from blubees.engine.plan import PlanShelf
from blubees.engine.runner import Ended, Parked, Runner
from blubees.engine.surroundings import Surroundings
from blubees.flows.check import check_flow
from blubees.model.failures import FailureCode
from blubees.model.parking import Answered, WaitEnd
from blubees.model.receipt import STEPS_MAX, RunOutcome, RunReceipt, StepOutcome
from blubees.steps.book import load_book
from fakes.engine import TENANT, make_message, make_plan
from fakes.machine import FakeClock
from fakes.world import SEALER, World, http

CALLER = f"""\
  - {http("first", "first")}
  - id: sub
    kind: run_flow
    with: {{flow: inner, inputs: {{word: "{{{{steps.first.body.name}}}}", count: "3"}}}}%s
  - {http("last", "last-{{steps.sub.word}}-{{steps.sub.count}}-{{steps.first.status}}")}"""
INNER = f"""\
  - {http("first", "inner-{{inputs.word}}-{{steps.none}}").replace("-{{steps.none}}", "")}
  - {{id: mine, kind: set, with: {{values: {{n: "{{{{inputs.count.plus(1)}}}}"}}}}}}
  - {http("two", "two-{{n}}-{{steps.first.body.name}}")}"""
HEAD = """inputs: {word: {type: text, required: true}, count: {type: number}}
outputs: {word: "{{steps.two.status}}", count: "{{n}}"}"""
ASKED = ["first", "inner-first", "two-4-inner-first", "last-200-4-200"]


def make_world(caller: str = CALLER % "", inner: str = INNER, head: str = HEAD, trigger: str = "called") -> World:
    world = World(caller)
    shelf = PlanShelf(dict(load_book()))
    called = make_plan(inner, flow="inner", trigger=trigger, head=head).published
    shelf.put(TENANT, called.flow.id, called)
    world.around = Surroundings(shelf=shelf)
    return world


def shelf_of(world: World) -> PlanShelf:
    assert world.around.shelf is not None
    return world.around.shelf


def failure_of(receipt: RunReceipt) -> tuple[Any, ...]:
    assert receipt.failure is not None
    return receipt.failure.code, receipt.failure.field, receipt.failure.detail, receipt.failed_step


@pytest.mark.parametrize("dies_at", ["", *ASKED])
async def test_a_flow_is_performed_as_a_step_and_goes_on_after_a_crash(dies_at: str) -> None:
    world = make_world()
    end = await world.run(dies_at)
    assert world.asked == ASKED
    assert end.receipt.outcome is RunOutcome.FINISHED
    names = [step.within + step.step for step in end.receipt.steps]
    assert names == ["first", "sub", "sub/first", "sub/mine", "sub/two", "last"]


async def test_the_version_that_was_begun_is_performed_to_its_end() -> None:
    world = make_world()
    world.dies_at = "two-4-inner-first"
    with pytest.raises(BaseException):  # noqa: B017,PT011 - killed
        await world.run_once(1)
    newer = make_plan(f"  - {http('other', 'other')}", flow="inner", trigger="called", version=2).published
    shelf_of(world).put(TENANT, newer.flow.id, newer)
    await world.run_once(2)
    assert world.asked == ASKED
    world = make_world()
    shelf_of(world).put(TENANT, newer.flow.id, newer)
    await world.run()
    assert world.asked[1] == "other", "a run that comes there later performs the live one"


async def test_inside_it_sees_nothing_of_its_caller_and_outside_nothing_of_it() -> None:
    inner = f"""\
  - id: never
    kind: choose
    branches:
      - when: "{{{{inputs.none}}}}"
        steps:
          - {http("first", "never")}
          - {{id: set, kind: set, with: {{values: {{word: own}}}}}}
  - {http("two", "in-{{steps.first.status}}-{{word}}-{{flow.id}}-{{trigger}}")}
  - {{id: names, kind: set, with: {{values: {{word: own}}}}}}"""
    caller = f"""\
  - {http("first", "first")}
  - {{id: names, kind: set, with: {{values: {{word: secret}}}}}}
  - {{id: sub, kind: run_flow, with: {{flow: inner}}}}
  - {http("last", "last-{{word}}-{{steps.first.status}}-{{steps.sub}}")}"""
    world = make_world(caller, inner, "")
    await world.run()
    assert world.asked == ["first", "in---inner-{}", "last-secret-200-{}"]


@pytest.mark.parametrize("dies_at", ["", "inner-first", "mend-vendor_broken-sub", "last--"])
async def test_a_failure_in_it_is_the_steps_failure_and_can_take_its_branch(dies_at: str) -> None:
    branch = f"""
    on_error: branch
    branches:
      - name: error
        steps:
          - {http("mend", "mend-{{error.code}}-{{error.step}}")}"""
    world = make_world((CALLER % branch).replace("-{{steps.first.status}}", ""))
    world.fails = {"two-4-inner-first": 500}
    end = await world.run(dies_at)
    assert world.asked == [*ASKED[:3], "mend-vendor_broken-sub", "last--"]
    assert end.receipt.outcome is RunOutcome.FINISHED
    found = {step.within + step.step: step for step in end.receipt.steps}
    assert (found["sub"].outcome, found["sub/two"].outcome) == (StepOutcome.FAILED, StepOutcome.FAILED)
    assert found["sub/two"].http_status == 500


async def test_without_a_branch_the_run_fails_at_the_step() -> None:
    world = make_world()
    world.fails = {"inner-first": 404}
    end = await world.run()
    assert failure_of(end.receipt) == (FailureCode.NOT_FOUND, "", "", "sub")


async def test_outputs_are_given_as_the_types_that_the_flow_says() -> None:
    head = HEAD.replace('"{{n}}"', '{type: number, value: "{{inputs.count}}0"}').replace(
        '"{{steps.two.status}}"', '{type: text, value: "{{steps.two.status}}"}'
    )
    world = make_world(
        caller=CALLER % "" + "\n  - " + http("sum", "sum-{{steps.sub.count.plus(1)}}-{{steps.sub.word.length()}}"), head=head
    )
    await world.run()
    assert world.asked[-1] == "sum-31-3"
    checked = check_flow(
        'id: f\nname: F\ntrigger: {on: called}\noutputs: {a: {type: nubmer, value: "{{nothing}}"}}\nsteps: [{id: s, kind: stop}]',
        load_book(),
    )
    assert [each.path for each in checked.errors] == ["outputs.a.type", "outputs.a.value"]


async def test_stop_ends_the_called_flow_alone() -> None:
    world = make_world(
        inner="  - {id: a, kind: stop}\n  - " + http("two", "never"), head=HEAD.replace("{{n}}", "{{inputs.count}}")
    )
    end = await world.run()
    assert world.asked == ["first", "last--3-200"]
    assert end.receipt.outcome is RunOutcome.FINISHED


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("missing", (FailureCode.FLOW_MISSING, "with.flow", "", "sub")),
        ("webhook", (FailureCode.FLOW_MISSING, "with.flow", "not_callable", "sub")),
        ("input", (FailureCode.INPUT_INVALID, "with.inputs.count", "text_not_number", "sub")),
        ("outputs", (FailureCode.TEMPLATE_FAILED, "outputs", "bad_argument", "sub")),
        ("output", (FailureCode.INPUT_INVALID, "outputs.word", "number_not_boolean", "sub")),
    ],
)
async def test_what_can_not_be_performed_is_told(case: str, expected: tuple[Any, ...]) -> None:
    caller = CALLER % ""
    if case == "input":
        caller = caller.replace('count: "3"', 'count: "x3"')
    head = HEAD.replace("{{n}}", "{{n.left(inputs.word)}}").replace("{{steps.two.status}}", "{{inputs.word.left(inputs.word)}}")
    if case == "output":
        head = HEAD.replace('word: "{{steps.two.status}}"', 'word: {type: boolean, value: "{{steps.two.status}}"}')
    world = make_world(caller, head=head if case in {"outputs", "output"} else HEAD)
    if case == "missing":
        shelf_of(world).put(TENANT, make_plan("  - {id: a, kind: stop}", flow="inner").published.flow.id, None)
    if case == "webhook":
        other = make_plan("  - {id: a, kind: stop}", flow="inner").published
        shelf_of(world).put(TENANT, other.flow.id, other)
    assert failure_of((await world.run()).receipt) == expected


async def test_a_flow_that_performs_itself_ends_at_five() -> None:
    again = f"  - {http('one', 'one')}\n  - {{id: again, kind: run_flow, with: {{flow: inner}}}}"
    world = make_world(inner=again, head="", caller="  - {id: sub, kind: run_flow, with: {flow: inner}}")
    end = await world.run()
    assert world.asked == ["one"] * 5
    assert failure_of(end.receipt) == (FailureCode.CALLS_TOO_DEEP, "", "", "sub")
    assert [step.within for step in end.receipt.steps][-1] == "sub/again/again/again/again/"


@pytest.mark.parametrize("dies_at", ["", "x-1", "y-x-1", "x-2"])
async def test_in_a_loop_each_turn_performs_it_anew(dies_at: str) -> None:
    caller = """\
  - id: loop
    kind: each
    with: {items: [1, 2]}
    branches:
      - steps:
          - {id: sub, kind: run_flow, with: {flow: inner, inputs: {n: "{{item}}"}}}"""
    inner = f"  - {http('x', 'x-{{inputs.n}}')}\n  - {http('y', 'y-{{steps.x.body.name}}')}"
    world = make_world(caller, inner, "inputs: {n: {}}")
    end = await world.run(dies_at)
    assert world.asked == ["x-1", "y-x-1", "x-2", "y-x-2"]
    assert {step.within + step.step: step.times for step in end.receipt.steps}["sub/y"] == 2


async def test_a_checkpoint_holds_what_each_of_the_two_still_reads() -> None:
    world = make_world((CALLER % "").replace("-{{steps.first.status}}", ""))
    await world.run()
    states = [open_state(make_message(world.body), sealed, SEALER) for sealed in world.store.saved]
    inside = next(state for state in states if "sub[call]/first" in state.done)
    assert inside.done["sub[call]/first"] is not None, "the called flow reads its own"
    assert inside.done["first"] is not None, "the inputs are worked out again when the run is taken over"
    after = states[-2]
    assert not any("[call]" in path for path in (*after.done, *after.variables, *after.entered))


async def test_a_run_may_wait_in_a_called_flow_and_carries_what_both_read() -> None:
    inner = INNER.replace("  - {id: two", "  - {id: pause, kind: wait, with: {days: 1}}\n  - {id: two")
    world = make_world(inner=inner)
    message = make_message(world.body)
    runner = Runner(FakeClock(), world.open_line, around=world.around)
    end = await runner.perform(world.plan, message, journal=Journal(world.store, SEALER, FakeClock(), message))
    assert isinstance(end, Parked)
    (wait,) = end.waits
    assert wait.path == "sub[call]/pause"
    answer = Answered(path=wait.path, end=WaitEnd.DUE, at_milliseconds=1)
    woken = end.message
    woken.state = msgspec.structs.replace(woken.state, answers={wait.path: answer})
    world.store.kept.clear()
    ended = await runner.perform(world.plan, woken, journal=Journal(world.store, SEALER, FakeClock(), woken))
    assert isinstance(ended, Ended)
    assert ended.receipt.outcome is RunOutcome.FINISHED
    assert world.asked == ASKED


async def test_what_a_called_flow_held_is_forgotten_when_its_failure_is_caught() -> None:
    caller = f"""\
  - id: careful
    kind: try
    branches:
      - name: try
        steps:
          - {{id: sub, kind: run_flow, with: {{flow: inner, inputs: {{word: first, count: 3}}}}}}
      - name: catch
        steps:
          - {http("one", "one-{{error.step}}")}
          - {http("two", "two")}"""
    world = make_world(caller)
    world.fails = {"two-4-inner-first": 500}
    await world.run()
    assert world.asked == ["inner-first", "two-4-inner-first", "one-sub", "two"]
    states = [open_state(make_message(world.body), sealed, SEALER) for sealed in world.store.saved]
    assert any("sub[call]/first" in state.done for state in states)
    caught = [state for state in states if "one" in state.done]
    assert caught
    assert not any("[call]" in path for state in caught for path in (*state.done, *state.variables, *state.entered))


async def test_a_receipt_has_its_bound() -> None:
    many = "\n".join(f"  - {{id: s{number}, kind: set, with: {{values: {{x: 1}}}}}}" for number in range(150))
    caller = "\n".join(f"  - {{id: sub{number}, kind: run_flow, with: {{flow: inner}}}}" for number in range(5))
    end = await make_world(caller, many, "").run()
    assert (end.receipt.outcome, len(end.receipt.steps)) == (RunOutcome.FINISHED, STEPS_MAX)


@pytest.mark.parametrize(
    ("step", "part"),
    [
        ("{id: a, kind: run_flow, with: {flow: f}}", "performs itself"),
        ("{id: a, kind: run_flow, with: {flow: g}, retry: {attempts: 2}}", "has no `retry`"),
        ("{id: a, kind: run_flow, with: {flow: g}, timeout_seconds: 1}", "has no `timeout_seconds`"),
        ("{id: a, kind: run_flow, with: {flow: No Id}}", "`flow` is a text"),
        ("{id: a, kind: run_flow}", "needs the setting `flow`"),
    ],
)
def test_a_mistake_is_told(step: str, part: str) -> None:
    checked = check_flow(f"id: f\nname: F\ntrigger: {{on: webhook}}\nsteps:\n  - {step}\n", load_book())
    assert part in " ".join(problem.message for problem in checked.problems)
    assert (checked.flow is not None) == ("itself" in part), "performing itself is a warning"
