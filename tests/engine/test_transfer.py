"""A transfer in a run: what it does is what its target does, and a dry run passes no file."""

import pytest

from blubees.engine.runner import Ended, Runner
from blubees.model.call import Call, CallAnswer
from blubees.model.failures import Failure, FailureCode
from blubees.model.receipt import RunOutcome
from fakes.engine import FakeLine, make_message, make_plan
from fakes.machine import FakeClock

FILE = CallAnswer(status=200, headers={"content-type": "text/plain"}, body=b"file")
MADE = CallAnswer(status=201, headers={"content-type": "application/json"}, body=b'{"id": 7}')


def step(more: str, name: str = "move") -> str:
    return f"  - {{id: {name}, kind: transfer_file, with: {{from_url: 'https://a.example.com/f', {more}}}}}\n"


async def perform(text: str, *answers: CallAnswer | Failure) -> tuple[Ended, list[Call]]:
    given = list(answers)
    line = FakeLine(lambda _call: given.pop(0))
    end = await Runner(FakeClock(), lambda _tenant: line).perform(make_plan(text), make_message())
    assert isinstance(end, Ended)
    return end, line.calls


async def test_what_the_target_says_is_the_steps_result() -> None:
    seen = "  - {id: seen, kind: set, with: {values: {all: '{{steps.move.size}} {{steps.move.body.id}}'}}}\n"
    check = "  - {id: check, kind: choose, branches: [{when: '{{all.equals(\"4 7\")}}', steps: [{id: good, kind: stop}]}]}\n"
    wrong = "  - {id: wrong, kind: fail}\n"
    end, calls = await perform(step("to_issue: AB-1") + seen + check + wrong, FILE, MADE)
    assert end.receipt.outcome is not RunOutcome.FAILED, end.receipt.failure
    assert [(each.method, each.url) for each in calls] == [
        ("GET", "https://a.example.com/f"),
        ("POST", "/rest/api/3/issue/AB-1/attachments"),
    ]
    assert calls[0].answer_limit_bytes == 1_073_741_824


async def test_a_keyed_one_carries_its_key_to_the_target_alone() -> None:
    text = step("to_url: 'https://b.example.com/', effect: keyed", "one") + step(
        "to_url: 'https://b.example.com/', effect: keyed", "two"
    )
    _, calls = await perform(text, FILE, MADE, FILE, MADE)
    keys = [dict(each.headers).get("Idempotency-Key") for each in calls]
    assert keys[0] is keys[2] is None
    assert keys[1] != keys[3]
    assert all(keys[1::2])


async def test_a_failure_names_the_setting_that_was_given() -> None:
    text = "  - {id: move, kind: transfer_file, with: {from_attachment: 7, to_issue: AB-1}}\n"
    for given, field in (
        ("with.from_url", "with.from_attachment"),
        ("with.to_url", "with.to_issue"),
        ("with.to_connection",) * 2,
    ):
        end, _ = await perform(text, Failure(code=FailureCode.UNREACHABLE, field=given))
        assert end.receipt.failure is not None
        assert end.receipt.failure.field == field


@pytest.mark.parametrize(
    ("answers", "code", "field"),
    [
        ((CallAnswer(status=404),), FailureCode.NOT_FOUND, "with.from_url"),
        ((FILE, CallAnswer(status=413)), FailureCode.REQUEST_REFUSED, "with.to_url"),
        ((FILE, CallAnswer(status=301)), FailureCode.REQUEST_REFUSED, "with.to_url"),
        ((Failure(code=FailureCode.TIMEOUT, field="with.from_url"),), FailureCode.TIMEOUT, "with.from_url"),
    ],
)
async def test_a_failure_tells_the_side(answers: tuple[CallAnswer | Failure, ...], code: FailureCode, field: str) -> None:
    end, _ = await perform(step("to_url: 'https://b.example.com/', to_method: PUT"), *answers)
    assert end.receipt.failure is not None
    assert (end.receipt.failure.code, end.receipt.failure.field) == (code, field)
