"""Blocks: what they do, and that a run which is broken off anywhere in them goes on where it was."""

import asyncio
from typing import Any

import pytest

from blubees.engine.journal import Journal, RunLostError
from blubees.engine.message import RunState, open_state
from blubees.engine.runner import Runner
from blubees.flows.check import check_flow
from blubees.model.failures import FailureCode
from blubees.model.receipt import RunOutcome, StepOutcome
from blubees.steps.book import load_book
from fakes.engine import make_message
from fakes.machine import FakeClock
from fakes.world import SEALER, KilledError, World, http

EACH = f"""\
  - {http("first", "first")}
  - id: loop
    kind: each
    with: {{items: "{{{{webhookData.items}}}}", at_once: %d, on_failure: %s}}
    branches:
      - steps:
          - {http("one", "one-{{item}}")}
          - {{id: mine, kind: set, with: {{values: {{word: "{{{{steps.one.body.name}}}}-{{{{index}}}}"}}}}}}
          - {http("two", "two-{{word}}")}
  - {http("last", "last-{{steps.loop.count}}-{{steps.loop.failed}}-{{steps.loop.results.body.name}}")}"""
TURNS = [
    f"{kind}-{item}" for number, each in enumerate("abc") for kind, item in (("one", each), ("two", f"one-{each}-{number}"))
]
LAST = "last-3-0-two-one-a-0%2C%20two-one-b-1%2C%20two-one-c-2"


async def test_each_item_has_a_turn_and_the_results_are_in_order() -> None:
    world = World(EACH % (1, "fail"))
    end = await world.run()
    assert world.asked[:-1] == ["first", *TURNS]
    assert world.asked[-1].startswith("last-3-0-two-one-a-0")
    assert [(step.step, step.times) for step in end.receipt.steps] == [
        ("first", 1), ("loop", 1), ("one", 3), ("mine", 3), ("two", 3), ("last", 1),
    ]  # fmt: skip
    assert world.most_at_once == 1


async def test_turns_run_as_many_at_a_time_as_told_and_keep_to_themselves() -> None:
    world = World(EACH % (3, "fail"))
    await world.run()
    assert sorted(world.asked[1:-1]) == sorted(TURNS)
    assert world.asked[-1].startswith("last-3-0-two-one-a-0")
    assert world.most_at_once == 3


@pytest.mark.parametrize("at_once", [1, 2, 3])
@pytest.mark.parametrize("dies_at", ["first", *TURNS])
async def test_a_loop_goes_on_in_the_turn_where_it_was(dies_at: str, at_once: int) -> None:
    world = World(EACH % (at_once, "fail"))
    end = await world.run(dies_at)
    assert end.receipt.outcome is RunOutcome.FINISHED
    assert set(world.asked[:-1]) == {"first", *TURNS}
    if at_once == 1:
        assert world.asked[:-1] == ["first", *TURNS], "no finished effect twice"
    assert len(world.asked) <= 8 + at_once - 1, "only what was under way is asked again"
    assert [step.times for step in end.receipt.steps if step.step == "loop"] in ([1], [2])


async def test_a_failing_item_ends_the_run_or_only_its_turn() -> None:
    world = World(EACH % (1, "fail"))
    world.fails = {"one-b": 500}
    end = await world.run()
    assert (end.receipt.outcome, end.receipt.failed_step) == (RunOutcome.FAILED, "one")
    assert world.asked == ["first", "one-a", "two-one-a-0", "one-b"]
    world = World(EACH % (1, "continue"))
    world.fails = {"one-b": 500}
    end = await world.run()
    assert end.receipt.outcome is RunOutcome.FINISHED
    assert world.asked[-1].startswith("last-3-1-")
    failed = next(step for step in end.receipt.steps if step.step == "one")
    assert (failed.outcome, failed.times, failed.http_status) == (StepOutcome.FAILED, 3, 500)


REPEAT = f"""\
  - {{id: start, kind: set, with: {{values: {{n: 0}}}}}}
  - id: loop
    kind: repeat
    with: {{limit: %d}}
    branches:
      - when: "{{{{n.lt(3)}}}}"
        steps:
          - {http("ask", "ask-{{n}}")}
          - {{id: more, kind: set, with: {{values: {{n: "{{{{n.plus(1)}}}}"}}}}}}
          - {http("tell", "tell-{{n}}")}
  - {http("last", "last-{{steps.loop.count}}")}"""
REPEATED = ["ask-0", "tell-1", "ask-1", "tell-2", "ask-2", "tell-3", "last-3"]


@pytest.mark.parametrize("dies_at", ["", *REPEATED])
async def test_repeat_goes_on_while_its_condition_holds_also_after_a_crash(dies_at: str) -> None:
    world = World(REPEAT % 10)
    end = await world.run(dies_at)
    assert end.receipt.outcome is RunOutcome.FINISHED
    assert world.asked == REPEATED


