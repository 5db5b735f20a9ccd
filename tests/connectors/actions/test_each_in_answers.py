"""`*` in the path of an output stands for each item of a list."""

from typing import Any

import pytest

from blubees.connectors.actions.answers import ReadAnswer, compile_answer
from blubees.connectors.actions.paths import MISSING, look_up_each
from blubees.model.action import Action, ActionOutput, Answer
from blubees.model.call import Effect
from blubees.model.connector import Connector

DOCUMENT = {"output": [{"type": "reasoning"}, {"content": [{"text": "one "}, {"image": 1}, {"text": "two"}]}, {"content": 7}]}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("output.*.content.*.text", ["one ", "two"]),
        ("output.*.type", ["reasoning"]),
        ("output.*", DOCUMENT["output"]),
        ("output.1.content.0.text", "one "),
        ("output.*.nothing.*.text", []),
        ("nothing.*.text", MISSING),
        ("output.0.type.*", MISSING),
    ],
)
def test_what_stands_in_each_item_is_found(path: str, found: Any) -> None:
    assert look_up_each(DOCUMENT, tuple(path.split("."))) == found


def test_a_text_is_joined_and_a_list_is_a_list() -> None:
    at = ("output", "*", "content", "*", "text")
    outputs = {
        "text": ActionOutput(schema={"type": "string"}, at=at),
        "texts": ActionOutput(schema={"type": "array"}, at=at),
        "none": ActionOutput(schema={"type": ["string", "null"]}, at=("output", "*", "nothing")),
    }
    action = Action(effect=Effect.READ, answer=Answer(outputs=outputs))
    plan = compile_answer(Connector(name="a", title="A"), action)
    assert plan.give(ReadAnswer(DOCUMENT, {})) == {"text": "one two", "texts": ["one ", "two"], "none": ""}
