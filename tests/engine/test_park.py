"""A run that waits leaves memory with what it still needs, sealed, and comes back once: whatever breaks, nothing is lost."""

import asyncio
import base64
import gc
import json
import random
import tracemalloc
from pathlib import Path
from typing import Any

import msgspec
import pytest

from blubees.engine import park as park_module
from blubees.engine.message import open_run
from blubees.engine.park import CARRIED_MAX_BYTES, PART_CHARACTERS, count_parts
from blubees.engine.runner import Ended, Parked
from blubees.main.orders import send_to_desks
from blubees.model.errors import UnavailableError
from blubees.model.failures import FailureCode, explain_failure
from blubees.model.ids import RunId, TenantId
from blubees.model.order import Order, Wake
from blubees.model.parking import Answered, ArmSlot, SlotAnswer, SlotRequest, SlotVerdict, WaitEnd, WaitKind
from blubees.model.receipt import LicenceState, RunOutcome, TenantSeen
from blubees.model.settings import Parking
from blubees.operations.parking import EXPIRY_MILLISECONDS
from blubees.ports import Lane, ParkedStatus, Put
from blubees.vault.seal import Sealer
from fakes.engine import TENANT, make_message
from fakes.machine import FakeChance
from fakes.parked_world import SEALER, ParkedWorld, park_world
from fakes.world import http

WAIT = "{id: pause, kind: wait, with: {days: 2}}"
SIMPLE = f"""\
  - {http("first", "first")}
  - {{id: keep, kind: set, with: {{values: {{word: "{{{{webhookData.word}}}}", unread: "{{{{webhookData.secret}}}}"}}}}}}
  - {WAIT}
  - {http("last", "last-{{word}}-{{webhookData.person.name}}")}"""
BODY = {"word": "w", "secret": "canary-5hd8", "person": {"name": "Mia", "mail": "canary-mail"}, "list": ["canary-list"] * 50}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(park_module, "LOOK_AGAIN_SECONDS", 0)


async def test_a_run_waits_without_us_and_goes_on_with_what_it_still_needs(tmp_path: Path) -> None:
    async with park_world(tmp_path, SIMPLE) as world:
        parked = await world.start(BODY)
        assert world.asked == ["first"]
        carried = json.dumps(parked.message.scope)
        assert "canary" not in carried
        assert parked.message.scope == {"webhookData": {"person": {"name": "Mia"}}}
        assert parked.message.state.variables == {"word": "w"}
        assert await world.service.wake_due() == 0, "it is not due"
        end = await world.wake(2 * 86_400)
        assert world.asked == ["first", "last-w-Mia"]
        receipt = await world.end(end)
        assert receipt.outcome is RunOutcome.FINISHED
        assert [step.step for step in receipt.steps] == ["first", "keep", "pause", "last"]
        assert receipt.payload_bytes == len(json.dumps(BODY))
        assert receipt.duration_microseconds >= 2 * 86_400 * 1_000_000
        assert world.jira.kept == {}, "what it had left in Jira is deleted"


async def test_a_run_that_waits_again_before_we_heard_that_it_is_in_the_queue_is_parked_again(tmp_path: Path) -> None:
    steps = f"  - {WAIT}\n  - {WAIT.replace('pause', 'again')}\n  - {http('last', 'last')}"
    async with park_world(tmp_path, steps) as world:
        await world.start(BODY)
        put = world.queue.put

        async def put_and_perform_at_once(tenant: TenantId, lane: Lane, sealed: bytes, *, delivery: str) -> Put:
            found = await put(tenant, lane, sealed, delivery=delivery)
            end = await world.perform(open_run(tenant, sealed, SEALER))
            assert isinstance(end, Parked)
            assert await world.parker.park(end.message, end.waits) is None
            return found

        world.queue.put = put_and_perform_at_once  # type: ignore[method-assign]
        world.clock.advance(3 * 86_400)
        await world.service.wake_due()
        await world.carry_out()
        world.queue.put = put  # type: ignore[method-assign]
        row = await world.database.parked.load(TENANT, make_message().run)
        assert row is not None
        assert (row.status, row.ordinal) == (ParkedStatus.WAITING, 2)
        await world.end(await world.wake(3 * 86_400))
        assert world.asked == ["last"]


