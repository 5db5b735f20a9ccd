"""What a receipt tells of a step's tries: when, what, how long waited, and the third party's own id of the request."""

import asyncio

import pytest

from blubees.engine.runner import Ended, Runner
from blubees.model.call import Call, CallAnswer
from blubees.model.failures import Failure, FailureCode
from blubees.model.receipt import StepReceipt
from fakes.engine import FakeLine, make_message, make_plan
from fakes.machine import FakeClock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """A clock that goes on by what is slept, at once."""
    clock, sleep = FakeClock(), asyncio.sleep

    async def skip(seconds: float) -> None:
        clock.advance(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", skip)
    return clock


async def perform(step: str, answers: list[int | Failure], clock: FakeClock) -> StepReceipt:
    def answer(call: Call) -> CallAnswer | Failure:
        clock.advance(1)
        found = answers.pop(0)
        number = call.url.rpartition("/")[2]
        return found if isinstance(found, Failure) else CallAnswer(status=found, headers={"x-request-id": f"q-{number}{found}"})

    end = await Runner(clock, lambda _tenant: FakeLine(answer)).perform(make_plan(f"  - {step}"), make_message())
    assert isinstance(end, Ended)
    return end.receipt.steps[-1]


RETRIED = "{id: x, kind: http, with: {url: 'https://a.example.com/'}, retry: {attempts: 3, seconds: 2}}"


async def test_each_try_of_a_step_is_told(clock: FakeClock) -> None:
    step = await perform(RETRIED, [503, Failure(code=FailureCode.TIMEOUT), 200], clock)
    assert [(each.code, each.http_status, each.request_id) for each in step.history] == [
        (FailureCode.VENDOR_BROKEN, 503, "q-503"),
        (FailureCode.TIMEOUT, 0, ""),
        (None, 200, ""),
    ]
    assert [each.duration_microseconds for each in step.history] == [1_000_000] * 3
    assert step.history[0].waited_microseconds == 0
    for before, after in zip(step.history, step.history[1:], strict=False):
        waited = after.offset_microseconds - before.offset_microseconds - before.duration_microseconds
        assert abs(after.waited_microseconds - waited) < 2_000
        assert after.waited_microseconds > 1_000_000


async def test_a_step_that_goes_well_at_once_has_no_history(clock: FakeClock) -> None:
    assert (await perform(RETRIED, [200], clock)).history == ()


async def test_a_loop_tells_the_tries_of_its_first_failed_turn(clock: FakeClock) -> None:
    each = """id: loop
    kind: each
    with: {items: [1, 2, 3, 4], on_failure: continue}
    branches: [{steps: [{id: x, kind: http, with: {url: 'https://a.example.com/{{item}}'}}]}]"""
    step = await perform(each, [200, 500, 404, 200], clock)
    assert [(each.http_status, each.request_id) for each in step.history] == [(500, "q-2500")]
    assert (step.times, step.attempts) == (4, 4)
