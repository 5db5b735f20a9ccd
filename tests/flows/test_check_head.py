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


def test_only_flows_that_are_called_take_and_give() -> None:
    assert "belongs to flows that are started by manual or called" in check("inputs: {key: {}}", trigger="webhook", steps=STOP)
    assert "belongs to flows" in check("outputs: {key: 1}", trigger="jira.issue_created", steps=STOP)
