"""`on_error: branch`: what a step does when it fails, also when the run is broken off in the middle of it."""

import pytest

from blubees.engine.message import open_state
from blubees.flows.check import check_flow
from blubees.flows.schema import flow_schema
from blubees.model.receipt import RunOutcome, StepOutcome
from blubees.steps.book import load_book
from fakes.engine import make_message
from fakes.world import SEALER, World, http

CAREFUL = f"""\
  - {http("first", "first")}
  - id: ask
    kind: http
    with: {{method: PUT, url: "https://a.example.com/ask", json: "{{{{steps.first.body}}}}"}}
    on_error: branch
    branches:
      - name: error
        steps:
          - {http("note", "note-{{error.code}}-{{error.http_status}}-{{error.step}}")}
          - {http("tell", "tell-{{error.code}}-{{steps.note.status}}")}
  - {http("last", "last-{{steps.ask}}-{{steps.tell.status}}")}"""
TAKEN = ["first", "ask", "note-vendor_broken-500-ask", "tell-vendor_broken-200", "last--200"]


@pytest.mark.parametrize("dies_at", ["", *TAKEN])
async def test_a_failure_takes_the_branch_and_the_run_goes_on(dies_at: str) -> None:
    world = World(CAREFUL)
    world.fails = {"ask": 500}
    end = await world.run(dies_at)
    assert world.asked == TAKEN
    assert end.receipt.outcome is RunOutcome.FINISHED
    ask = next(step for step in end.receipt.steps if step.step == "ask")
    assert (ask.outcome, ask.times) == (StepOutcome.FAILED, 1)


@pytest.mark.parametrize("dies_at", ["", "first", "ask", "last-name%3Dask"])
async def test_without_a_failure_the_branch_is_passed_over(dies_at: str) -> None:
    world = World(
        CAREFUL.replace("last-{{steps.ask}}", "last-name%3D{{steps.ask.body.name}}").replace("-{{steps.tell.status}}", "")
    )
    end = await world.run(dies_at)
    assert world.asked == ["first", "ask", "last-name%3Dask"]
    assert end.receipt.outcome is RunOutcome.FINISHED


async def test_a_failure_in_the_branch_ends_the_run() -> None:
    world = World(CAREFUL)
    world.fails = {"ask": 500, "note-vendor_broken-500-ask": 404}
    end = await world.run()
    assert (end.receipt.outcome, end.receipt.failed_step) == (RunOutcome.FAILED, "note")
    assert world.asked == TAKEN[:3]


async def test_in_a_catch_the_outer_error_is_back_after_the_branch() -> None:
    world = World(f"""\
  - id: careful
    kind: try
    branches:
      - name: try
        steps:
          - {http("a", "a")}
      - name: catch
        steps:
          - {http("mend", "mend-{{error.step}}")[:-1]}, on_error: branch, branches: [{{name: error, steps: [{http("inner", "inner-{{error.step}}")}]}}]}}
          - {http("tell", "tell-{{error.step}}")}""")
    world.fails = {"a": 500, "mend-a": 500}
    for dies_at in ("", "inner-mend", "tell-a"):
        world.asked.clear()
        world.store.kept.clear()
        await world.run(dies_at)
        assert world.asked == ["a", "mend-a", "inner-mend", "tell-a"]


async def test_what_the_failed_step_read_is_not_kept_in_its_branch() -> None:
    world = World(CAREFUL)
    world.fails = {"ask": 500}
    await world.run()
    states = [open_state(make_message(world.body), sealed, SEALER) for sealed in world.store.saved]
    inside = [state for state in states if "ask[error]" in state.done and "note" in state.done]
    assert inside
    assert all(state.done["first"] is None for state in inside)


@pytest.mark.parametrize(
    ("step", "part"),
    [
        ("{id: a, kind: stop, on_error: branch}", "on_error: branch needs `branches`"),
        ("{id: a, kind: stop, on_error: branch, branches: [{steps: [{id: b, kind: stop}]}]}", "is named error"),
        ("{id: a, kind: stop, on_error: branch, branches: [{name: error, when: '{{now}}', steps: [{id: b, kind: stop}]}]}", "has no `when`"),
        ("{id: a, kind: stop, branches: [{name: error, steps: [{id: b, kind: stop}]}]}", "They are for on_error: branch"),
        ("{id: a, kind: choose, on_error: branch, branches: [{steps: [{id: b, kind: stop}]}]}", "is a block and has no `on_error`"),
        ("{id: a, kind: stop, on_error: branch, branches: [{name: error, steps: [{id: a, kind: stop}]}]}", "is taken"),
    ],
)  # fmt: skip
def test_a_branch_that_is_not_one_is_told(step: str, part: str) -> None:
    checked = check_flow(f"id: f\nname: F\ntrigger: {{on: webhook}}\nsteps:\n  - {step}\n", load_book())
    assert part in " ".join(problem.message for problem in checked.problems)


def test_editors_know_the_branch() -> None:
    rule = next(each for each in flow_schema(load_book())["$defs"]["Step"]["allOf"] if "stop" in str(each["if"]))
    assert rule["then"]["else"] == {"properties": {"branches": False}}
