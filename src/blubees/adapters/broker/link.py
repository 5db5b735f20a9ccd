"""The connection to the broker: NATS JetStream, memory storage only. Every stream is created here.

Built by main/conduit.py and main/control_plane.py. Source: docs/decisions/0002-processes-and-broker.md.
"""

import asyncio
import contextlib
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import nats
import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.client import JetStreamContext

from blubees.model.errors import UnavailableError
from blubees.ports import Lane

TAKE_OVER_SECONDS: Final = 9.0  # a silent conduit has lost its runs then; promised: 15 s, an election included
FINISHED_SECONDS: Final = 20.0  # what was said longer ago was heard, or was given to another already
CONNECT_SECONDS: Final = 3.0
HEARTBEAT_SECONDS: Final = 2.0  # of a board: a consumer that went with its node is made anew after two of them
CLOSE_SECONDS: Final = 2.0
LOOK_SECONDS: Final = 1.0  # to be told whether there is a queue
WATCH_SECONDS: Final = 20.0  # for all plans there are
CONFIRM_SECONDS: Final = 4.0  # under Forge's 5 s for an answer
DUPLICATE_WINDOW_SECONDS: Final = 86_400.0
RUNS_PER_TENANT_AND_LANE: Final = 20_000
RUNS_MAX_BYTES: Final = 1_073_741_824
CHECKPOINTS_MAX_BYTES: Final = 1_073_741_824
CHECKPOINT_SECONDS: Final = 3_600.0  # longer than a run may take
GATES_MAX_BYTES: Final = 268_435_456
GATE_SECONDS: Final = 3_600.0  # a gate is written at least whenever a run ends, so this is longer than a run may take
ORDERS_MAX_BYTES: Final = 268_435_456
MAIL_MAX_BYTES: Final = 268_435_456
MAIL_SECONDS: Final = 3_600.0  # a run that is under way is parked, and looks into its mailbox, long before
MAIL_A_BOX: Final = 20
FULL_CODES: Final = frozenset({10077, 10047, 10122})  # JetStream: a subject, the stream or the memory is full
RECEIPTS_MAX_BYTES: Final = 268_435_456
PLANS_MAX_BYTES: Final = 536_870_912
VERSIONS_MAX_BYTES: Final = 67_108_864
CANCELS_MAX_BYTES: Final = 16_777_216
REPLAYS_MAX_BYTES: Final = 268_435_456
REPLAY_SECONDS: Final = 86_400.0  # the longest that a tenant can choose
TRACES_MAX_BYTES: Final = 33_554_432
TRACE_SECONDS: Final = 600.0  # an event of Jira comes within minutes of what it tells of
VERSIONS_KEPT: Final = 5
_NO_STREAM_CODE: Final = 10059


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is and as whom we come.

    Attributes:
        url: of each node, with commas between.
        user: "conduit" or "control".
        password: on one machine.
        seed: in a cluster: the user's secret nkey (SU…) instead of a password; it never leaves this process.
        authority: in a cluster: PEM of who vouches for the nodes; empty for a connection without TLS.
        replicas: how many nodes there must be, each with all that is kept.
    """

    url: str
    user: str
    password: str = ""
    seed: str = ""
    authority: str = ""
    replicas: int = 1


class Broker:
    """One connection to the broker."""

    def __init__(self, client: Client, address: BrokerAddress) -> None:
        self.client = client
        self.stream: JetStreamContext = client.jetstream(timeout=CONFIRM_SECONDS)
        self.replicas = address.replicas
        self._epoch: tuple[int, int] = (-1, 0)  # which connection it was asked on, and what it is
        self._watches: dict[tuple[str, str], JetStreamContext.PushSubscription] = {}
        self._finished: deque[tuple[float, int, str]] = deque()

    @property
    def is_connected(self) -> bool:
        """Whether the connection stands now."""
        return bool(self.client.is_connected)

    @property
    def connection(self) -> int:
        """Which connection this is, counted from 0: a connection sees one memory of the brokers, the next may see another."""
        return int(self.client.stats["reconnects"])

    async def read_epoch(self) -> int:
        """Give when the queue of runs came to be, in microseconds: it tells one memory of the brokers from another.

        Raises:
            UnavailableError: no connection, or no queue yet.
        """
        if not self.client.is_connected:  # what is said now would be said to whoever is there later
            raise UnavailableError("There is no connection to the broker now.", retry_after_seconds=2)
        asked, epoch = self._epoch
        connection = self.connection
        if asked == connection:
            return epoch
        try:
            info = await self.stream.stream_info("RUNS")
        except (nats.errors.Error, OSError) as error:
            raise UnavailableError("The broker does not answer, or has no queue yet.", retry_after_seconds=2) from error
        if info.created is None or connection != self.connection:
            raise UnavailableError("The connection to the broker was lost.", retry_after_seconds=2)
        epoch = int(info.created.timestamp() * 1e6)
        self._epoch = (connection, epoch)
        return epoch

    def note_finished(self, reply: str, epoch: int) -> None:
        """Remember what is said to be finished: what is written when the connection breaks, the broker may never read."""
        now = time.monotonic()
        while self._finished and self._finished[0][0] < now - FINISHED_SECONDS:
            self._finished.popleft()
        self._finished.append((now, epoch, reply))

    async def repeat_finished(self) -> None:
        """Say on a new connection once more what was finished lately; the broker takes no notice of what it knows."""
        with contextlib.suppress(nats.errors.Error, UnavailableError):  # it is said again on the next connection
            epoch = await self.read_epoch()
            for _, of_epoch, reply in list(self._finished):
                if of_epoch == epoch:
                    await self.client.publish(reply, b"+ACK")

    @property
    def epoch_of_connection(self) -> int:
        """The epoch, when it was asked on this connection already; else 0."""
        asked, epoch = self._epoch
        return epoch if asked == self.connection else 0

    async def lacks_queue(self) -> bool:
        """Whether the broker says that it has no queue of runs: all its memory is new. Raises UnavailableError."""
        try:
            reply = await self.client.request("$JS.API.STREAM.INFO.RUNS", b"", timeout=LOOK_SECONDS)
            error = msgspec.json.decode(reply.data, type=Confirmation).error
        except (nats.errors.Error, OSError, msgspec.DecodeError) as trouble:
            raise UnavailableError("The broker does not answer.") from trouble
        return error is not None and error.err_code == _NO_STREAM_CODE

    async def create_streams(self, fill: Callable[[], Awaitable[None]] | None = None) -> None:
        """Make sure that the streams and consumers are there; changes nothing that is. The control plane does it.

        The queue of runs comes last: where it is, the rest is in place, and no event is taken for one that no flow wants.

        Args:
            fill: what to do before that: post what conduits must know.

        Raises:
            UnavailableError: the broker does not answer.
        """
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
            name="PLANS",
            subjects=["plans.*.*"],
            max_msgs_per_subject=VERSIONS_KEPT,
            max_bytes=PLANS_MAX_BYTES,
        )
        tokens = StreamConfig(name="TOKENS", subjects=["tokens.*"], max_msgs_per_subject=1)
        waiters = StreamConfig(name="WAITERS", subjects=["waiters.*"], max_msgs_per_subject=1)
        await self._create_stream(waiters)
        settings = StreamConfig(name="SETTINGS", subjects=["settings.*"], max_msgs_per_subject=1)
        lanes = [_work_consumer(lane.value, f"runs.{lane.value}.*", 50_000) for lane in Lane]
        await self._create_stream(receipts, _work_consumer("ledger", "receipts", 1_000))
        orders = StreamConfig(
            name="ORDERS", subjects=["orders.*"], retention=RetentionPolicy.WORK_QUEUE, max_bytes=ORDERS_MAX_BYTES
        )
        await self._create_stream(orders, _work_consumer("conduits", "orders.*", 10_000))
        mail = StreamConfig(
            name="MAIL",
            subjects=["mail.*.*"],
            max_msgs_per_subject=MAIL_A_BOX,
            max_bytes=MAIL_MAX_BYTES,
            max_age=MAIL_SECONDS,
            discard=DiscardPolicy.NEW,
            discard_new_per_subject=True,
        )
        await self._create_stream(mail)
        checkpoints = StreamConfig(
            name="CHECKPOINTS",
            subjects=["checkpoints.*.*"],
            max_msgs_per_subject=1,
            max_bytes=CHECKPOINTS_MAX_BYTES,
            max_age=CHECKPOINT_SECONDS,
            allow_msg_ttl=True,
            discard=DiscardPolicy.NEW,
        )
        await self._create_stream(checkpoints)
        gates = StreamConfig(
            name="GATES",
            subjects=["gates.*.*"],
            max_msgs_per_subject=1,
            max_bytes=GATES_MAX_BYTES,
            max_age=GATE_SECONDS,
            allow_msg_ttl=True,
            discard=DiscardPolicy.NEW,
        )
        await self._create_stream(gates)
        versions = StreamConfig(
            name="VERSIONS", subjects=["versions.*.*.*"], max_msgs_per_subject=1, max_bytes=VERSIONS_MAX_BYTES
        )
        cancels = StreamConfig(
            name="CANCELS",
            subjects=["cancels.*.*"],
            max_msgs_per_subject=1,
            max_bytes=CANCELS_MAX_BYTES,
            max_age=CHECKPOINT_SECONDS,
        )
        replays = StreamConfig(
            name="REPLAYS",
            subjects=["replays.*.*"],
            max_msgs_per_subject=1,
            max_bytes=REPLAYS_MAX_BYTES,
            max_age=REPLAY_SECONDS,
            allow_msg_ttl=True,
        )
        traces = StreamConfig(
            name="TRACES",
            subjects=["traces.*.*"],
            max_msgs_per_subject=1,
            max_bytes=TRACES_MAX_BYTES,
            max_age=TRACE_SECONDS,
        )
        for config in (claims, plans, versions, settings, cancels, replays, traces, tokens):
            await self._create_stream(config)
        if fill is not None:
            await fill()
        await self._create_stream(runs, *lanes)

    async def _create_stream(self, config: StreamConfig, *consumers: ConsumerConfig) -> None:
        config.storage = StorageType.MEMORY
        config.num_replicas = self.replicas
        try:
            try:  # asked to make it again, the broker would count its memory twice, and find that there is not enough
                await self.stream.stream_info(str(config.name))
            except nats.js.errors.NotFoundError:
                await self.stream.add_stream(config)
            for consumer in consumers:
                await self.stream.add_consumer(str(config.name), consumer)
        except (nats.errors.Error, OSError) as error:
            raise UnavailableError(f"The broker does not make the stream {config.name}.") from error

    async def replace_watch(self, stream: str, subject: str, subscription: JetStreamContext.PushSubscription) -> None:
        """Note a watch; one of before on the same subject stops: it followed numbers of a memory that is gone."""
        before = self._watches.pop((stream, subject), None)
        self._watches[stream, subject] = subscription
        if before is None:
            return
        inner: Any = before._sub  # noqa: SLF001 - nats-py has no way to end an ordered consumer's tasks
        for task in (inner._jsi._hbtask, inner._jsi._fctask):  # noqa: SLF001 - see above
            task.cancel()
        with contextlib.suppress(nats.errors.Error):
            await inner.unsubscribe()

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
    urls = address.url.split(",")
    known: dict[str, Any] = {"user": address.user, "password": address.password}
    if address.seed:
        known = {"nkeys_seed_str": address.seed}
    if address.authority:
        known["tls"] = ssl.create_default_context(cadata=address.authority)
    brokers: list[Broker] = []

    async def tell_again() -> None:
        for broker in brokers:
            await broker.repeat_finished()

    try:
        async with asyncio.timeout(CONNECT_SECONDS * len(urls)):  # without it, nats-py tries the first connection for ever too
            client = await nats.connect(
                urls,
                inbox_prefix=f"_INBOX.{address.user}",  # each may hear its own answers only
                **known,
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.2,
                connect_timeout=2,
                reconnected_cb=tell_again,
                error_cb=_ignore_error,  # nats-py would print the error's text; what matters shows in the calls
                pending_size=64 * 1024 * 1024,
            )
    except (OSError, nats.errors.Error) as error:  # TimeoutError is an OSError
        raise UnavailableError("The broker does not answer, or does not know us.") from error
    brokers.append(Broker(client, address))
    return brokers[0]


class Refusal(msgspec.Struct):
    """Why the broker did not take a message."""

    err_code: int = 0


class Confirmation(msgspec.Struct):
    """The broker's answer to a published message."""

    seq: int = 0
    duplicate: bool = False
    error: Refusal | None = None


