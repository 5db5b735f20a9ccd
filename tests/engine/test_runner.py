"""One run: what its steps see, how it ends, what its receipt says, and how it is gone on with elsewhere."""

import asyncio
import json

import pytest

from blubees.engine import runner as runner_module
from blubees.engine.runner import Answered, Ended, Runner
from blubees.model.call import Call, CallAnswer
from blubees.model.failures import Failure, FailureCode
from blubees.model.receipt import RunOutcome, StepOutcome
from fakes.engine import FakeLine, make_message, make_plan
from fakes.machine import FakeClock

SECRET = "canary-81kdmqzpwo"
POST = '  - {id: %s, kind: http, with: {method: POST, url: "https://a.example.com/%s", json: "{{webhookData}}"}}'


def ok(_call: Call) -> CallAnswer:
    return CallAnswer(status=200, headers={"content-type": "application/json"}, body=b'{"id": 7}')


def make_runner(line: FakeLine, clock: FakeClock | None = None) -> Runner:
    return Runner(clock or FakeClock(), lambda _tenant: line)


async def test_steps_see_the_event_variables_and_each_others_results() -> None:
    plan = make_plan("""\
  - {id: words, kind: set, with: {values: {word: "{{webhookData.n}}", run: "{{flow.run}}"}}}
  - {id: post, kind: http, with: {method: POST, url: "https://a.example.com/", json: "{{word}}"}}
  - {id: again, kind: http, with: {url: "https://a.example.com/{{steps.post.body.id}}/{{steps.words.run}}"}}""")
    line = FakeLine(ok)
    end = await make_runner(line).perform(plan, make_message())
    assert isinstance(end, Ended)
    assert end.receipt.outcome is RunOutcome.FINISHED
    assert json.loads(line.calls[0].body) == 1
    assert line.calls[1].url == f"https://a.example.com/7/{make_message().run}"
    assert [(step.step, step.http_status) for step in end.receipt.steps] == [("words", 0), ("post", 200), ("again", 200)]


async def test_a_branch_is_entered_once_and_its_number_noted() -> None:
    plan = make_plan("""\
  - id: way
    kind: choose
    branches:
      - when: "{{webhookData.n.gt(5)}}"
        steps: [{id: big, kind: stop}]
      - when: "{{webhookData.n.gt(0)}}"
        steps: [{id: small, kind: stop}]
      - steps: [{id: none, kind: fail}]
  - {id: never, kind: fail}""")
    end = await make_runner(FakeLine(ok)).perform(plan, make_message())
    assert isinstance(end, Ended)
    assert end.receipt.outcome is RunOutcome.STOPPED
    assert [(step.step, step.branch, step.outcome) for step in end.receipt.steps] == [
        ("way", 1, StepOutcome.DONE),
        ("small", -1, StepOutcome.STOPPED),
    ]


@pytest.mark.parametrize(
    ("step", "code", "field"),
    [
        ("{id: x, kind: fail}", FailureCode.FLOW_FAILED, ""),
        ('{id: x, kind: http, with: {url: "https://a.example.com/", timeout_seconds: "{{webhookData}}"}}', FailureCode.SETTING_INVALID, "with.timeout_seconds"),
        ("""{id: x, kind: set, with: {values: {a: '{{webhookData.n.replaceAll(webhookData.n.concat("("), "")}}'}}}""", FailureCode.TEMPLATE_FAILED, "with"),
        ('{id: x, kind: http, with: {url: "https://a.example.com/"}}', FailureCode.INTERNAL, ""),
    ],
)  # fmt: skip
async def test_a_failure_is_typed_and_carries_no_value(step: str, code: FailureCode, field: str) -> None:
    def surprise(_call: Call) -> CallAnswer:
        raise RuntimeError(f"a surprise with {SECRET}")

    plan = make_plan(f"  - {step}")
    end = await make_runner(FakeLine(surprise)).perform(plan, make_message(json.dumps({"n": SECRET}).encode()))
    assert isinstance(end, Ended)
    failure = end.receipt.failure
    assert failure is not None
    assert (end.receipt.outcome, failure.code, end.receipt.failed_step) == (RunOutcome.FAILED, code, "x")
    assert failure.field == field or not field
    assert (len(failure.frame) == 16) is (code is FailureCode.INTERNAL)
    assert SECRET not in repr(end.receipt)


async def test_a_run_that_answers_hands_the_rest_over_and_nothing_is_done_twice() -> None:
    steps = "\n".join(
        [POST % ("before", "before"), "  - {id: say, kind: respond, with: {json: ok}}", POST % ("after", "after")]
    )
    plan = make_plan(steps)
    line = FakeLine(ok)
    answered = await make_runner(line).perform(plan, make_message(), answering=True)
    assert isinstance(answered, Answered)
    assert (answered.answer.status, answered.answer.body) == (200, b'"ok"')
    assert [call.url[-6:] for call in line.calls] == ["before"]
    end = await make_runner(line).perform(plan, answered.message)
    assert isinstance(end, Ended)
    assert [call.url[-5:] for call in line.calls] == ["efore", "after"]
    assert [step.step for step in end.receipt.steps] == ["before", "say", "after"]


async def test_a_resumed_run_enters_the_branch_that_it_had_entered() -> None:
    plan = make_plan(f"""\
  - {{id: start, kind: set, with: {{values: {{word: a}}}}}}
  - id: way
    kind: choose
    branches:
      - when: '{{{{word.equals("a")}}}}'
        steps:
          - {{id: change, kind: set, with: {{values: {{word: b}}}}}}
          - {{id: say, kind: respond, with: {{json: ok}}}}
          - {{id: in, kind: http, with: {{url: "https://a.example.com/in"}}}}
{POST % ("after", "after")}""")
    line = FakeLine(ok)
    answered = await make_runner(line).perform(plan, make_message(), answering=True)
    assert isinstance(answered, Answered)
    assert answered.message.state.entered == {"way": 0}
    await make_runner(line).perform(plan, answered.message)
    assert [call.url.rpartition("/")[2] for call in line.calls] == ["in", "after"]


async def test_a_run_ends_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stuck(FakeLine):
        async def call(self, call: Call) -> CallAnswer | Failure:
            await asyncio.sleep(30)
            return ok(call)

    monkeypatch.setattr(runner_module, "RUN_MAX_SECONDS", 0.05)
    end = await make_runner(Stuck(ok)).perform(make_plan(POST % ("x", "x")), make_message())
    assert isinstance(end, Ended)
    assert end.receipt.failure is not None
    assert end.receipt.failure.code is FailureCode.RUN_TOO_LONG


async def test_the_clock_gives_offsets_and_durations() -> None:
    clock = FakeClock()

    def slow(call: Call) -> CallAnswer:
        clock.advance(2)
        return ok(call)

    end = await make_runner(FakeLine(slow), clock).perform(
        make_plan("\n".join([POST % ("a", "a"), POST % ("b", "b")])), make_message()
    )
    assert isinstance(end, Ended)
    assert [(step.offset_microseconds, step.duration_microseconds) for step in end.receipt.steps] == [
        (0, 2_000_000),
        (2_000_000, 2_000_000),
    ]
    assert end.receipt.duration_microseconds == 4_000_000
