"""NATS JetStream in memory behind the broker ports: run queue, plan board, token board, receipt box, lease desk.

Built by main/conduit.py and main/control_plane.py. Every stream is created with memory storage, and only with it.
Source: docs/decisions/0002-processes-and-broker.md.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec
import nats
import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.client import JetStreamContext

from blubees.model.connection import Lease, LeaseRefusal
from blubees.model.errors import TamperedError, UnavailableError
from blubees.model.flow import PublishedFlow
from blubees.model.ids import ConnectionName, FlowId, RunId, TenantId
from blubees.model.receipt import RunReceipt, TenantSeen
from blubees.ports import Lane, Put, RunTaker

TAKE_OVER_SECONDS: Final = 12.0  # a conduit that says nothing for so long has lost its runs; promised: within 15 s
CONNECT_SECONDS: Final = 3.0
CLOSE_SECONDS: Final = 2.0
CONFIRM_SECONDS: Final = 4.0  # under Forge's 5 s for an answer
DUPLICATE_WINDOW_SECONDS: Final = 86_400.0
RUNS_PER_TENANT_AND_LANE: Final = 5_000
RUNS_MAX_BYTES: Final = 1_073_741_824
CHECKPOINTS_MAX_BYTES: Final = 1_073_741_824
CHECKPOINT_SECONDS: Final = 3_600.0  # longer than a run may take
SAVE_SECONDS: Final = 2.0
RECEIPTS_MAX_BYTES: Final = 268_435_456
PLANS_MAX_BYTES: Final = 1_073_741_824
VERSIONS_KEPT: Final = 5
ORDER_RUNS: Final = 32  # at once: small, so that accepting and performing stay fair to each other
GATHER_SECONDS: Final = 0.005  # between two orders: a few at a time cost less than one by one
ORDER_SECONDS: Final = 5.0
RECEIPT_MESSAGES: Final = 64  # each of many receipts: what is kept in one transaction
RECEIPT_PAUSE_SECONDS: Final = 0.05  # between two transactions: a few large ones cost less than many small ones
LEASE_WAIT_SECONDS: Final = 3.0
_PER_SUBJECT_FULL: Final = 10077  # JetStream: maximum messages per subject, or stream limits, exceeded
_WRONG_SEQUENCE_CODES: Final = frozenset({10071, 10164})
_FULL_CODES: Final = frozenset({_PER_SUBJECT_FULL, 10047, 10122})


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is and as whom we come."""

    url: str
    user: str
    password: str
    replicas: int = 1


