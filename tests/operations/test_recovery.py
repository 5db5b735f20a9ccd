"""Runs that went down with all brokers, on a real database file: launched again or lost, once, and never silently."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from blubees.adapters.database import Database, open_database
from blubees.model.errors import UnavailableError
from blubees.model.flow import TriggerKind
from blubees.model.ids import FlowId, RunId, TenantId
from blubees.model.order import Order, Redrive
from blubees.model.receipt import RunAccepted, RunOutcome, RunReceipt
from blubees.model.reference import Reference
from blubees.operations.ledger import explain
from blubees.operations.recovery import GRACE_SECONDS, Recovery
from fakes.machine import FakeClock

A = TenantId("t" + "a" * 24)
OLD, NEW = 10, 20
ISSUE = Reference(issue="10001", changelog="7")


class World:
    """A control plane's recovery, and what it did."""

    def __init__(self, database: Database) -> None:
        self.store, self.clock, self.sent = database.runs, FakeClock(), dict[str, Redrive]()
        self.is_away = False
        self.parked = set[str]()
        self.gone_versions = set[int]()
        self.posted: list[int] = []
        self.recovery = Recovery(
            self.store, self, self.post_version, self.clock, lambda *_args, **_fields: None, self.wake_again
        )

    async def send(self, order: Order, *, name: str) -> None:
        if self.is_away:
            raise UnavailableError("away")
        assert isinstance(order, Redrive)
        self.sent[name] = order

    async def post_version(self, _tenant: TenantId, _flow: FlowId, version: int) -> bool:
        self.posted.append(version)
        return version not in self.gone_versions

    async def wake_again(self, _tenant: TenantId, run: RunId) -> bool:
        return run in self.parked

    async def recover(self, epoch: int = NEW) -> tuple[int, int]:
        self.recovery.learn_epoch(epoch)
        assert await self.recovery.recover() == (0, 0), "conduits have time to tell"
        self.clock.advance(GRACE_SECONDS)
        return await self.recovery.recover()

    async def outcome(self, number: int) -> RunReceipt:
        found = await self.store.load(A, run(number))
        assert found is not None
        return found


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'db.sqlite3'}")
    await database.prepare()
    yield World(database)
    await database.close()


def run(number: int) -> RunId:
    return RunId(f"r{number:026d}")


def accepted(number: int, trigger: TriggerKind = TriggerKind.ISSUE_UPDATED, **changes: Any) -> RunAccepted:
    known = RunAccepted(
        tenant=A,
        flow=FlowId("flow"),
        version=3,
        run=run(number),
        trigger=trigger,
        accepted_at_milliseconds=1,
        epoch=OLD,
        reference=ISSUE if trigger is TriggerKind.ISSUE_UPDATED else Reference(),
    )
    return msgspec.structs.replace(known, **changes)


def ended(number: int, outcome: RunOutcome = RunOutcome.FINISHED, relaunches: int = 0) -> RunReceipt:
    return RunReceipt(
        tenant=A,
        flow=FlowId("flow"),
        version=3,
        run=run(number),
        trigger=TriggerKind.ISSUE_UPDATED,
        outcome=outcome,
        accepted_at_milliseconds=1,
        started_at_milliseconds=2,
        duration_microseconds=3,
        payload_bytes=4,
        relaunches=relaunches,
    )


async def test_a_run_that_can_be_asked_for_is_launched_again_under_its_id_and_once(world: World) -> None:
    await world.store.record([accepted(1), accepted(2, epoch=NEW), accepted(3), ended(3)])
    assert await world.recover() == (1, 0)
    assert await world.recovery.recover() == (0, 0)
    (order,) = world.sent.values()
    assert (order.run, order.relaunches, order.reference, order.version) == (run(1), 1, ISSUE, 3)
    assert world.posted == [3]
    assert (await world.outcome(1)).outcome is RunOutcome.ACCEPTED
    await world.store.record([accepted(1, epoch=NEW, relaunches=1), ended(1, relaunches=1)])
    assert (await world.outcome(1)).outcome is RunOutcome.FINISHED


async def test_a_webhook_that_is_gone_is_lost_and_says_what_to_do(world: World) -> None:
    await world.store.record([accepted(1, TriggerKind.WEBHOOK), accepted(2, TriggerKind.ISSUE_COMMENTED)])
    assert await world.recover() == (0, 2)
    assert world.sent == {}
    found = await world.outcome(1)
    assert found.outcome is RunOutcome.LOST
    assert "sender deliver it again" in explain(found)[0].what_to_do
    assert [each.outcome for each in await world.store.list(A, flow=None, limit=9, before=None)] == [RunOutcome.LOST] * 2


async def test_an_end_that_comes_after_all_takes_the_place_of_lost(world: World) -> None:
    await world.store.record([accepted(1, TriggerKind.WEBHOOK)])
    await world.recover()
    await world.store.record([ended(1)])
    assert (await world.outcome(1)).outcome is RunOutcome.FINISHED


async def test_a_run_that_is_lost_again_is_launched_again_from_its_first_reference(world: World) -> None:
    await world.store.record([accepted(1)])
    await world.recover()
    await world.store.record([accepted(1, epoch=NEW, relaunches=1, reference=Reference())])
    assert await world.recover(30) == (1, 0)
    assert [(each.relaunches, each.reference) for each in world.sent.values()] == [(1, ISSUE), (2, ISSUE)]


async def test_an_order_that_went_down_too_is_given_again(world: World) -> None:
    await world.store.record([accepted(1)])
    await world.recover()
    assert await world.recover(30) == (1, 0)
    assert [each.relaunches for each in world.sent.values()] == [1, 1]


async def test_a_parked_run_is_not_missing(world: World) -> None:
    world.parked.add(run(1))
    await world.store.record([accepted(1, TriggerKind.WEBHOOK)])
    assert await world.recover() == (0, 0)
    assert (await world.outcome(1)).outcome is RunOutcome.ACCEPTED
    world.parked.clear()
    assert await world.recovery.recover() == (0, 0), "it was taken care of in this epoch"


async def test_while_the_broker_is_away_nothing_is_given_up(world: World) -> None:
    await world.store.record([accepted(1), accepted(2, version=9)])
    world.is_away = True
    with pytest.raises(UnavailableError):
        await world.recover()
    assert (await world.outcome(1)).outcome is RunOutcome.ACCEPTED
    world.is_away, world.gone_versions = False, {9}
    assert await world.recovery.recover() == (1, 1), "a flow that is deleted runs no more"
