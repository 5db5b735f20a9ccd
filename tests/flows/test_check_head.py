"""What a flow says of itself besides its steps: good heads pass, and each mistake is told."""

import pytest

from blubees.flows.check import check_flow
from blubees.model.rules import Input, InputType
from blubees.steps.book import load_book


def check(
    head: str, *, trigger: str = "manual", steps: str = "{id: a, kind: set, with: {values: {x: '{{inputs.key}}'}}}"
) -> str:
    text = f"id: f\nname: F\ntrigger: {{on: {trigger}}}\n{head}\nsteps:\n  - {steps}\n"
    return " ".join(problem.message for problem in check_flow(text, load_book()).problems)


STOP = "{id: a, kind: stop}"


@pytest.mark.parametrize("trigger", ["manual", "called"])
def test_a_flow_says_what_it_takes_and_gives(trigger: str) -> None:
    head = """inputs:
  key: {type: text, required: true, description: An issue's key}
  count: {type: number, default: 3}
  more: {}
outputs: {word: "{{steps.a.x}}", all: ["{{inputs.count}}"]}"""
    assert check(head, trigger=trigger) == ""
    text = f"id: f\nname: F\ntrigger: {{on: {trigger}}}\n{head}\nsteps:\n  - {STOP.replace('stop', 'set, with: {values: {x: 1}}')}\n"
    flow = check_flow(text, load_book()).flow
    assert flow is not None
    assert flow.inputs["count"] == Input(type=InputType.NUMBER, default=3)


@pytest.mark.parametrize(
    ("head", "part"),
    [
        ("inputs: [a]", "`inputs` is a mapping"),
        ("inputs: {key: text}", "An input is a mapping"),
        ("inputs: {key: {type: word}}", "is not one of"),
        ("inputs: {key: {kind: text}}", "is not known here"),
        ("inputs: {key: {type: number, default: x}}", "not of the type number"),
        ("inputs: {key: {type: number, default: '3'}}", "not of the type number"),
        ("inputs: {key: {default: '{{now}}'}}", "not worked out"),
        ("inputs: {key: {required: 1}}", "true or false"),
        ("inputs: {9key: {}, key: {}}", "An input's name"),
        ("inputs: {other: {}}", "has no input `key`"),
        ("outputs: [a]", "`outputs` is a mapping"),
        ("outputs: {a: '{{steps.b}}'}", "There is no step `b`"),
        ("outputs: {a: '{{issue.key}}'}", "Nothing is called `issue`"),
    ],
)  # fmt: skip
def test_a_mistake_is_told(head: str, part: str) -> None:
    assert part in check(head)


def test_a_flow_says_how_its_runs_stand_to_each_other() -> None:
    for runs in (
        "{mode: queued, key: 'x-{{inputs.key}}', most: 3, waiting: 0}",
        "{mode: single, key: '{{inputs.key}}'}",
        "{mode: restart}",
        "{mode: parallel, most: 5}",
        "{rate: {count: 10, per_seconds: 60}}",
    ):
        assert check(f"runs: {runs}") == ""


@pytest.mark.parametrize(
    ("runs", "part"),
    [
        ("queued", "`runs` is a mapping"),
        ("{mode: one}", "is not one of"),
        ("{mode: single, most: 2}", "Remove `most`"),
        ("{mode: queued, most: 0}", "from 1 to 1000"),
        ("{mode: queued, waiting: 1001}", "from 0 to 1000"),
        ("{mode: queued, key: 3}", "A key is a text"),
        ("{mode: queued, key: '{{steps.a.x}}'}", "runs later"),
        ("{mode: queued, key: '{{issue.key}}'}", "Nothing is called `issue`"),
        ("{key: '{{inputs.key}}'}", "have no use"),
        ("{rate: 3}", "`rate` is a mapping"),
        ("{rate: {count: 3}}", "`per_seconds` is missing"),
        ("{rate: {count: 0, per_seconds: 1}}", "from 1 to"),
    ],
)  # fmt: skip
def test_a_mistake_about_runs_is_told(runs: str, part: str) -> None:
    assert part in check(f"runs: {runs}")


def test_a_flow_that_answers_can_not_let_its_caller_wait() -> None:
    respond = "{id: a, kind: choose, branches: [{steps: [{id: b, kind: respond}]}]}"
    assert "Remove `runs` or `respond`" in check("runs: {mode: single}", trigger="webhook", steps=respond)


def test_an_error_flow_is_another_flow() -> None:
    assert check("error_flow: tell-ops") == ""
    assert "can't be its own error flow" in check("error_flow: f")
    assert "the id of a flow" in check("error_flow: Tell Ops")


def test_only_flows_that_are_called_take_and_give() -> None:
    assert "belongs to flows that are started by manual or called" in check("inputs: {key: {}}", trigger="webhook", steps=STOP)
    assert "belongs to flows" in check("outputs: {key: 1}", trigger="jira.issue_created", steps=STOP)