class Broker:
    """One connection to the broker."""

    def __init__(self, client: Client, address: BrokerAddress) -> None:
        self.client = client
        self.stream: JetStreamContext = client.jetstream(timeout=CONFIRM_SECONDS)
        self._replicas = address.replicas

    @property
    def is_connected(self) -> bool:
        """Whether the connection stands now."""
        return bool(self.client.is_connected)

    async def create_streams(self) -> None:
        """Make sure that the streams and consumers are there; changes nothing that is. The control plane does it at start."""
        runs = StreamConfig(
            name="RUNS",
            subjects=["runs.*.*"],
            retention=RetentionPolicy.WORK_QUEUE,
            max_msgs_per_subject=RUNS_PER_TENANT_AND_LANE,
            max_bytes=RUNS_MAX_BYTES,
            discard=DiscardPolicy.NEW,
            discard_new_per_subject=True,
            duplicate_window=DUPLICATE_WINDOW_SECONDS,
        )
        claims = StreamConfig(name="CLAIMS", subjects=["claims"], max_msgs=1, duplicate_window=DUPLICATE_WINDOW_SECONDS)
        receipts = StreamConfig(
            name="RECEIPTS",
            subjects=["receipts"],
            retention=RetentionPolicy.WORK_QUEUE,
            max_bytes=RECEIPTS_MAX_BYTES,
            discard=DiscardPolicy.NEW,
        )
        plans = StreamConfig(
            name="PLANS", subjects=["plans.*.*"], max_msgs_per_subject=VERSIONS_KEPT, max_bytes=PLANS_MAX_BYTES
        )
        tokens = StreamConfig(name="TOKENS", subjects=["tokens.*"], max_msgs_per_subject=1)
        lanes = [_work_consumer(lane.value, f"runs.{lane.value}.*", 50_000) for lane in Lane]
        await self._create_stream(runs, *lanes)
        await self._create_stream(receipts, _work_consumer("ledger", "receipts", 1_000))
        checkpoints = StreamConfig(
            name="CHECKPOINTS",
            subjects=["checkpoints.*.*"],
            max_msgs_per_subject=1,
            max_bytes=CHECKPOINTS_MAX_BYTES,
            max_age=CHECKPOINT_SECONDS,
            discard=DiscardPolicy.NEW,
        )
        await self._create_stream(checkpoints)
        for config in (claims, plans, tokens):  # last: conduits wait for plans and tokens, and find the rest in place
            await self._create_stream(config)

    async def _create_stream(self, config: StreamConfig, *consumers: ConsumerConfig) -> None:
        config.storage = StorageType.MEMORY
        config.num_replicas = self._replicas
        await self.stream.add_stream(config)
        for consumer in consumers:
            await self.stream.add_consumer(str(config.name), consumer)

    async def close(self) -> None:
        """Close the connection, also one that is being sought again."""
        self.client.options["max_reconnect_attempts"] = 1  # nats-py can miss its own cancelling and seek a dead broker for ever
        with contextlib.suppress(nats.errors.Error, OSError):  # a timeout is an OSError: a broker that is gone says nothing
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.client.close()


async def connect_broker(address: BrokerAddress) -> Broker:
    """Connect, and reconnect for ever when the connection is lost.

    Raises:
        UnavailableError: no broker there, or a wrong password.
    """
    try:
        async with asyncio.timeout(CONNECT_SECONDS):  # without it, nats-py tries the first connection for ever too
            client = await nats.connect(
                address.url,
                user=address.user,
                password=address.password,
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.2,
                connect_timeout=2,
                error_cb=_ignore_error,  # nats-py would print the error's text; what matters shows in the calls
                pending_size=64 * 1024 * 1024,
            )
    except (OSError, nats.errors.Error) as error:  # TimeoutError is an OSError
        raise UnavailableError("The broker does not answer, or does not know us.") from error
    return Broker(client, address)


class NatsTakenRun:
    """A run held by this process (port TakenRun)."""

    __slots__ = ("_message", "deliveries", "tenant")

    def __init__(self, message: Msg) -> None:
        self._message = message
        self.tenant = TenantId(message.subject.rpartition(".")[2])
        # $JS.ACK.<stream>.<consumer>.<deliveries>.… : read here, since nats-py's metadata parses all of it
        self.deliveries = int(message.reply.split(".")[4])

    @property
    def sealed(self) -> bytes:
        """The sealed run."""
        return self._message.data

    async def finish(self) -> None:
        """Forget it."""
        await self._say(b"+ACK")

    async def keep(self) -> None:
        """Still working on it."""
        await self._say(b"+WPI")

    async def hand_back(self) -> None:
        """Another shall have it."""
        await self._say(b"-NAK")

    async def _say(self, word: bytes) -> None:
        with contextlib.suppress(nats.errors.Error):  # unsaid, it comes again after the take-over time: the safe way
            await self._message._client.publish(self._message.reply, word)  # noqa: SLF001 - ack() refuses a second word


class _Refusal(msgspec.Struct):
    err_code: int = 0


class _Confirmation(msgspec.Struct):
    """The broker's answer to a published message."""

    seq: int = 0
    duplicate: bool = False
    error: _Refusal | None = None


