"""The broker ports on a real nats-server: bounds, duplicates, hand-backs, who may see what, and a broker that goes away."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from nats.aio.msg import Msg

from blubees.adapters.broker import checkpoints as checkpoints_file
from blubees.adapters.broker import runs
from blubees.adapters.broker.boards import NatsPlanBoard, NatsSettingsBoard, NatsTokenBoard
from blubees.adapters.broker.checkpoints import NatsCheckpointStore
from blubees.adapters.broker.leases import NatsLeaseDesk
from blubees.adapters.broker.receipts import NatsReceiptBox
from blubees.adapters.broker.runs import NatsRunQueue
from blubees.model.connection import ConnectionKind, Lease, LeaseRefusal, Use
from blubees.model.errors import UnavailableError
from blubees.model.flow import PublishedFlow
from blubees.model.ids import ConnectionName, FlowId, RunId, TenantId
from blubees.model.receipt import LicenceState, Receipt, TenantSeen
from blubees.model.settings import TenantSettings
from blubees.ports import Lane, Put
from blubees.vault.seal import Sealer
from fakes.brokers import Brokers, Taker, post_plan
from fakes.engine import make_plan
from fakes.machine import FakeChance

A, B = TenantId("t" + "a" * 24), TenantId("t" + "b" * 24)
USE = Use()


async def test_each_tenant_and_lane_has_a_bound_of_its_own(brokers: Brokers) -> None:
    queue = NatsRunQueue(brokers.conduit)
    found = [await queue.put(A, Lane.PROMPT, b"x", delivery="") for _ in range(4)]
    assert found == [Put.QUEUED] * 3 + [Put.FULL]
    assert await queue.put(B, Lane.PROMPT, b"x", delivery="") is Put.QUEUED
    assert await queue.put(A, Lane.BULK, b"x", delivery="") is Put.QUEUED
    assert await queue.count_waiting() == 5


async def test_a_delivery_counts_once_also_when_it_comes_twice_at_a_time(brokers: Brokers) -> None:
    queue = NatsRunQueue(brokers.conduit)
    found = await asyncio.gather(*(queue.put(A, Lane.PROMPT, b"x", delivery="d1") for _ in range(20)))
    assert sorted(each.value for each in found) == ["duplicate"] * 19 + ["queued"]
    assert await queue.put(A, Lane.PROMPT, b"y", delivery="d2") is Put.QUEUED
    assert [await queue.claim("c") for _ in range(3)] == [True, False, False]


async def test_runs_come_once_and_again_when_they_are_handed_back(brokers: Brokers) -> None:
    queue, taker = NatsRunQueue(brokers.conduit), Taker()
    supply = asyncio.create_task(queue.supply(Lane.PROMPT, taker))
    for number in range(3):
        await queue.put(A, Lane.PROMPT, str(number).encode(), delivery="")
    await taker.until(3)
    assert {(run.tenant, run.sealed, run.deliveries) for run in taker.taken} == {(A, b"%d" % number, 1) for number in range(3)}
    back = taker.taken[0]
    await back.hand_back()
    await taker.until(4)
    assert (taker.taken[3].sealed, taker.taken[3].deliveries) == (back.sealed, 2)
    for run in taker.taken[1:]:
        await run.finish()
    await brokers.conduit.client.flush()
    assert await queue.count_waiting() == 0
    supply.cancel()
    await asyncio.gather(supply, return_exceptions=True)


async def test_what_was_said_to_be_finished_as_the_connection_broke_is_said_again(brokers: Brokers) -> None:
    queue, taker = NatsRunQueue(brokers.conduit), Taker()
    supply = asyncio.create_task(queue.supply(Lane.PROMPT, taker))
    await queue.put(A, Lane.PROMPT, b"x", delivery="")
    await taker.until(1)
    supply.cancel()
    await asyncio.gather(supply, return_exceptions=True)
    client: Any = brokers.conduit.client
    before = brokers.conduit.connection
    publish = client.publish

    async def lose(*_words: object, **_more: object) -> None:
        """As the kernel does with what was written last when the other side is gone."""

    client.publish = lose
    assert await taker.taken[0].finish()
    client.publish = publish
    assert await queue.count_waiting() == 1
    client._transport.close()
    async with asyncio.timeout(10):
        while brokers.conduit.connection == before or await queue.count_waiting():  # noqa: ASYNC110 - nats-py
            await asyncio.sleep(0.02)


async def test_no_more_come_than_there_is_room_for(brokers: Brokers) -> None:
    queue = NatsRunQueue(brokers.conduit)
    for tenant in (A, B):
        for _ in range(3):
            await queue.put(tenant, Lane.PROMPT, b"x", delivery="")
    taker = Taker(limit=4)
    supply = asyncio.create_task(queue.supply(Lane.PROMPT, taker))
    await taker.until(4)
    await asyncio.sleep(0.2)
    assert len(taker.taken) == 4
    supply.cancel()
    await asyncio.gather(supply, return_exceptions=True)


async def test_the_control_plane_can_neither_read_runs_nor_put_any(brokers: Brokers) -> None:
    queue = NatsRunQueue(brokers.conduit)
    await queue.put(A, Lane.PROMPT, b"x", delivery="")
    with pytest.raises((UnavailableError, asyncio.TimeoutError)):
        await asyncio.wait_for(NatsRunQueue(brokers.control).put(A, Lane.PROMPT, b"forged", delivery=""), 0.5)
    taker = Taker()
    supply = asyncio.create_task(NatsRunQueue(brokers.control).supply(Lane.PROMPT, taker))
    heard: list[bytes] = []

    async def hear(message: Msg) -> None:
        heard.append(message.data)

    await brokers.control.client.subscribe("runs.>", cb=hear)
    await queue.put(B, Lane.PROMPT, b"y", delivery="")
    await asyncio.sleep(0.3)
    assert (taker.taken, heard, await queue.count_waiting()) == ([], [], 2)
    supply.cancel()
    await asyncio.gather(supply, return_exceptions=True)


async def test_a_checkpoint_follows_the_one_that_its_conduit_knows(brokers: Brokers) -> None:
    store, run = NatsCheckpointStore(brokers.conduit), RunId("r" + "0" * 26)
    assert await store.load(A, run) is None
    first = await store.save(A, run, b"one", after=0)
    assert first
    assert await store.save(A, run, b"another's", after=0) is None
    second = await store.save(A, run, b"two", after=first)
    assert second
    assert await store.load(A, run) == (second, b"two")
    assert await store.load(B, run) is None
    assert await store.save(B, run, b"b", after=0)
    await store.drop(A, run)
    await brokers.conduit.client.flush()
    await asyncio.sleep(0.05)
    assert await store.load(A, run) is None
    assert await store.load(B, run) is not None
    with pytest.raises((UnavailableError, asyncio.TimeoutError)):
        await asyncio.wait_for(NatsCheckpointStore(brokers.control).save(A, run, b"forged", after=0), 0.5)


async def test_plans_are_told_from_the_beginning_and_go_on_being_told(brokers: Brokers) -> None:
    board, told = NatsPlanBoard(brokers.control), list[tuple[TenantId, FlowId, int]]()
    plan = make_plan("  - {id: a, kind: stop}", tenant=A).published

    def learn(tenant: TenantId, flow: FlowId, published: PublishedFlow | None) -> None:
        told.append((tenant, flow, published.version if published else 0))

    await post_plan(board, plan)
    await NatsPlanBoard(brokers.conduit).watch(learn)
    assert told == [(A, plan.flow.id, 1)]
    await post_plan(board, plan, is_withdrawn=True)
    async with asyncio.timeout(5):
        while len(told) < 2:  # noqa: ASYNC110 - what is told has no event here
            await asyncio.sleep(0.01)
    assert told[1] == (A, plan.flow.id, 0)
    with pytest.raises((UnavailableError, asyncio.TimeoutError)):
        await asyncio.wait_for(NatsPlanBoard(brokers.conduit).post(A, plan.flow.id, plan, after=0), 0.5)


async def test_nothing_is_posted_over_what_its_poster_has_not_seen(brokers: Brokers) -> None:
    board, plan = NatsPlanBoard(brokers.control), make_plan("  - {id: a, kind: stop}", tenant=A).published
    flow = plan.flow.id
    assert await board.find(A, flow) == (0, None)
    assert await board.post(A, flow, plan, after=0)
    first, known = await board.find(A, flow)
    assert known == plan
    assert not await board.post(A, flow, None, after=0), "it looked before that was posted"
    assert await board.post(A, flow, None, after=first)
    second, known = await board.find(A, flow)
    assert (second > first, known) == (True, None)
    assert not await board.post(A, flow, plan, after=first)
    settings, chosen = NatsSettingsBoard(brokers.control), TenantSettings(tenant=A, replay_hours=2)
    assert await settings.post(chosen, after=await settings.find(A))
    assert not await settings.post(chosen, after=0)
    assert await settings.post(chosen, after=await settings.find(A))


async def test_tokens_reach_every_conduit(brokers: Brokers) -> None:
    board, told = NatsTokenBoard(brokers.conduit), list[tuple[TenantId, bytes]]()
    await board.post(A, b"old")
    await board.post(A, b"new")
    await board.watch(lambda tenant, sealed: told.append((tenant, sealed)))
    assert told == [(A, b"new")]


async def test_the_newest_settings_of_each_tenant_reach_every_conduit(brokers: Brokers) -> None:
    board, told = NatsSettingsBoard(brokers.control), list[TenantSettings]()
    for settings in (TenantSettings(tenant=A), TenantSettings(tenant=A, replay_hours=0), TenantSettings(tenant=B)):
        assert await board.post(settings, after=await board.find(TenantId(settings.tenant)))
    await NatsSettingsBoard(brokers.conduit).watch(told.append)
    assert told == [TenantSettings(tenant=A, replay_hours=0), TenantSettings(tenant=B)]
    with pytest.raises((UnavailableError, asyncio.TimeoutError)):
        await asyncio.wait_for(NatsSettingsBoard(brokers.conduit).post(told[0], after=0), 0.5)


async def test_what_is_no_receipt_is_refused_and_counted(brokers: Brokers) -> None:
    box = NatsReceiptBox(brokers.conduit)
    seen = TenantSeen(
        tenant=A,
        environment_id="e",
        environment_type="DEVELOPMENT",
        cloud_id="1" * 36,
        installation_id="i",
        licence=LicenceState.ABSENT,
        seen_at_milliseconds=1,
    )
    await box.send([seen, {"tenant": A, "summary": "payload"}, "text", seen])  # type: ignore[list-item]
    await brokers.conduit.stream.publish("receipts", b"\xc1 no msgpack")
    good, refused = list[Receipt](), 0
    async with asyncio.timeout(5):
        async for receipts, count, finish in NatsReceiptBox(brokers.control).collect():
            good += receipts
            refused += count
            await finish()
            if refused >= 3:
                break
    assert (good, refused) == ([seen, seen], 3)


async def test_a_conduit_learns_which_receipts_are_in_the_database(brokers: Brokers) -> None:
    box = NatsReceiptBox(brokers.conduit)
    seen = TenantSeen(
        tenant=A,
        environment_id="e",
        environment_type="DEVELOPMENT",
        cloud_id="1" * 36,
        installation_id="i",
        licence=LicenceState.ABSENT,
        seen_at_milliseconds=1,
    )
    first, second = await box.send([seen]), await box.send([seen])
    assert first < second
    assert await box.kept() < first
    collected = 0
    async with asyncio.timeout(10):
        async for receipts, _, finish in NatsReceiptBox(brokers.control).collect():
            assert collected or await box.kept() < first, "collected is not kept"
            await finish()
            collected += len(receipts)
            if collected == 2:
                break
        while await box.kept() < second:  # noqa: ASYNC110 - the broker tells nobody
            await asyncio.sleep(0.02)


async def test_a_lease_opens_for_its_tenant_and_name_only(brokers: Brokers) -> None:
    key, chance = b"l" * 32, FakeChance()
    lease = Lease(
        kind=ConnectionKind.BEARER,
        hosts=("a.example.com",),
        user_name="",
        parameter="",
        secret="s3cret",
        expires_at_milliseconds=1,
    )

    asked: list[int] = []

    async def answer(tenant: TenantId, name: ConnectionName, uses: Sequence[Use], _refused: str) -> Lease | LeaseRefusal:
        asked.append(len(uses))
        await asyncio.sleep(0.05)
        return lease if (tenant, name) == (A, "mine") else LeaseRefusal.MISSING

    sealer = Sealer(key, chance)
    await NatsLeaseDesk(brokers.control, sealer.seal, sealer.unseal).serve(answer)
    desk = NatsLeaseDesk(brokers.conduit, sealer.seal, sealer.unseal)
    mine, uses = ConnectionName("mine"), [Use(flow="f", run=f"r{number}") for number in range(300)]
    assert await desk.borrow(A, mine, USE) == lease
    before = len(asked)
    assert await asyncio.gather(*(desk.borrow(A, mine, use) for use in uses)) == [lease] * 300
    assert asked[before:] == [300], "who asks at the same time is named in one question"
    slow = asyncio.create_task(desk.borrow(A, mine, USE))
    await asyncio.sleep(0.02)
    gone, late = asyncio.create_task(desk.borrow(A, mine, USE)), asyncio.create_task(desk.borrow(A, mine, USE))
    other = asyncio.create_task(desk.borrow(A, mine, Use(flow="another")))
    await asyncio.sleep(0)
    gone.cancel()
    assert [await each for each in (slow, late, other)] == [lease] * 3
    assert asked[before + 1 :] == [1, 1, 1], "who comes while a question is under way is named in the next one"
    assert not desk._waiting
    assert await desk.borrow(B, mine, USE) is LeaseRefusal.MISSING
    stranger = Sealer(b"x" * 32, chance)
    theirs = NatsLeaseDesk(brokers.conduit, stranger.seal, stranger.unseal)
    assert await theirs.borrow(A, mine, USE) is LeaseRefusal.UNAVAILABLE


async def test_a_question_whose_answer_takes_long_holds_up_no_other(brokers: Brokers) -> None:
    sealer, may_answer = Sealer(b"k" * 32, FakeChance()), asyncio.Event()

    async def answer(_tenant: TenantId, name: ConnectionName, _uses: Sequence[Use], _refused: str) -> LeaseRefusal:
        if name == "slow":
            await may_answer.wait()
        if name == "broken":
            raise UnavailableError("away")
        return LeaseRefusal.MISSING

    await NatsLeaseDesk(brokers.control, sealer.seal, sealer.unseal).serve(answer)
    desk = NatsLeaseDesk(brokers.conduit, sealer.seal, sealer.unseal)
    slow = asyncio.create_task(desk.borrow(A, ConnectionName("slow"), USE))
    await asyncio.sleep(0.05)
    async with asyncio.timeout(2):
        assert await desk.borrow(A, ConnectionName("quick"), USE) is LeaseRefusal.MISSING
        assert await desk.borrow(A, ConnectionName("broken"), USE) is LeaseRefusal.UNAVAILABLE
    may_answer.set()
    assert await slow is LeaseRefusal.MISSING


async def test_a_broker_that_is_gone_makes_unavailable_and_never_a_lost_run(
    brokers: Brokers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "CONFIRM_SECONDS", 0.3)
    queue = NatsRunQueue(brokers.conduit)
    brokers.child.process.kill()
    await brokers.child.process.wait()
    with pytest.raises(UnavailableError):
        await queue.put(A, Lane.PROMPT, b"x", delivery="")
    with pytest.raises(UnavailableError):
        await queue.claim("d")
    monkeypatch.setattr(checkpoints_file, "SAVE_SECONDS", 0.3)
    checkpoints = NatsCheckpointStore(brokers.conduit)
    with pytest.raises(UnavailableError):
        await checkpoints.save(A, RunId("r" + "0" * 26), b"x", after=0)


async def test_a_control_plane_that_starts_again_finds_the_streams_and_what_is_in_them(brokers: Brokers) -> None:
    queue = NatsRunQueue(brokers.conduit)
    await queue.put(A, Lane.PROMPT, b"x", delivery="")
    await brokers.control.create_streams()
    assert await queue.count_waiting() == 1
