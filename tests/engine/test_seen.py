"""`dedupe`: once for each key, whoever comes first; a run that asks again is told the same."""

import pytest

from blubees.engine import seen
from blubees.engine.runner import Runner
from blubees.engine.surroundings import Surroundings
from blubees.model.errors import UnavailableError
from blubees.model.failures import FailureCode
from blubees.model.ids import TenantId
from blubees.model.receipt import RunOutcome, Trial
from blubees.model.seen import SeenQuestion
from fakes.engine import make_message
from fakes.machine import FakeClock
from fakes.world import World, http


class FakeSeen:
    """Port SeenDesk."""

    def __init__(self) -> None:
        self.marks: dict[bytes, bytes] = {}
        self.asked: list[SeenQuestion] = []
        self.away = 0

    async def ask(self, _tenant: TenantId, question: SeenQuestion) -> bool:
        if self.away:
            self.away -= 1
            raise UnavailableError("away")
        self.asked.append(question)
        return self.marks.setdefault(question.digest, question.asker) != question.asker


def make_world(more: str = "") -> World:
    world = World(f"""\
  - {{id: once, kind: dedupe, with: {{key: "{{{{webhookData.items}}}}-x"{more}}}}}
  - {http("do", "do-{{steps.once.seen}}")}
  - {http("last", "last")}""")
    world.around = Surroundings(seen=FakeSeen())
    return world


async def test_the_second_run_with_the_key_stops_and_another_key_does_not() -> None:
    world = make_world()
    assert (await world.run()).receipt.outcome is RunOutcome.FINISHED
    assert (await world.run(number=2)).receipt.outcome is RunOutcome.STOPPED
    world.body = b'{"items": "other"}'
    assert (await world.run(number=3)).receipt.outcome is RunOutcome.FINISHED
    assert world.asked == ["do-false", "last"] * 2


async def test_a_run_may_go_on_and_read_whether_it_was_seen() -> None:
    world = make_world(", when_seen: continue")
    await world.run()
    await world.run(number=2)
    assert world.asked == ["do-false", "last", "do-true", "last"]


@pytest.mark.parametrize("dies_at", ["do-false", "last"])
async def test_a_run_that_is_taken_over_is_not_told_of_its_own_mark(dies_at: str) -> None:
    world = make_world()
    assert (await world.run(dies_at)).receipt.outcome is RunOutcome.FINISHED
    assert world.asked == ["do-false", "last"]


async def test_in_a_loop_a_key_that_comes_twice_is_seen_the_second_time() -> None:
    world = World(f"""\
  - id: loop
    kind: each
    with: {{items: [a, b, a]}}
    branches:
      - steps:
          - {{id: once, kind: dedupe, with: {{key: "{{{{item}}}}", when_seen: continue}}}}
          - {http("do", "{{item}}-{{steps.once.seen}}")}""")
    world.around = Surroundings(seen=FakeSeen())
    await world.run("b-false")
    assert world.asked == ["a-false", "b-false", "a-true"]


async def test_a_dry_run_marks_nothing() -> None:
    world, desk = make_world(), FakeSeen()
    world.around = Surroundings(seen=desk)
    message = make_message(world.body)
    message.trial = Trial.DRY_RUN
    await Runner(FakeClock(), world.open_line, around=world.around).perform(world.plan, message)
    assert desk.asked == []


async def test_only_digests_leave_the_conduit() -> None:
    world, desk = make_world(", days: 30"), FakeSeen()
    world.around = Surroundings(seen=desk)
    await world.run()
    (question,) = desk.asked
    assert (len(question.digest), len(question.asker), question.days) == (32, 16, 30)


async def test_a_control_plane_that_is_away_is_waited_for_and_then_it_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen, "PAUSE_SECONDS", 0.0)
    world, desk = make_world(), FakeSeen()
    world.around, desk.away = Surroundings(seen=desk), seen.TRIES - 1
    assert (await world.run()).receipt.outcome is RunOutcome.FINISHED
    desk.away = seen.TRIES
    end = await world.run(number=2)
    assert end.receipt.failure is not None
    assert (end.receipt.failure.code, end.receipt.failed_step) == (FailureCode.UNAVAILABLE, "once")