class NatsRunQueue:
    """Port RunQueue."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._confirmation = msgspec.json.Decoder(_Confirmation)

    async def put(self, tenant: TenantId, lane: Lane, sealed: bytes, *, delivery: str) -> Put:
        """See the port."""
        confirmed = await self._publish(f"runs.{lane.value}.{tenant}", sealed, delivery)
        if confirmed.error is None:
            return Put.DUPLICATE if confirmed.duplicate else Put.QUEUED
        if confirmed.error.err_code in _FULL_CODES:
            return Put.FULL
        raise UnavailableError("The broker did not take the run.", retry_after_seconds=2)

    async def claim(self, delivery: str) -> bool:
        """See the port."""
        confirmed = await self._publish("claims", b"", delivery)
        if confirmed.error is not None:
            raise UnavailableError("The broker did not confirm.", retry_after_seconds=2)
        return not confirmed.duplicate

    async def supply(self, lane: Lane, taker: RunTaker) -> None:
        """See the port."""
        pull = _Pull(self._broker, lane, taker)
        try:
            await pull.fetch_forever()
        except (nats.errors.Error, OSError) as error:
            raise UnavailableError("The broker gives no runs.") from error

    async def count_waiting(self) -> int:
        """See the port."""
        try:
            info = await self._broker.stream.stream_info("RUNS")
        except (nats.errors.Error, OSError) as error:
            raise UnavailableError("The broker does not answer.") from error
        return int(info.state.messages)

    async def _publish(self, subject: str, data: bytes, delivery: str) -> _Confirmation:
        """As JetStreamContext.publish, with a quicker reading of the answer."""
        headers = {"Nats-Msg-Id": delivery} if delivery else None
        try:
            reply = await self._broker.client.request(subject, data, timeout=CONFIRM_SECONDS, headers=headers)
            return self._confirmation.decode(reply.data)
        except (nats.errors.Error, OSError, msgspec.DecodeError) as error:
            raise UnavailableError("The broker did not confirm the run.", retry_after_seconds=2) from error


class NatsCheckpointStore:
    """Port CheckpointStore: one subject a run, which keeps its newest message."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._confirmation = msgspec.json.Decoder(_Confirmation)

    async def save(self, tenant: TenantId, run: RunId, sealed: bytes, *, after: int) -> int | None:
        """See the port."""
        headers = {"Nats-Expected-Last-Subject-Sequence": str(after)}
        try:
            reply = await self._broker.client.request(
                f"checkpoints.{tenant}.{run}", sealed, timeout=SAVE_SECONDS, headers=headers
            )
            confirmed = self._confirmation.decode(reply.data)
        except (nats.errors.Error, OSError, msgspec.DecodeError) as error:
            raise UnavailableError("The broker did not confirm the checkpoint.") from error
        if confirmed.error is None:
            return confirmed.seq
        if confirmed.error.err_code in _WRONG_SEQUENCE_CODES:
            return None
        raise UnavailableError("The broker did not take the checkpoint.")

    async def load(self, tenant: TenantId, run: RunId) -> tuple[int, bytes] | None:
        """See the port."""
        try:
            found = await self._broker.stream.get_last_msg("CHECKPOINTS", f"checkpoints.{tenant}.{run}")
        except nats.js.errors.NotFoundError:
            return None
        except (nats.errors.Error, OSError) as error:
            raise UnavailableError("The broker does not give the checkpoint.") from error
        return int(found.seq or 0), found.data or b""

    async def drop(self, tenant: TenantId, run: RunId) -> None:
        """See the port. Not waited for: what is not dropped goes with its age."""
        with contextlib.suppress(nats.errors.Error):
            subject = f"checkpoints.{tenant}.{run}"
            await self._broker.client.publish("$JS.API.STREAM.PURGE.CHECKPOINTS", b'{"filter":"%s"}' % subject.encode())