async def test_what_is_left_in_jira_opens_with_the_runs_key_only_and_the_key_goes_with_the_run(tmp_path: Path) -> None:
    async with park_world(tmp_path, SIMPLE) as world:
        await world.start(BODY)
        run = make_message().run
        row = await world.database.parked.load(TENANT, run)
        assert row is not None
        assert row.sealed_key
        (place, text), *_ = world.jira.kept.items()
        assert place == f"/rest/forge/1/app/properties/blubees.run.{run}.0"
        assert "Mia" not in text
        await world.end(await world.wake(3 * 86_400))
        row = await world.database.parked.load(TENANT, run)
        assert row is not None
        assert (row.status, row.sealed_key) == (ParkedStatus.CLEARED, b"")
        assert b"Mia" not in (tmp_path / "db.sqlite3").read_bytes()


async def test_a_run_about_an_issue_leaves_it_at_the_issue_and_at_the_app_when_that_is_gone(tmp_path: Path) -> None:
    steps = f"  - {WAIT}\n  - {http('last', '{{issue.key}}-{{issue.summary}}')}"
    event = {
        "eventType": "avi:jira:created:issue",
        "issue": {"id": "10001", "key": "A-1", "fields": {"summary": "s", "description": "d"}},
    }
    async with park_world(tmp_path, steps, "jira.issue_created") as world:
        parked = await world.start(event)
        assert parked.message.scope is not None
        assert parked.message.scope["issue"] == {"key": "A-1", "fields": {"summary": "s"}}
        assert [place.partition("/properties")[0] for place in world.jira.kept] == ["/rest/api/3/issue/10001"]
        await world.end(await world.wake(3 * 86_400))
        assert world.asked == ["A-1-s"]


