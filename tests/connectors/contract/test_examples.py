"""Every example of every file of the catalogue, present and future, is performed: what is asked and given is as it says."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from blubees.connectors.catalogue import list_catalogue, list_hooks, load_connector, load_documented
from blubees.connectors.contract.trying import try_examples
from blubees.model.action import Ask
from blubees.model.connector import Connector

SLACK = load_connector("slack")


@pytest.mark.parametrize("name", list_catalogue())
async def test_examples_are_as_they_say(name: str) -> None:
    connector = load_documented(name)
    assert connector is not None
    hooks: dict[str, Callable[..., Any]] = list_hooks(name)
    problems = [str(each) for action in connector.actions for each in await try_examples(connector, action, hooks)]
    assert problems == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"gives": {"ts": "1.3", "channel": "C1", "text": "hello"}}, "gives: Expected"),
        ({"asks": (Ask(method="GET"),)}, "The method is POST, expected GET."),
        ({"asks": (Ask(path="/chat.postMessage"),)}, "The path is /api/chat.postMessage"),
        ({"asks": (Ask(body={"channel": "C1"}),)}, "The body is"),
        ({"asks": (Ask(query={"a": "b"}),)}, "The query is"),
        ({"asks": (Ask(headers={"Accept": "text/plain"}),)}, "The header Accept is"),
        ({"gives": None, "fails": "busy"}, "Expected the failure busy, got a success"),
        ({"inputs": {"channel": ["C1"], "text": "hello"}}, "input_invalid with.channel list_not_text"),
        ({"inputs": {"text": "hello"}}, "input_invalid with.channel missing"),
        ({"replies": ()}, "The action asks 1 times; the example has 0 replies."),
    ],
)
async def test_an_example_that_is_not_true_is_found(change: dict[str, Any], told: str) -> None:
    assert SLACK is not None
    action = SLACK.actions["post_message"]
    examples = (msgspec.structs.replace(action.examples[0], **change),)
    changed = msgspec.structs.replace(SLACK, actions={"post_message": msgspec.structs.replace(action, examples=examples)})
    assert isinstance(changed, Connector)
    assert any(told in str(each) for each in await try_examples(changed, "post_message", {}))
