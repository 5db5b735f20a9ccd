"""A run that is launched again since it was lost: what is unsafe in it may have happened before, and is never silently repeated."""

import pytest

from blubees.engine.runner import Ended, Runner
from blubees.model.failures import FailureCode
from blubees.model.receipt import RunOutcome
from fakes.engine import make_message
from fakes.machine import FakeClock
from fakes.world import World, http

SAFE = "\n".join(f"  - {http(name, name, more)}" for name, more in (("read", "method: GET"), ("put", "method: PUT")))
KEYED = f"  - {http('keyed', 'keyed', 'method: POST, effect: keyed')}"


def unsafe(on_doubt: str) -> str:
    return f"  - {http('post', 'post', 'method: POST')[:-1]}, on_doubt: {on_doubt}}}"


async def perform(world: World, *, is_redriven: bool = True) -> Ended:
    message = make_message(world.body)
    message.is_redriven = is_redriven
    end = await Runner(FakeClock(), world.open_line).perform(world.plan, message)
    assert isinstance(end, Ended)
    return end


async def test_an_unsafe_call_is_in_doubt_when_it_is_first_met_and_what_is_safe_is_made() -> None:
    world = World(f"{SAFE}\n{KEYED}\n{unsafe('fail')}")
    end = await perform(world)
    assert world.asked == ["read", "put", "keyed"]
    assert end.receipt.failure is not None
    assert end.receipt.failure.code is FailureCode.IN_DOUBT
    assert end.receipt.failed_step == "post"
    world.asked.clear()
    assert (await perform(world, is_redriven=False)).receipt.outcome is RunOutcome.FINISHED
    assert world.asked == ["read", "put", "keyed", "post"]


@pytest.mark.parametrize(("on_doubt", "made"), [("retry", ["post"]), ("skip", [])])
async def test_the_step_may_say_what_to_do_with_it(on_doubt: str, made: list[str]) -> None:
    world = World(unsafe(on_doubt))
    assert (await perform(world)).receipt.outcome is RunOutcome.FINISHED
    assert world.asked == made


async def test_each_turn_of_a_loop_has_a_doubt_of_its_own() -> None:
    step = http("post", "{{item}}", "method: POST")[:-1] + ", on_doubt: retry}"
    loop = f"  - {{id: loop, kind: each, with: {{items: '{{{{webhookData.items}}}}'}}, branches: [{{steps: [{step}]}}]}}"
    world = World(loop)
    assert (await perform(world)).receipt.outcome is RunOutcome.FINISHED
    assert world.asked == ["a", "b", "c"]
    world = World(loop.replace("on_doubt: retry", "on_doubt: skip"))
    await perform(world)
    assert world.asked == []