UNTIL = REPEAT.replace("with: {limit: %d}", "with: {limit: %d, mode: until}").replace("n.lt(3)", "n.gte(3)")


@pytest.mark.parametrize("dies_at", ["", *REPEATED])
async def test_repeat_goes_on_until_its_condition_holds_also_after_a_crash(dies_at: str) -> None:
    world = World(UNTIL % 10)
    end = await world.run(dies_at)
    assert end.receipt.outcome is RunOutcome.FINISHED
    assert world.asked == REPEATED


async def test_until_there_is_one_turn_at_least() -> None:
    world = World(REPEAT.replace("with: {limit: %d}", "with: {limit: 1, mode: until}").replace("n.lt(3)", "n.gte(0)"))
    end = await world.run()
    assert end.receipt.outcome is RunOutcome.FINISHED
    assert world.asked == ["ask-0", "tell-1", "last-1"]


async def test_repeat_ends_at_its_limit() -> None:
    end = await World(REPEAT % 2).run()
    assert end.receipt.failure is not None
    assert (end.receipt.failure.code, end.receipt.failure.detail) == (FailureCode.RUN_TOO_LONG, "repeat_limit")


PARALLEL = f"""\
  - id: both
    kind: parallel
    branches:
      - name: left
        steps:
          - {http("a", "a")}
          - {http("b", "b-{{steps.a.body.name}}")}
      - name: right
        steps:
          - {http("c", "c")}
          - {{id: set, kind: set, with: {{values: {{word: "{{{{steps.c.body.name}}}}"}}}}}}
  - {http("last", "last-{{steps.b.body.name}}-{{word}}")}"""


@pytest.mark.parametrize("dies_at", ["", "a", "b-a", "c", "last-b-a-c"])
async def test_branches_run_at_a_time_and_their_results_are_read_after_them(dies_at: str) -> None:
    world = World(PARALLEL)
    end = await world.run(dies_at)
    assert end.receipt.outcome is RunOutcome.FINISHED
    assert world.asked[-1] == "last-b-a-c"
    assert set(world.asked) == {"a", "b-a", "c", "last-b-a-c"}
    assert dies_at or world.most_at_once == 2


async def test_when_one_branch_fails_the_other_still_ends() -> None:
    world = World(PARALLEL)
    world.fails = {"c": 500}
    end = await world.run()
    assert (end.receipt.outcome, end.receipt.failed_step) == (RunOutcome.FAILED, "c")
    assert "b-a" in world.asked


TRY = f"""\
  - id: careful
    kind: try
    branches:
      - name: try
        steps:
          - {http("a", "a")}
          - {http("b", "b")}
      - name: catch
        steps:
          - {http("mend", "mend-{{error.step}}-{{error.code}}-{{error.http_status}}")}
      - name: finally
        steps:
          - {http("tidy", "tidy")}
  - {http("last", "last-{{steps.careful.failed}}")}"""


@pytest.mark.parametrize("dies_at", ["", "a", "b", "mend-b-vendor_broken-500", "tidy", "last-true"])
async def test_a_failure_is_caught_and_what_comes_finally_always_comes(dies_at: str) -> None:
    world = World(TRY)
    world.fails = {"b": 500}
    end = await world.run(dies_at)
    assert end.receipt.outcome is RunOutcome.FINISHED
    assert world.asked == ["a", "b", "mend-b-vendor_broken-500", "tidy", "last-true"]


@pytest.mark.parametrize("dies_at", ["", "tidy"])
async def test_a_failure_in_catch_ends_the_run_after_finally(dies_at: str) -> None:
    world = World(TRY)
    world.fails = {"b": 500, "mend-b-vendor_broken-500": 404}
    end = await world.run(dies_at)
    assert (end.receipt.outcome, end.receipt.failed_step) == (RunOutcome.FAILED, "mend")
    assert world.asked[-1] == "tidy"
    assert "last-true" not in world.asked


async def test_without_a_failure_nothing_is_caught() -> None:
    world = World(TRY)
    await world.run()
    assert world.asked == ["a", "b", "tidy", "last-false"]


async def test_blocks_in_blocks_go_on_where_they_were() -> None:
    inner = f"""\
  - id: outer
    kind: each
    with: {{items: [1, 2], name: row}}
    branches:
      - steps:
          - id: inner
            kind: each
            with: {{items: ["x", "y"]}}
            branches:
              - steps:
                  - id: way
                    kind: choose
                    branches:
                      - when: '{{{{item.equals("x")}}}}'
                        steps:
                          - {http("ask", "x-{{row}}")}
                      - steps:
                          - {http("other", "y-{{row}}")}
"""
    expected = ["x-1", "y-1", "x-2", "y-2"]
    for dies_at in ["", *expected]:
        world = World(inner)
        end = await world.run(dies_at)
        assert end.receipt.outcome is RunOutcome.FINISHED
        assert world.asked == expected


