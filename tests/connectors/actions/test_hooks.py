"""An action that the Python twin performs is given its inputs as their forms ask for them, and nothing else is different."""

from collections.abc import Mapping
from typing import Any

import pytest

from blubees.connectors.actions.perform import CallTools, compile_action
from blubees.connectors.hooks import PerformHook
from blubees.model.action import Action, ActionInput, Place, Request
from blubees.model.call import Call, CallAnswer, Effect
from blubees.model.connector import AuthScheme, Connector, Speaks
from blubees.model.failures import Failure, FailureCode


class Tools:
    """Answers all calls alike."""

    async def call(self, call: Call) -> CallAnswer | Failure:
        return CallAnswer(status=200, body=call.connection.encode())

    call_jira = call

    def now_milliseconds(self) -> int:
        return 7


async def send(given: Mapping[str, Any], tools: CallTools) -> Any | Failure:
    answer = await tools.call(Call(method="GET", url="https://x", effect=Effect.READ, connection=given["connection"]))
    assert isinstance(answer, CallAnswer)
    return {**given, "heard": answer.body.decode(), "at": tools.now_milliseconds()}


HOOK: PerformHook = send
ACTION = Action(
    effect=Effect.UNSAFE,
    request=Request(hook="send"),
    inputs={
        "count": ActionInput(schema={"type": "integer"}, place=Place.BODY, at=("count",), is_required=True),
        "note": ActionInput(schema={"type": ["string", "null"]}, place=Place.BODY, at=("note",)),
        "more": ActionInput(schema={"type": "string"}, place=Place.BODY, at=("more",)),
    },
)
CONNECTOR = Connector(
    name="wire", title="Wire", speaks=Speaks.HOOK, auth={"main": AuthScheme(kind="basic")}, actions={"send": ACTION}
)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (
            {"connection": "c", "count": "5", "note": None, "more": None},
            {"connection": "c", "count": 5, "note": None, "heard": "c", "at": 7},
        ),
        ({"connection": "c"}, Failure(code=FailureCode.INPUT_INVALID, field="with.count", detail="missing")),
        (
            {"connection": "c", "count": "x"},
            Failure(code=FailureCode.INPUT_INVALID, field="with.count", detail="text_not_integer"),
        ),
        ({"count": 5}, Failure(code=FailureCode.CONNECTION_MISSING, field="with.connection")),
    ],
)
async def test_a_twin_performs_an_action(given: dict[str, Any], found: object) -> None:
    assert await compile_action(CONNECTOR, "send", {"send": HOOK})(given, Tools()) == found


def test_a_hook_that_is_not_there_is_told_at_once() -> None:
    with pytest.raises(KeyError):
        compile_action(CONNECTOR, "send", {})