class _Pull:
    """Fetches runs of one lane, many at a time when many wait.

    An order without waiting brings all there are, in one piece; when there are none, an order for one waits for the next.
    (nats-py's fetch() does the same at three times the cost.)
    """

    def __init__(self, broker: Broker, lane: Lane, taker: RunTaker) -> None:
        self._client, self._taker = broker.client, taker
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.RUNS.{lane.value}"
        self._left = 0  # of the order under way
        self._came = 0
        self._ended = asyncio.Event()

    async def fetch_forever(self) -> None:
        """Fetch until cancelled."""
        inbox = self._client.new_inbox()
        subscription = await self._client.subscribe(inbox, cb=self._receive)
        try:
            while True:
                room = self._taker.room()
                if room <= 0:
                    await self._taker.wait_for_room()
                    continue
                await self._order(inbox, min(room, ORDER_RUNS), b',"no_wait":true')
                if self._came:
                    await asyncio.sleep(GATHER_SECONDS)
                else:
                    await self._order(inbox, 1, b',"expires":%d' % int(ORDER_SECONDS * 1e9))
        finally:
            with contextlib.suppress(nats.errors.Error):
                await subscription.unsubscribe()

    async def _order(self, inbox: str, count: int, how: bytes) -> None:
        self._left, self._came = count, 0
        self._ended.clear()
        await self._client.publish(self._subject, b'{"batch":%d%s}' % (count, how), reply=inbox)
        with contextlib.suppress(TimeoutError):  # no answer: the order went down with a lost connection
            async with asyncio.timeout(ORDER_SECONDS + 1):
                await self._ended.wait()

    async def _receive(self, message: Msg) -> None:
        if not message.reply:  # a status: the order ended
            self._ended.set()
            return
        self._came += 1
        self._left -= 1
        self._taker.take(NatsTakenRun(message))
        if self._left <= 0:
            self._ended.set()


class NatsPlanBoard:
    """Port PlanBoard: one subject a flow, which keeps its newest versions; an empty message withdraws it."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(PublishedFlow)

    async def post(self, plan: PublishedFlow) -> None:
        """See the port."""
        await _publish(self._broker, f"plans.{plan.tenant}.{plan.flow.id}", self._encoder.encode(plan))

    async def withdraw(self, tenant: TenantId, flow: FlowId) -> None:
        """See the port."""
        await _publish(self._broker, f"plans.{tenant}.{flow}", b"")

    async def watch(self, changed: Callable[[TenantId, FlowId, PublishedFlow | None], None]) -> None:
        """See the port."""

        def tell(message: Msg) -> None:
            _, tenant, flow = message.subject.split(".")
            plan = self._decoder.decode(message.data) if message.data else None
            changed(TenantId(tenant), FlowId(flow), plan)

        await _watch(self._broker, "PLANS", "plans.*.*", tell)


class NatsTokenBoard:
    """Port TokenBoard."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def post(self, tenant: TenantId, sealed: bytes) -> None:
        """See the port."""
        await _publish(self._broker, f"tokens.{tenant}", sealed)

    async def watch(self, changed: Callable[[TenantId, bytes], None]) -> None:
        """See the port."""

        def tell(message: Msg) -> None:
            changed(TenantId(message.subject.partition(".")[2]), message.data)

        await _watch(self._broker, "TOKENS", "tokens.*", tell)