async def test_an_unsafe_call_in_doubt_in_one_turn_is_told_and_the_other_turns_are_not() -> None:
    steps = f"""\
  - id: loop
    kind: each
    with: {{items: "{{{{webhookData.items}}}}", on_failure: continue}}
    branches:
      - steps:
          - {http("post", "{{item}}", "method: POST")[:-1]}, on_doubt: fail}}"""
    world = World(steps)
    end = await world.run("b")
    assert world.asked == ["a", "c"]
    post = next(step for step in end.receipt.steps if step.step == "post")
    assert post.failure is not None
    assert (post.failure.code, end.receipt.outcome) == (FailureCode.IN_DOUBT, RunOutcome.FINISHED)


async def test_a_finished_turn_keeps_only_its_result() -> None:
    world = World(EACH % (1, "fail"))
    await world.run()
    states = [open_state(make_message(world.body), sealed, SEALER) for sealed in world.store.saved]
    third = next(state for state in states if "loop[1]" in state.done)
    assert {path for path in third.done if path.startswith("loop[0]")} == {"loop[0]"}
    assert "first" in third.done
    assert third.done["first"] is None, "no later step reads it"


async def test_a_run_that_is_lost_stops_all_its_turns() -> None:
    world = World(EACH % (3, "fail"))
    message = make_message(world.body)
    journal = Journal(world.store, SEALER, FakeClock(), message)
    saves, at_loss = 0, list[int]()
    save = journal.save

    async def lose(state: RunState) -> None:
        nonlocal saves
        saves += 1
        if saves >= 2:
            at_loss.append(world.begun)
            raise RunLostError
        await save(state)

    journal.save = lose  # type: ignore[method-assign]
    with pytest.raises(RunLostError):
        await Runner(FakeClock(), world.open_line).perform(world.plan, message, journal=journal)
    await asyncio.sleep(0.02)
    assert [world.begun] == at_loss, "no further call"


async def test_when_one_turn_breaks_off_the_others_do_not_go_on_behind_it() -> None:
    world = World(EACH % (3, "fail"))
    world.slow, world.dies_at = {"one-b", "one-c"}, "one-a"
    with pytest.raises(KilledError):
        await world.run_once(1)
    await asyncio.sleep(0.06)
    assert world.asked == ["first"]


async def test_what_the_next_turn_reads_is_kept_while_this_one_is_under_way() -> None:
    steps = f"""\
  - {http("first", "first")}
  - id: loop
    kind: each
    with: {{items: [1, 2]}}
    branches:
      - steps:
          - {http("early", "{{steps.first.body.name}}-{{item}}")}
          - {http("late", "late-{{item}}")}"""
    world = World(steps)
    await world.run("late-1")
    assert world.asked == ["first", "first-1", "late-1", "first-2", "late-2"]


def problems(steps: str) -> Any:
    checked = check_flow(f"id: f\nname: F\ntrigger: {{on: webhook}}\nsteps:\n{steps}\n", load_book())
    return " ".join(problem.message for problem in checked.problems)


@pytest.mark.parametrize(
    ("steps", "part"),
    [
        ("  - {id: a, kind: each, with: {items: [1]}}", "needs `branches`: a list with one {steps}"),
        ("  - {id: a, kind: each, with: {items: [1]}, branches: [{when: '{{item}}', steps: [{id: b, kind: stop}]}]}", "has no `when`"),
        ("  - {id: a, kind: repeat, branches: [{steps: [{id: b, kind: stop}]}]}", "when"),
        ("  - {id: a, kind: parallel, branches: [{steps: [{id: b, kind: stop}]}]}", "two or more"),
        ("  - {id: a, kind: try, branches: [{name: try, steps: [{id: b, kind: stop}]}, {name: oops, steps: [{id: c, kind: stop}]}]}", "named try, catch"),
        ("  - {id: a, kind: each, with: {items: [1]}, branches: [{steps: [{id: b, kind: respond}]}]}", "respond can't stand in each"),
        ("  - {id: a, kind: stop, branches: [{steps: [{id: b, kind: stop}]}]}", "has no branches"),
    ],
)  # fmt: skip
def test_a_block_that_is_not_one_is_told(steps: str, part: str) -> None:
    assert part in problems(steps)


def test_names_that_blocks_give_are_known() -> None:
    assert problems(EACH % (1, "fail")) == ""
    assert problems(REPEAT % 3) == ""
    assert problems(TRY) == ""
    assert problems(PARALLEL) == ""
