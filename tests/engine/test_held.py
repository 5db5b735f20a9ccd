"""A connection without a grant holds runs: nothing is lost, nothing is called, and all go on once a person has said yes."""

from pathlib import Path

import pytest

from blubees.engine.runner import Ended, Parked
from blubees.model.call import Call, CallAnswer
from blubees.model.failures import Failure, FailureCode
from blubees.model.ids import ConnectionName
from blubees.model.parking import WaitKind
from blubees.model.receipt import RunOutcome
from blubees.model.settings import Parking
from fakes.engine import TENANT, make_message
from fakes.parked_world import ParkedWorld, park_world

STEPS = """\
  - {id: first, kind: http, with: {method: PUT, url: "https://a.example.com/first"}}
  - {id: post, kind: http, with: {method: POST, connection: "{{webhookData.via}}", url: "https://a.example.com/post"}}
  - {id: last, kind: http, with: {method: PUT, url: "https://a.example.com/last-{{steps.post.body.name}}"}}"""
TEAM = ConnectionName("team-chat")


class Held:
    """A third party whose connection has a grant, or has none."""

    def __init__(self, world: ParkedWorld, detail: str = "grant_dead") -> None:
        self.answer, self.detail, self.lives, self.refused = world.answer, detail, False, 0
        world.answer = self.call  # type: ignore[method-assign]

    def call(self, call: Call) -> CallAnswer | Failure:
        if call.connection and not self.lives:
            self.refused += 1
            return Failure(code=FailureCode.CREDENTIAL_REFUSED, field="with.connection", detail=self.detail)
        return self.answer(call)


@pytest.mark.parametrize("detail", ["grant_dead", "no_grant"])
async def test_a_run_waits_for_the_grant_and_makes_the_call_once(tmp_path: Path, detail: str) -> None:
    async with park_world(tmp_path, STEPS) as world:
        held = Held(world, detail)
        parked = await world.start({"via": TEAM})
        assert [(wait.kind, wait.connection) for wait in parked.waits] == [(WaitKind.CONNECTION, TEAM)]
        waiting = await world.service.list_waiting(TENANT)
        assert [(each.kind, each.connection, each.step) for each in waiting] == [("connection", TEAM, "post")]
        await world.service.release(TENANT, ConnectionName("another"))
        assert await world.carry_out() == []
        held.lives = True
        await world.service.release(TENANT, TEAM)
        end = await world.wake()
        assert (await world.end(end)).outcome is RunOutcome.FINISHED
        assert world.asked == ["first", "post", "last-post"]
        assert held.refused == 1


async def test_it_looks_again_each_hour_and_is_held_again(tmp_path: Path) -> None:
    async with park_world(tmp_path, STEPS) as world:
        held = Held(world)
        await world.start({"via": TEAM})
        for count in range(2, 5):
            again = await world.wake(3_600)
            assert isinstance(again, Parked)
            assert await world.parker.park(again.message, again.waits) is None
            assert held.refused == count
            await world.service.wake_due()
            assert await world.carry_out() == [], "not before the next hour"
        held.lives = True
        await world.service.release(TENANT, TEAM)
        assert isinstance(await world.wake(), Ended)
        assert world.asked == ["first", "post", "last-post"]


async def test_after_thirty_days_it_fails_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blubees.engine.tries.HOLD_TURNS", 2)
    async with park_world(tmp_path, STEPS) as world:
        Held(world)
        await world.start({"via": TEAM})
        again = await world.wake(3_600)
        assert isinstance(again, Parked)
        assert await world.parker.park(again.message, again.waits) is None
        end = await world.end(await world.wake(3_600))
        assert end.failure == Failure(code=FailureCode.CREDENTIAL_REFUSED, field="with.connection", detail="grant_dead")
        assert world.asked == ["first"]


async def test_where_parking_is_refused_the_run_fails_as_what_it_is(tmp_path: Path) -> None:
    async with park_world(tmp_path, STEPS) as world:
        Held(world)
        world.parking = Parking.REFUSE
        end = await world.perform(make_message(b'{"via": "team-chat"}'))
        assert isinstance(end, Parked)
        failure = await world.parker.park(end.message, end.waits)
        assert failure is not None
        assert (failure.code, failure.detail) == (FailureCode.CREDENTIAL_REFUSED, "grant_dead")


async def test_hundreds_go_on_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blubees.operations.parking.AT_ONCE", 7)
    async with park_world(tmp_path, STEPS) as world:
        Held(world)
        for number in range(1, 21):
            message = make_message(b'{"via": "team-chat"}', number=number)
            message.trigger = world.plan.published.flow.trigger.on
            end = await world.perform(message)
            assert isinstance(end, Parked)
            assert await world.parker.park(end.message, end.waits) is None
        await world.service.release(TENANT, TEAM)
        assert len(await world.carry_out()) == 20
        await world.service.release(TENANT, TEAM)
        assert await world.carry_out() == []