async def test_large_values_are_split_and_too_large_ones_refused_before_anything_is_written(tmp_path: Path) -> None:
    steps = f"  - {WAIT}\n  - {http('last', '{{webhookData.text.length}}')}"
    noise = "".join(f"{number * 7919 % 1_000_003:x}" for number in range(40_000))
    async with park_world(tmp_path, steps) as world:
        await world.start({"text": noise})
        assert len(world.jira.kept) > 1
        await world.end(await world.wake(3 * 86_400))
        assert world.asked == [str(len(noise))]
        assert world.jira.kept == {}
    (tmp_path / "b").mkdir()
    async with park_world(tmp_path / "b", steps) as world:
        message = make_message(
            json.dumps({"text": noise * 1 + "".join(f"{n * n:x}" for n in range(CARRIED_MAX_BYTES // 4))}).encode()
        )
        end = await world.perform(message)
        assert isinstance(end, Parked)
        failure = await world.parker.park(end.message, end.waits)
        assert failure is not None
        assert (failure.code, failure.detail) == (FailureCode.NOT_PARKED, "too_large")
        assert "262,144 bytes" in explain_failure(failure)[0]
        assert end.fail(failure).outcome is RunOutcome.FAILED
        assert world.jira.kept == {}


async def test_of_a_parking_that_carried_more_nothing_stays_behind(tmp_path: Path) -> None:
    steps = f"""\
  - {WAIT}
  - {http("middle", "{{webhookData.text.length}}")}
  - {WAIT.replace("pause", "again")}
  - {http("last", "{{webhookData.word}}")}"""
    noise = "".join(f"{number * 7919 % 1_000_003:x}" for number in range(40_000))
    async with park_world(tmp_path, steps) as world:
        await world.start({"text": noise, "word": "w"})
        assert len(world.jira.kept) > 1
        second = await world.wake(3 * 86_400)
        assert isinstance(second, Parked)
        assert await world.parker.park(second.message, second.waits) is None
        assert len(world.jira.kept) == 1
        await world.end(await world.wake(3 * 86_400))
        assert world.asked == [str(len(noise)), "w"]
        assert world.jira.kept == {}


@pytest.mark.parametrize("size", [1, 23_970, 23_971, 23_972, 24_000, 47_971, 47_972, 262_144])
def test_it_is_known_beforehand_in_how_many_properties_it_will_be(size: int) -> None:
    sealed = Sealer(b"k" * 32, FakeChance()).seal(bytes(size), ("a",))
    assert count_parts(size) == -(-len(base64.b64encode(sealed)) // PART_CHARACTERS)


@pytest.mark.parametrize("size", [0, 70_000])
async def test_a_run_that_ends_before_it_is_parked_leaves_nothing_behind(tmp_path: Path, size: int) -> None:
    steps = f"  - {{id: pause, kind: wait, with: {{until: '2026-11-20'}}}}\n  - {http('last', '{{webhookData.text.length}}')}"
    async with park_world(tmp_path, steps) as world:
        body = json.dumps({"text": random.Random(1).randbytes(size // 2).hex()}).encode()  # noqa: S311 - noise
        end = await world.perform(make_message(body))
        assert isinstance(end, Parked)
        opened = world.desk.answer

        async def die_before_arming(request: SlotRequest) -> SlotAnswer | SlotVerdict:
            if isinstance(request, ArmSlot):
                return SlotVerdict.UNAVAILABLE
            return await opened(request)

        world.desk.answer = die_before_arming
        with pytest.raises(UnavailableError):
            await world.parker.park(end.message, end.waits)
        left = len(world.jira.kept)
        assert left > 0
        row = await world.database.parked.load(TENANT, make_message().run)
        assert row is not None
        assert row.parts == left
        world.desk.answer = opened
        world.clock.advance(3 * 86_400)
        await world.end(await world.perform(make_message(body), deliveries=2))
        assert (world.jira.kept, world.asked) == ({}, [str(size // 2 * 2)])


async def test_a_run_that_just_writes_what_it_holds_next_is_not_taken_for_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = f"  - {WAIT}\n  - {http('middle', 'm')}\n  - {WAIT.replace('pause', 'again')}\n  - {http('last', '{{webhookData.word}}')}"
    async with park_world(tmp_path, steps) as world:
        await world.start({"word": "w"})
        world.clock.advance(3 * 86_400)
        await world.service.wake_due()
        (order,) = world.orders.given
        assert isinstance(order, Wake)
        (run,) = await world.carry_out()
        second = await world.perform(run)
        assert isinstance(second, Parked)
        opened = world.desk.answer

        async def die_before_arming(request: SlotRequest) -> SlotAnswer | SlotVerdict:
            return SlotVerdict.UNAVAILABLE if isinstance(request, ArmSlot) else await opened(request)

        world.desk.answer = die_before_arming
        with pytest.raises(UnavailableError):
            await world.parker.park(second.message, second.waits)
        world.desk.answer = opened

        monkeypatch.setattr(park_module, "LOOK_AGAIN_SECONDS", 0.5)
        again = asyncio.create_task(world.parker.wake(order))  # the same order, once more
        await asyncio.sleep(0.1)
        assert not again.done()
        assert await world.parker.park(second.message, second.waits) is None
        await again
        assert world.ended == []
        await world.end(await world.wake(3 * 86_400))
        assert world.asked == ["m", "w"]


async def break_off(world: ParkedWorld, where: str) -> Any:
    """Park a run, with a process that dies or a service that is away at one place; then let another conduit do it again."""
    message = make_message(json.dumps(BODY).encode())
    end = await world.perform(message)
    assert isinstance(end, Parked)
    if where == "jira":
        world.jira.status = 503
        with pytest.raises(UnavailableError):
            await world.parker.park(end.message, end.waits)
        world.jira.status = 0
    elif where == "control plane":
        world.desk.is_away = True
        with pytest.raises(UnavailableError):
            await world.parker.park(end.message, end.waits)
        world.desk.is_away = False
    elif where == "after it was parked":
        assert await world.parker.park(end.message, end.waits) is None
    again = await world.perform(make_message(json.dumps(BODY).encode()), deliveries=2)
    assert isinstance(again, Parked)
    assert await world.parker.park(again.message, again.waits) is None
    world.store.kept.clear()


@pytest.mark.parametrize("where", ["before", "jira", "control plane", "after it was parked"])
async def test_parking_that_is_broken_off_is_done_again_and_no_effect_happens_twice(tmp_path: Path, where: str) -> None:
    async with park_world(tmp_path, SIMPLE) as world:
        await break_off(world, where)
        await world.end(await world.wake(2 * 86_400 + 1))
        assert world.asked == ["first", "last-w-Mia"]


async def test_an_old_copy_of_a_run_does_not_begin_again_once_it_has_gone_on(tmp_path: Path) -> None:
    async with park_world(tmp_path, SIMPLE) as world:
        old = await world.start(BODY)
        await world.end(await world.wake(2 * 86_400))
        assert await world.parker.park(old.message, old.waits) is None
        world.clock.advance(10 * 86_400)
        assert await world.service.wake_due() == 0
        assert await world.carry_out() == []
        assert world.asked == ["first", "last-w-Mia"]


async def test_a_wake_that_comes_twice_wakes_once_and_one_that_was_lost_is_given_again(tmp_path: Path) -> None:
    async with park_world(tmp_path, SIMPLE) as world:
        await world.start(BODY)
        world.clock.advance(2 * 86_400)
        await world.service.wake_due()
        world.orders.given.clear()  # nobody got it
        assert await world.service.wake_due() == 0
        world.clock.advance(60)
        await world.service.wake_due()
        order = world.orders.given[0]
        assert isinstance(order, Wake)
        world.orders.given *= 3
        assert len(await world.carry_out()) == 1
        world.clock.advance(60)
        await world.service.wake_due()
        assert world.orders.given == [], "it was confirmed"


async def test_waits_at_a_time_are_one_parking_and_each_goes_on_when_it_is_due(tmp_path: Path) -> None:
    steps = f"""\
  - id: both
    kind: parallel
    branches:
      - steps: [{http("a", "a")}, {{id: short, kind: wait, with: {{hours: 1}}}}, {http("b", "b")}]
      - steps: [{{id: long, kind: wait, with: {{hours: 5}}}}, {http("c", "c-{{webhookData.word}}")}]
  - {http("end", "end")}"""
    async with park_world(tmp_path, steps) as world:
        parked = await world.start(BODY)
        assert sorted(wait.step for wait in parked.waits) == ["long", "short"]
        again = await world.wake(3_600)
        assert isinstance(again, Parked)
        assert world.asked == ["a", "b"]
        assert [wait.step for wait in again.waits] == ["long"]
        assert await world.parker.park(again.message, again.waits) is None
        await world.end(await world.wake(4 * 3_600))
        assert world.asked == ["a", "b", "c-w", "end"]


async def test_a_wait_that_is_over_while_the_run_is_under_way_wakes_it_as_soon_as_it_is_parked_again(tmp_path: Path) -> None:
    steps = """\
  - id: both
    kind: parallel
    branches:
      - steps: [{id: short, kind: wait, with: {hours: 1}}, {id: x, kind: set, with: {values: {a: 1}}}]
      - steps: [{id: long, kind: wait, with: {hours: 2}}, {id: y, kind: set, with: {values: {b: 1}}}]"""
    async with park_world(tmp_path, steps) as world:
        await world.start(BODY)
        again = await world.wake(3_600)
        assert isinstance(again, Parked)
        run = make_message().run
        due = Answered(path="both[1]/long", end=WaitEnd.DUE, at_milliseconds=1)
        assert await world.service.end_wait(TENANT, run, due)
        assert await world.carry_out() == [], "it is not parked"
        assert await world.parker.park(again.message, again.waits) is None
        runs = await world.carry_out()
        assert len(runs) == 1
        assert isinstance(await world.perform(runs[0]), Ended)


async def test_a_loop_waits_in_each_of_its_turns(tmp_path: Path) -> None:
    steps = f"""\
  - id: loop
    kind: each
    with: {{items: "{{{{webhookData.list}}}}"}}
    branches:
      - steps: [{http("a", "a-{{item}}")}, {{id: pause, kind: wait, with: {{hours: 1}}}}, {http("b", "b-{{item}}")}]"""
    async with park_world(tmp_path, steps) as world:
        await world.start({"list": ["x", "y"]})
        again = await world.wake(3_600)
        assert isinstance(again, Parked)
        assert await world.parker.park(again.message, again.waits) is None
        await world.end(await world.wake(3_600))
        assert world.asked == ["a-x", "b-x", "a-y", "b-y"]


async def test_a_short_wait_is_no_parking_but_one_that_is_over_goes_on_at_once(tmp_path: Path) -> None:
    steps = f"  - {{id: pause, kind: wait, with: {{until: '2020-01-01'}}}}\n  - {http('last', 'last')}"
    async with park_world(tmp_path, steps) as world:
        assert isinstance(await world.perform(make_message()), Ended)
        assert world.asked == ["last"]


async def test_when_the_values_are_gone_from_jira_the_run_ends_and_says_so(tmp_path: Path) -> None:
    async with park_world(tmp_path, SIMPLE) as world:
        await world.start(BODY)
        world.jira.kept.clear()
        world.clock.advance(2 * 86_400)
        await world.service.wake_due()
        assert await world.carry_out() == []
        assert world.ended[0].failure is not None
        assert world.ended[0].failure.code is FailureCode.PARKED_GONE


async def test_values_that_were_changed_or_are_of_another_parking_do_not_open(tmp_path: Path) -> None:
    async with park_world(tmp_path, SIMPLE) as world:
        await world.start(BODY)
        place = next(iter(world.jira.kept))
        world.jira.kept[place] = world.jira.kept[place][:-8] + "AAAAAAA="
        world.clock.advance(2 * 86_400)
        await world.service.wake_due()
        assert await world.carry_out() == []
        assert world.ended[0].failure is not None


@pytest.mark.parametrize(("choice", "expected"), [("retry", ["a", "b", "c"]), ("skip", ["a", "c"]), ("fail", ["a"])])
async def test_a_call_in_doubt_asks_a_person_and_does_as_told(tmp_path: Path, choice: str, expected: list[str]) -> None:
    steps = "\n".join(f"  - {http(name, name, 'method: POST')}" for name in "abc")
    async with park_world(tmp_path, steps) as world:
        world.dies_at = "b"
        with pytest.raises(KeyboardInterrupt):
            await world.perform(make_message())
        end = await world.perform(make_message(), deliveries=2)
        assert isinstance(end, Parked)
        assert [(wait.step, wait.kind) for wait in end.waits] == [("b", WaitKind.DOUBT)]
        assert await world.parker.park(end.message, end.waits) is None
        waiting = await world.service.list_waiting(TENANT)
        assert [(each.step, each.kind, each.choices) for each in waiting] == [("b", "doubt", ("retry", "skip", "fail"))]
        await world.service.answer_doubt(TENANT, RunId(waiting[0].run), choice)
        ended = await world.wake()
        assert world.asked == expected
        assert isinstance(ended, Ended)
        assert (ended.receipt.outcome is RunOutcome.FAILED) == (choice == "fail")


async def test_a_call_that_a_person_had_tried_again_and_that_is_in_doubt_once_more_is_asked_once_more(tmp_path: Path) -> None:
    steps = "\n".join(f"  - {http(name, name, 'method: POST')}" for name in "ab")
    async with park_world(tmp_path, steps) as world:
        world.dies_at = "b"
        with pytest.raises(KeyboardInterrupt):
            await world.perform(make_message())
        end = await world.perform(make_message(), deliveries=2)
        assert isinstance(end, Parked)
        assert await world.parker.park(end.message, end.waits) is None
        await world.service.answer_doubt(TENANT, make_message().run, "retry")
        (woken,) = await world.carry_out()
        world.dies_at = "b"
        with pytest.raises(KeyboardInterrupt):
            await world.perform(woken)
        again = await world.perform(woken, deliveries=2)
        assert isinstance(again, Parked)
        assert [(wait.step, wait.kind) for wait in again.waits] == [("b", WaitKind.DOUBT)]
        assert world.asked == ["a"]


async def test_uninstalling_destroys_the_keys_and_deletes_what_was_left(tmp_path: Path) -> None:
    async with park_world(tmp_path, SIMPLE) as world:
        await world.start(BODY)
        await world.service.forget_tenant(TENANT)
        row = await world.database.parked.load(TENANT, make_message().run)
        assert row is not None
        assert row.sealed_key == b""
        await world.carry_out()
        assert world.jira.kept == {}
        world.clock.advance(2 * 86_400)
        assert await world.service.wake_due() == 0
        world.clock.advance(2 * 86_400)
        await world.service.wake_due()
        assert await world.database.parked.load(TENANT, make_message().run) is None


async def test_for_a_site_that_is_gone_nothing_is_ordered_again_and_again(tmp_path: Path) -> None:
    gone = TenantSeen(
        tenant=TENANT,
        environment_id="e",
        environment_type="DEVELOPMENT",
        cloud_id="0" * 36,
        installation_id="i",
        licence=LicenceState.ACTIVE,
        seen_at_milliseconds=1,
        uninstalled=True,
    )
    async with park_world(tmp_path, SIMPLE) as world:
        await world.start(BODY)
        await world.database.tenants.record(gone)
        await world.service.forget_tenant(TENANT)
        assert len(world.orders.given) == 1
        for _ in range(5):  # nobody can carry it out: the app has no token there any more
            world.clock.advance(60)
            await world.service.wake_due()
        assert len(world.orders.given) == 1
        world.clock.advance(86_400)
        await world.service.wake_due()
        assert await world.database.parked.load(TENANT, make_message().run) is None


async def test_an_order_that_another_has_replaced_is_dropped(tmp_path: Path) -> None:
    carried_out = list[Order]()

    async def desk(order: Order) -> None:
        carried_out.append(order)

    async with park_world(tmp_path, SIMPLE) as world:
        carry_out = send_to_desks({Wake: desk}, world.clock)
        await world.start(BODY)
        world.clock.advance(2 * 86_400)
        await world.service.wake_due()
        world.clock.advance(60)
        await world.service.wake_due()
        first, second = world.orders.given
        world.clock.advance(EXPIRY_MILLISECONDS / 1_000 - 30)
        for order in (first, second):
            await carry_out(order)
        assert carried_out == [second]


async def test_where_the_tenant_refuses_parking_only_a_run_that_carries_nothing_is_parked(tmp_path: Path) -> None:
    async with park_world(tmp_path, SIMPLE) as world:
        world.parking = Parking.REFUSE
        end = await world.perform(make_message(json.dumps(BODY).encode()))
        assert isinstance(end, Parked)
        failure = await world.parker.park(end.message, end.waits)
        assert failure is not None
        assert (failure.code, failure.detail) == (FailureCode.NOT_PARKED, "refused_by_tenant")
        assert "`parking: refuse`" in explain_failure(failure)[0]
        assert world.jira.kept == {}
    (tmp_path / "b").mkdir()
    async with park_world(tmp_path / "b", f"  - {WAIT}\n  - {http('last', 'last')}") as world:
        world.parking = Parking.REFUSE
        await world.start(BODY)
        await world.end(await world.wake(2 * 86_400))
        assert world.asked == ["last"]


LOOP_THAT_WAITS = f"""
  - id: loop
    kind: each
    with: {{items: [1, 2]}}
    branches: [{{steps: [{WAIT}, {http("get", "get")}]}}]
  - {http("last", "{{steps.loop.results.name}}")}"""


async def test_what_turns_of_a_loop_gave_is_payload_too_where_parking_is_refused(tmp_path: Path) -> None:
    async with park_world(tmp_path, LOOP_THAT_WAITS) as world:
        await world.start({})
        world.parking = Parking.REFUSE
        end = await world.wake(2 * 86_400)  # the first turn is over; its result is read after the loop
        assert isinstance(end, Parked)
        failure = await world.parker.park(end.message, end.waits)
        assert failure is not None
        assert failure.detail == "refused_by_tenant"
    (tmp_path / "b").mkdir()
    async with park_world(tmp_path / "b", LOOP_THAT_WAITS.replace("{{steps.loop.results.name}}", "last")) as world:
        world.parking = Parking.REFUSE
        await world.start({})
        end = await world.wake(2 * 86_400)
        assert isinstance(end, Parked)
        assert await world.parker.park(end.message, end.waits) is None, "nobody reads what the turn gave"


async def test_runs_that_wait_leave_nothing_in_the_process_that_parked_them(tmp_path: Path) -> None:
    ours = [tracemalloc.Filter(inclusive=True, filename_pattern=f"*/blubees/{room}/*") for room in ("engine", "steps", "model")]
    async with park_world(tmp_path, SIMPLE) as world:

        async def park(first: int, count: int) -> None:
            for number in range(first, first + count):
                end = await world.perform(make_message(json.dumps(BODY).encode(), number=number))
                assert isinstance(end, Parked)
                assert await world.parker.park(end.message, end.waits) is None
            for kept in (world.jira.kept, world.store.kept):
                kept.clear()  # what the fakes of Jira and the broker hold
            line: Any = world.parker._open_line(TENANT)
            for told in (world.asked, world.sent, world.store.saved, world.desk.asked, line.calls):
                told.clear()
            gc.collect()

        await park(1, 50)
        tracemalloc.start()
        await park(100, 50)
        before = sum(each.size for each in tracemalloc.take_snapshot().filter_traces(ours).statistics("filename"))
        await park(200, 100)
        after = sum(each.size for each in tracemalloc.take_snapshot().filter_traces(ours).statistics("filename"))
        tracemalloc.stop()
    assert after - before < 100 * 50, "bytes: a run's event alone has over 500"


async def test_a_run_whose_end_was_told_already_asks_nobody(tmp_path: Path) -> None:
    async with park_world(tmp_path, SIMPLE) as world:
        await world.start(BODY)
        receipt = await world.end(await world.wake(2 * 86_400))
        message = make_message(json.dumps(BODY).encode(), number=9)
        end = await world.perform(message)
        assert isinstance(end, Parked)
        await world.database.runs.record([msgspec.structs.replace(receipt, run=message.run)])
        assert await world.parker.park(end.message, end.waits) is None
        assert await world.database.parked.load(TENANT, message.run) is None