async def publish(broker: Broker, subject: str, data: bytes) -> int:
    """Publish into a stream; returns its number there when the broker has it. Raises UnavailableError."""
    try:
        return (await broker.stream.publish(subject, data)).seq
    except (nats.errors.Error, OSError) as error:
        raise UnavailableError("The broker did not confirm.", retry_after_seconds=2) from error


async def watch(broker: Broker, stream: str, subject: str, tell: Callable[[Msg], None]) -> None:
    """Tell all that is there, return, and go on telling. Takes the place of an earlier watch of the same.

    The consumer is ordered: it heals itself after a lost connection, but not when the brokers have lost their memory.

    Raises:
        UnavailableError: the stream is not there, or the broker does not answer.
    """
    try:
        await _watch(broker, stream, subject, tell)
    except (nats.errors.Error, OSError) as error:
        raise UnavailableError("The broker does not tell.") from error


async def _watch(broker: Broker, stream: str, subject: str, tell: Callable[[Msg], None]) -> None:
    info = await broker.stream.stream_info(stream)
    newest = info.state.last_seq
    told: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    if info.state.messages == 0:
        told.set_result(None)

    async def receive(message: Msg) -> None:
        tell(message)
        if not told.done() and int(message.reply.split(".")[5]) >= newest:
            told.set_result(None)

    subscription = await broker.stream.subscribe(
        subject, stream=stream, ordered_consumer=True, idle_heartbeat=HEARTBEAT_SECONDS, cb=receive
    )
    await broker.replace_watch(stream, subject, subscription)
    async with asyncio.timeout(WATCH_SECONDS):
        await told


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


async def _ignore_error(_error: Exception) -> None:
    """Say nothing: an error's text may hold a subject or a message."""
