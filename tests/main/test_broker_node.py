"""Three nodes of the broker: who is let in, what they write, and what is lost when one of them is killed (nothing)."""

import asyncio
import contextlib
import gc
import io
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nats.errors
import nats.js.errors
import nkeys
import pytest

from blubees.adapters.broker import link
from blubees.adapters.broker.boards import NatsPlanBoard
from blubees.adapters.broker.checkpoints import NatsCheckpointStore
from blubees.adapters.broker.link import Broker, BrokerAddress, connect_broker
from blubees.adapters.broker.runs import NatsRunQueue
from blubees.adapters.broker.size import BrokerSize, Surveyor
from blubees.adapters.lockdown import LockdownError
from blubees.adapters.machine import EventLog
from blubees.main.broker_node import NodeSettings, describe_node, run_node
from blubees.main.certificates import Authority
from blubees.main.local_cluster import LocalNodes
from blubees.model.errors import InputError, UnavailableError
from blubees.model.flow import PublishedFlow
from blubees.model.ids import FlowId, RunId, TenantId
from blubees.ports import Lane, Put, TakenRun
from fakes.brokers import post_plan
from fakes.engine import make_plan

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.campaign,  # minutes on two cores: `make rolling` runs it
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # nats-py leaves refused connections open
]
A = TenantId("t" + "a" * 24)
CANARY = "canaryqz83hd02kfl"


@dataclass
class Taker:
    """Port RunTaker: finishes all it is given."""

    taken: list[bytes] = field(default_factory=list)
    finishing: set[asyncio.Task[bool]] = field(default_factory=set)

    def room(self) -> int:
        return 100

    def take(self, run: TakenRun) -> None:
        self.taken.append(run.sealed)
        self.finishing.add(asyncio.ensure_future(run.finish()))

    async def wait_for_room(self) -> None:
        await asyncio.Event().wait()


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNodes]:
    running = LocalNodes(tmp_path_factory.mktemp("nodes"))
    for name in running.names:
        running.start(name)
    yield running
    running.close()
    assert not running.store.exists()


async def supply_forever(queue: NatsRunQueue, lane: Lane, taker: Taker) -> None:
    """As a conduit does: a supply ends when its node dies, and is asked for again."""
    while True:
        with contextlib.suppress(UnavailableError):
            await queue.supply(lane, taker)
        await asyncio.sleep(0.1)


async def until(ask: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not ask():  # noqa: ASYNC110 - what is asked for has no event
            await asyncio.sleep(0.05)


def read_status(pid: int) -> str:
    return Path(f"/proc/{pid}/status").read_text()


async def withdraw_at_last(board: NatsPlanBoard, plan: PublishedFlow) -> None:
    while True:
        try:
            return await post_plan(board, plan, is_withdrawn=True)
        except UnavailableError:
            await asyncio.sleep(0.2)


def address(nodes: LocalNodes, user: str, **changes: object) -> BrokerAddress:
    known = {"seed": nodes.read_key(f"{user}.seed"), "authority": (nodes.folder / "authority.pem").read_text()} | changes
    return BrokerAddress(nodes.urls, user, replicas=3, **known)  # type: ignore[arg-type]


async def wait_until_whole(broker: Broker, seconds: float = 120) -> BrokerSize:
    surveyor, deadline = Surveyor(broker), time.monotonic() + seconds
    while not (size := await surveyor.survey()).is_whole:
        assert time.monotonic() < deadline, size
        await asyncio.sleep(0.2)
    return size


async def connect(nodes: LocalNodes, user: str) -> Broker:
    deadline = time.monotonic() + 120
    while True:
        try:
            broker = await connect_broker(address(nodes, user))
            if user == "control":
                await broker.create_streams()
        except (UnavailableError, nats.errors.Error, nats.js.errors.Error):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.2)
        else:
            return broker


@pytest.fixture
async def control(nodes: LocalNodes) -> AsyncIterator[Broker]:
    for name, process in nodes.processes.items():
        if process.poll() is not None:
            nodes.start(name)
    broker = await connect(nodes, "control")
    await wait_until_whole(broker)
    yield broker
    await broker.close()


@pytest.fixture
async def conduit(nodes: LocalNodes, control: Broker) -> AsyncIterator[Broker]:
    broker = await connect(nodes, "conduit")
    yield broker
    await broker.close()


async def test_every_stream_is_in_the_memory_of_three_nodes(control: Broker, nodes: LocalNodes) -> None:
    size = await Surveyor(control).survey()
    assert (size.nodes, size.storage) == (nodes.names, "memory")


async def test_nobody_comes_in_without_a_known_key_and_to_nobody_without_a_certificate(
    control: Broker, nodes: LocalNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "CONNECT_SECONDS", 0.4)
    stranger = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER).decode()
    for changes in (
        {"seed": stranger},
        {"authority": Authority().certificate.decode()},
        {"authority": ""},
        {"seed": "", "password": "control"},
    ):
        with pytest.raises(UnavailableError):
            await connect_broker(address(nodes, "control", **changes))
    gc.collect()


