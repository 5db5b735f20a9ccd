"""Failed runs are retried: from their failed step while the broker has what they held, anew after that, or not at all."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from blubees.adapters.database import Database, open_database
from blubees.model.errors import ConflictError, UnavailableError
from blubees.model.failures import Failure, FailureCode
from blubees.model.flow import TriggerKind
from blubees.model.ids import FlowId, RunId, TenantId
from blubees.model.order import DoubtChoice, Order, Redrive, Retry
from blubees.model.receipt import RunAccepted, RunOutcome, RunReceipt
from blubees.model.reference import Reference
from blubees.operations.ledger import Ledger
from blubees.operations.run_control import RetryHow, RetryWays, RunControl
from fakes.machine import FakeChance, FakeClock

A = TenantId("t" + "a" * 24)
RUN = RunId("r" + "1" * 26)
UNTIL = 1_795_003_600_000
ISSUE = Reference(issue="10001", changelog="7")


class World:
    """A control plane's run control on a real database file; what the broker has, and what was ordered."""

    def __init__(self, database: Database) -> None:
        self.ledger, self.sent = Ledger(database.runs), dict[str, Order]()
        self.is_kept = self.has_version = True
        self.is_away = False
        parking, cancels = None, None  # nothing here cancels
        self.control = RunControl(
            self.ledger,
            parking,  # type: ignore[arg-type]
            cancels,  # type: ignore[arg-type]
            self,
            self,
            self.post_version,
            FakeClock(),
            FakeChance(),
        )

    async def has(self, _tenant: TenantId, _run: RunId) -> bool:
        if self.is_away:
            raise UnavailableError("away")
        return self.is_kept

    async def send(self, order: Order, *, name: str) -> None:
        self.sent[name] = order

    async def post_version(self, _tenant: TenantId, _flow: FlowId, _version: int) -> bool:
        return self.has_version

    async def fail(
        self,
        trigger: TriggerKind = TriggerKind.ISSUE_UPDATED,
        *,
        outcome: RunOutcome = RunOutcome.FAILED,
        code: FailureCode = FailureCode.VENDOR_BROKEN,
    ) -> RunReceipt:
        known = RunAccepted(
            tenant=A,
            flow="greet",
            version=3,
            run=RUN,
            trigger=trigger,
            accepted_at_milliseconds=1,
            epoch=5,
            reference=ISSUE if trigger is TriggerKind.ISSUE_UPDATED else Reference(),
        )
        ended = RunReceipt(
            tenant=A,
            flow="greet",
            version=3,
            run=RUN,
            trigger=trigger,
            outcome=outcome,
            accepted_at_milliseconds=1,
            started_at_milliseconds=2,
            duration_microseconds=3,
            payload_bytes=4,
            failed_step="post",
            failure=None if outcome is RunOutcome.FINISHED else Failure(code=code),
            kept_until_milliseconds=UNTIL,
        )
        await self.ledger.record([known, ended])
        return ended


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'control.sqlite3'}")
    await database.prepare()
    yield World(database)
    await database.close()


async def test_while_the_broker_has_what_it_held_it_goes_on_from_its_failed_step(world: World) -> None:
    failed = await world.fail()
    ways = await world.control.tell_ways(failed)
    assert ways == RetryWays(now=RetryHow.FROM_FAILED_STEP, then=RetryHow.FROM_THE_START, until_milliseconds=UNTIL)
    answer = await world.control.retry(A, RUN, DoubtChoice.NONE)
    (order,) = world.sent.values()
    assert isinstance(order, Retry)
    assert (answer.run, answer.how, order.run, order.relaunches) == (RUN, "from_failed_step", RUN, 1)


async def test_after_that_it_starts_anew_as_another_run_that_is_known_from_both(world: World) -> None:
    world.is_kept = False
    failed = await world.fail()
    assert await world.control.tell_ways(failed) == RetryWays(now=RetryHow.FROM_THE_START, then=RetryHow.FROM_THE_START)
    answer = await world.control.retry(A, RUN, DoubtChoice.NONE)
    (order,) = world.sent.values()
    assert isinstance(order, Redrive)
    assert (answer.run, answer.how) == (order.run, "from_the_start")
    assert (order.retry_of, order.version, order.relaunches, order.reference) == (RUN, 3, 0, ISSUE)
    assert order.run != RUN, "another run"
    assert order.expires_at_milliseconds > order.accepted_at_milliseconds > failed.accepted_at_milliseconds
    again = RunAccepted(
        tenant=A,
        flow="greet",
        version=3,
        run=order.run,
        trigger=order.trigger,
        accepted_at_milliseconds=2,
        epoch=5,
        retry_of=order.retry_of,
    )
    await world.ledger.record([again])
    assert [each.run for each in await world.ledger.list_retries(A, RUN)] == [order.run]
    fresh = await world.ledger.load(A, RunId(order.run))
    assert fresh is not None
    assert fresh.retry_of == RUN


async def test_what_nobody_can_ask_for_again_is_not_retried_and_nothing_is_ordered(world: World) -> None:
    world.is_kept = False
    failed = await world.fail(TriggerKind.WEBHOOK)
    assert await world.control.tell_ways(failed) == RetryWays(now=RetryHow.NOT_AT_ALL, then=RetryHow.NOT_AT_ALL)
    with pytest.raises(ConflictError, match="Have it sent again"):
        await world.control.retry(A, RUN, DoubtChoice.NONE)
    assert world.sent == {}


async def test_a_lost_run_starts_anew_and_never_from_its_failed_step(world: World) -> None:
    lost = await world.fail(outcome=RunOutcome.LOST, code=FailureCode.LOST)
    ways = await world.control.tell_ways(lost)
    assert ways is not None
    assert ways.now is RetryHow.FROM_THE_START
    assert (await world.control.retry(A, RUN, DoubtChoice.NONE)).how == "from_the_start"


async def test_a_version_that_is_gone_is_not_started_anew(world: World) -> None:
    world.is_kept = world.has_version = False
    await world.fail()
    with pytest.raises(ConflictError, match="version"):
        await world.control.retry(A, RUN, DoubtChoice.NONE)
    assert world.sent == {}


async def test_a_step_in_doubt_needs_a_choice_and_a_run_that_went_well_has_no_ways(world: World) -> None:
    ways = await world.control.tell_ways(await world.fail(code=FailureCode.IN_DOUBT))
    assert ways is not None
    assert ways.is_in_doubt
    with pytest.raises(ConflictError, match="--again"):
        await world.control.retry(A, RUN, DoubtChoice.NONE)
    assert (await world.control.retry(A, RUN, DoubtChoice.SKIP)).how == "from_failed_step"


async def test_without_the_broker_a_failed_run_is_shown_all_the_same(world: World) -> None:
    world.is_away = True
    ways = await world.control.tell_ways(await world.fail())
    assert ways == RetryWays(now=RetryHow.UNKNOWN, then=RetryHow.FROM_THE_START)


async def test_a_run_that_went_well_is_not_retried(world: World) -> None:
    finished = await world.fail(outcome=RunOutcome.FINISHED)
    assert await world.control.tell_ways(finished) is None
    with pytest.raises(ConflictError, match="has not failed"):
        await world.control.retry(A, RUN, DoubtChoice.NONE)