class NatsReceiptBox:
    """Port ReceiptBox."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(RunReceipt | TenantSeen)
        self._envelope = msgspec.msgpack.Decoder(list[msgspec.Raw])

    async def send(self, receipts: Sequence[RunReceipt | TenantSeen]) -> None:
        """See the port."""
        await _publish(self._broker, "receipts", self._encoder.encode(receipts))

    async def collect(
        self,
    ) -> AsyncIterator[tuple[Sequence[RunReceipt | TenantSeen], int, Callable[[], Awaitable[None]]]]:
        """See the port."""
        pull = await self._broker.stream.pull_subscribe_bind("ledger", "RECEIPTS")
        while True:
            try:
                messages = await pull.fetch(RECEIPT_MESSAGES, timeout=5)
            except nats.errors.TimeoutError:
                continue
            except (nats.errors.Error, OSError):
                await asyncio.sleep(1)
                continue
            read = [self._read(message.data) for message in messages]
            good = [receipt for part, _ in read for receipt in part]
            yield good, sum(refused for _, refused in read), partial(_finish_all, messages)
            await asyncio.sleep(RECEIPT_PAUSE_SECONDS)

    def _read(self, data: bytes) -> tuple[list[RunReceipt | TenantSeen], int]:
        try:
            parts = self._envelope.decode(data)
        except msgspec.DecodeError:
            return [], 1
        good: list[RunReceipt | TenantSeen] = []
        for part in parts:
            with contextlib.suppress(msgspec.DecodeError):  # counted by the difference
                good.append(self._decoder.decode(part))
        return good, len(parts) - len(good)


class NatsLeaseDesk:
    """Ports LeaseDesk and LeaseCounter: a question over the broker, an answer sealed with the lease key."""

    def __init__(
        self,
        broker: Broker,
        seal: Callable[[bytes, tuple[str, ...]], bytes],
        unseal: Callable[[bytes, tuple[str, ...]], bytes],
    ) -> None:
        self._broker, self._seal, self._unseal = broker, seal, unseal
        self._decoder = msgspec.msgpack.Decoder(Lease)

    async def borrow(self, tenant: TenantId, name: ConnectionName) -> Lease | LeaseRefusal:
        """See the port."""
        try:
            reply = await self._broker.client.request(f"lease.{tenant}", name.encode(), timeout=LEASE_WAIT_SECONDS)
        except (nats.errors.Error, OSError):
            return LeaseRefusal.UNAVAILABLE
        if len(reply.data) < len(LeaseRefusal.UNAVAILABLE.value) + 1:
            return LeaseRefusal.MISSING if reply.data == LeaseRefusal.MISSING.encode() else LeaseRefusal.UNAVAILABLE
        try:
            return self._decoder.decode(self._unseal(reply.data, ("lease", tenant, name)))
        except TamperedError:
            return LeaseRefusal.UNAVAILABLE

    async def serve(self, answer: Callable[[TenantId, ConnectionName], Awaitable[Lease | LeaseRefusal]]) -> None:
        """See the port."""

        async def reply(message: Msg) -> None:
            tenant = TenantId(message.subject.partition(".")[2])
            name = ConnectionName(message.data.decode("ascii", "replace"))
            lease = await answer(tenant, name)
            if isinstance(lease, LeaseRefusal):
                await message.respond(lease.value.encode())
            else:
                await message.respond(self._seal(msgspec.msgpack.encode(lease), ("lease", tenant, name)))

        await self._broker.client.subscribe("lease.*", queue="vault", cb=reply)
        for _ in range(2):  # then the broker knows that we answer; nats-py's flush overtakes what it has not yet written
            await self._broker.client.flush()


async def _finish_all(messages: list[Msg]) -> None:
    for message in messages:
        await NatsTakenRun(message).finish()


def _work_consumer(name: str, subject: str, pending: int) -> ConsumerConfig:
    return ConsumerConfig(
        durable_name=name,
        filter_subject=subject,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=TAKE_OVER_SECONDS,
        max_ack_pending=pending,
        max_deliver=-1,
        mem_storage=True,
    )


async def _publish(broker: Broker, subject: str, data: bytes) -> None:
    try:
        await broker.stream.publish(subject, data)
    except (nats.errors.Error, OSError) as error:
        raise UnavailableError("The broker did not confirm.", retry_after_seconds=2) from error


async def _watch(broker: Broker, stream: str, subject: str, tell: Callable[[Msg], None]) -> None:
    """Tell all that is there, return, and go on telling. The consumer is ordered: it heals itself after a lost connection."""
    info = await broker.stream.stream_info(stream)
    newest = info.state.last_seq
    told: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    if info.state.messages == 0:
        told.set_result(None)

    async def receive(message: Msg) -> None:
        tell(message)
        if not told.done() and int(message.reply.split(".")[5]) >= newest:
            told.set_result(None)

    await broker.stream.subscribe(subject, stream=stream, ordered_consumer=True, cb=receive)
    await told


async def _ignore_error(_error: Exception) -> None:
    """Say nothing: an error's text may hold a subject or a message."""