async def test_the_control_plane_hears_nothing_of_what_conduits_are_given(control: Broker, conduit: Broker) -> None:
    heard: list[str] = []

    async def hear(message: object) -> None:
        heard.append(str(message))

    for subject in ("_INBOX.>", "_INBOX.conduit.>", "runs.>", ">"):
        await control.client.subscribe(subject, cb=hear)
    queue, taker = NatsRunQueue(conduit), Taker()
    supply = asyncio.create_task(queue.supply(Lane.PROMPT, taker))
    await queue.put(A, Lane.PROMPT, b"x", delivery="")
    await until(lambda: bool(taker.taken))
    supply.cancel()
    await asyncio.gather(supply, return_exceptions=True)
    await asyncio.sleep(0.3)
    assert heard == []


async def test_no_word_of_a_message_is_in_what_a_node_writes(conduit: Broker, nodes: LocalNodes) -> None:
    queue, tenant = NatsRunQueue(conduit), TenantId("t" + CANARY)
    for number in range(200):
        await queue.put(tenant, Lane.BULK, CANARY.encode() * 200, delivery=f"{CANARY}-{number}")
        await NatsCheckpointStore(conduit).save(tenant, RunId(f"r{number}{CANARY}"), CANARY.encode() * 50, after=0)
    await asyncio.sleep(1)
    files = [path for path in nodes.store.rglob("*") if path.is_file()]
    assert len(files) > 20, "they do write: who is there, and what they voted for"
    assert not [path for path in files if CANARY.encode() in path.read_bytes()]
    assert sum(path.stat().st_size for path in files) < 1_000_000
    assert all("NoNewPrivs:\t1" in read_status(process.pid) for process in nodes.processes.values())
    supply = asyncio.create_task(queue.supply(Lane.BULK, taker := Taker()))
    await until(lambda: len(taker.taken) >= 200)
    supply.cancel()
    await asyncio.gather(supply, return_exceptions=True)


async def test_a_node_that_is_killed_under_load_takes_nothing_with_it(
    control: Broker, conduit: Broker, nodes: LocalNodes
) -> None:
    queue, taker, confirmed = NatsRunQueue(conduit), Taker(), set[bytes]()
    told: list[int] = []

    def learn(_tenant: TenantId, _flow: FlowId, plan: PublishedFlow | None) -> None:
        told.append(plan.version if plan else 0)

    board = NatsPlanBoard(control)
    plan = make_plan("  - {id: a, kind: stop}", tenant=A).published
    await post_plan(board, plan)
    await NatsPlanBoard(conduit).watch(learn)
    supply = asyncio.create_task(supply_forever(queue, Lane.PROMPT, taker))
    ended = asyncio.Event()

    async def send(sender: int) -> None:
        number = 0
        while not ended.is_set():
            body = b"%d-%d" % (sender, number)
            try:
                if await queue.put(A, Lane.PROMPT, body, delivery=body.decode()) in {Put.QUEUED, Put.DUPLICATE}:
                    confirmed.add(body)
                    number += 1
            except UnavailableError:
                await asyncio.sleep(0.1)  # the same one again, as a sender does
            await asyncio.sleep(0.01)

    senders = [asyncio.create_task(send(number)) for number in range(4)]
    await asyncio.sleep(1)
    cluster = (await conduit.stream.stream_info("RUNS")).cluster
    leader = str(cluster.leader if cluster else "")
    nodes.processes[leader].kill()
    nodes.processes[leader].wait()
    before = len(confirmed)
    await until(lambda: len(confirmed) > before + 50)
    size = await Surveyor(conduit).survey()
    assert any(leader in problem for problem in size.problems), "a node that is missing is named"
    await withdraw_at_last(board, plan)
    await until(lambda: 0 in told)
    nodes.start(leader)
    await wait_until_whole(conduit)
    ended.set()
    await asyncio.gather(*senders)
    await until(lambda: set(taker.taken) >= confirmed)
    await asyncio.gather(*taker.finishing)
    async with asyncio.timeout(30):
        while await queue.count_waiting():  # noqa: ASYNC110 - what the dead node did not pass on comes again, and is finished then
            await asyncio.sleep(0.2)
    assert set(taker.taken) - confirmed == set()
    supply.cancel()
    await asyncio.gather(supply, return_exceptions=True)


def make_settings(folder: Path, **changes: object) -> NodeSettings:
    key = "U" + "A" * 55
    facts: dict[str, object] = {
        "name": "n", "host": "127.0.0.1", "port": 1, "cluster_port": 2, "routes": ("a:1",), "certificate": folder, "key": folder,
        "authority": folder, "conduit_public_key": key, "control_public_key": key, "store": folder,
    }  # fmt: skip
    return NodeSettings(**(facts | changes))  # type: ignore[arg-type]


def test_a_node_does_not_start_with_its_store_on_a_disk() -> None:
    folder = Path(__file__).parent
    with pytest.raises(LockdownError, match="not on tmpfs"):
        run_node(make_settings(folder), require_lockdown=True, events=EventLog(io.BytesIO()))


@pytest.mark.parametrize("changes", [{"name": 'n"\nport: 1'}, {"routes": ('a", "b',)}, {"conduit_public_key": "SUABC"}])
def test_a_setting_says_no_more_than_it_says(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(InputError):
        describe_node(make_settings(tmp_path, **changes))
