"""A step is tried as often as it says, when that may help and harms nothing; its failure does what it says."""

import asyncio
import time

import pytest

from blubees.engine.journal import Journal
from blubees.engine.message import open_state
from blubees.engine.runner import Ended, Runner
from blubees.engine.tries import _choose_delay
from blubees.model.call import Call, CallAnswer
from blubees.model.failures import Failure, FailureCode
from blubees.model.flow import Retry, RetryOn
from blubees.model.receipt import RunOutcome
from blubees.vault.seal import Sealer
from fakes.engine import FakeCheckpoints, FakeLine, make_message, make_plan
from fakes.machine import FakeChance, FakeClock

SEALER = Sealer(b"k" * 32, FakeChance())


class World:
    """A third party that gives the answers it was told, then 200."""

    def __init__(self, answers: list[int | Failure], seconds: float = 0.0) -> None:
        self.answers, self.seconds = list(answers), seconds
        self.calls: list[Call] = []
        self.store = FakeCheckpoints()

    async def run(self, step: str) -> Ended:
        world = self

        class Line(FakeLine):
            async def call(self, call: Call) -> CallAnswer | Failure:
                await asyncio.sleep(world.seconds)
                return await super().call(call)

        def answer(call: Call) -> CallAnswer | Failure:
            world.calls.append(call)
            found = world.answers.pop(0) if world.answers else 200
            if isinstance(found, Failure):
                return found
            return CallAnswer(status=found, headers={"content-type": "application/json"}, body=b"{}")

        message = make_message()
        journal = Journal(self.store, SEALER, FakeClock(), message)
        end = await Runner(FakeClock(), lambda _tenant: Line(answer)).perform(
            make_plan(f"  - {step}\n  - {{id: after, kind: set, with: {{values: {{a: 1}}}}}}"), message, journal=journal
        )
        assert isinstance(end, Ended)
        return end


def http(method: str, more: str, effect: str = "auto") -> str:
    return f"{{id: x, kind: http, with: {{method: {method}, url: 'https://a.example.com/', effect: {effect}}}, {more}}}"


TIMEOUT = Failure(code=FailureCode.TIMEOUT)
UNREACHABLE = Failure(code=FailureCode.UNREACHABLE)
RETRY = "retry: {attempts: 3, seconds: 0.1}"


@pytest.mark.parametrize(
    ("method", "more", "answers", "calls", "outcome"),
    [
        ("GET", RETRY, [500, TIMEOUT], 3, RunOutcome.FINISHED),
        ("GET", RETRY, [500, 500, 500], 3, RunOutcome.FAILED),
        ("GET", RETRY, [404], 1, RunOutcome.FAILED),
        ("GET", "retry: {attempts: 3, seconds: 0.1, on: [busy]}", [500], 1, RunOutcome.FAILED),
        ("PUT", RETRY, [TIMEOUT, 429], 3, RunOutcome.FINISHED),
        ("POST", RETRY, [429, UNREACHABLE], 3, RunOutcome.FINISHED),
        ("POST", RETRY, [TIMEOUT], 1, RunOutcome.FAILED),
        ("POST", RETRY, [500], 1, RunOutcome.FAILED),
        ("POST", RETRY + ", on_doubt: retry", [500, TIMEOUT], 3, RunOutcome.FINISHED),
        ("GET", "on_error: continue", [404], 1, RunOutcome.FINISHED),
        ("GET", RETRY + ", on_error: continue", [500, 500, 500], 3, RunOutcome.FINISHED),
    ],
)
async def test_a_step_is_tried_when_that_helps_and_harms_nothing(
    method: str, more: str, answers: list[int | Failure], calls: int, outcome: RunOutcome
) -> None:
    world = World(answers)
    end = await world.run(http(method, more))
    assert (len(world.calls), end.receipt.outcome) == (calls, outcome)
    assert end.receipt.steps[0].attempts == calls
    assert (end.receipt.steps[0].failure is None) == (len(answers) < calls)


async def test_a_keyed_call_is_tried_again_with_the_same_key() -> None:
    world = World([500, TIMEOUT])
    await world.run(http("POST", RETRY, "keyed"))
    keys = [value for call in world.calls for name, value in call.headers if name == "Idempotency-Key"]
    assert len(keys) == 3
    assert len(set(keys)) == 1


async def test_a_try_ends_at_its_time() -> None:
    started = time.monotonic()
    world = World([], seconds=5)
    end = await world.run(http("GET", "timeout_seconds: 0.1"))
    assert end.receipt.failure is not None
    assert (end.receipt.failure.code, end.receipt.failure.field) == (FailureCode.TIMEOUT, "timeout_seconds")
    assert time.monotonic() - started < 2


def test_delays_grow_are_bounded_and_keep_to_what_the_third_party_asks() -> None:
    retry = Retry(attempts=10, seconds=1.0)
    delays = [_choose_delay(retry, Failure(code=FailureCode.BUSY), "run", number) for number in range(1, 10)]
    assert all(0.67 <= delay / 2**number <= 1.34 for number, delay in enumerate(delays[:8]))
    assert max(delays) <= 300
    busy = Failure(code=FailureCode.BUSY, retry_after_seconds=40)
    assert _choose_delay(retry, busy, "run", 1) == 40
    assert _choose_delay(retry, Failure(code=FailureCode.BUSY, retry_after_seconds=9_999), "run", 1) == 300
    assert len({_choose_delay(retry, busy, f"run-{number}", 7) for number in range(20)}) == 20


async def test_a_crash_while_waiting_for_another_try_leaves_no_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blubees.engine.tries.SAVE_BEFORE_SECONDS", 0.0)
    world = World([429])
    await world.run(http("POST", RETRY))
    states = [open_state(make_message(), sealed, SEALER) for sealed in world.store.saved]
    assert [state.attempting for state in states] == [("x",), (), ("x",), ()]


@pytest.mark.parametrize(
    ("more", "part"),
    [
        ("retry: {attempts: 1}", "from 2 to 10"),
        ("retry: {attempts: 2.5}", "a whole number"),
        ("retry: {attempts: 3, seconds: 0}", "from 0.1 to 60"),
        ("retry: {attempts: 3, on: [not_found]}", "busy, vendor_broken"),
        ("retry: {attempts: 3, wait: 5}", "wait"),
        ("retry: 3", "a mapping"),
        ("timeout_seconds: 9999", "from 0.1 to 600"),
        ("on_error: ignore", "continue"),
    ],
)
async def test_what_a_step_says_about_its_failures_is_checked(more: str, part: str) -> None:
    with pytest.raises(AssertionError, match=part):
        make_plan(f"  - {http('GET', more)}")


def test_a_block_has_none_of_it() -> None:
    with pytest.raises(AssertionError, match="use try"):
        make_plan("  - {id: a, kind: choose, on_error: continue, branches: [{steps: [{id: b, kind: stop}]}]}")


def test_the_words_are_meanings_of_failures() -> None:
    assert {each.value for each in RetryOn} <= {each.value for each in FailureCode}
