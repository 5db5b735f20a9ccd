"""The queue of runs in the broker (port RunQueue). Built by main/conduit.py."""

import asyncio
import contextlib
import time
from typing import Final

import msgspec
import nats
import nats.errors
import nats.js.errors
from nats.aio.msg import Msg

from blubees.adapters.broker.link import CONFIRM_SECONDS, FULL_CODES, Broker, Confirmation
from blubees.model.errors import UnavailableError
from blubees.model.ids import TenantId
from blubees.ports import Lane, Put, RunTaker

ORDER_RUNS: Final = 32  # at once: small, so that accepting and performing stay fair to each other
GATHER_SECONDS: Final = 0.005  # between two orders: a few at a time cost less than one by one
LATE_SECONDS: Final = 0.004  # a loop that comes back so much late has enough to do: the bulk lane holds back
ORDER_WHEN_LATE: Final = 16
PAUSE_MAX_SECONDS: Final = 0.01
ORDER_SECONDS: Final = 5.0
REFUSED_SECONDS: Final = 0.25
_ENDED_STATUSES: Final = frozenset({"404", "408"})  # none waits; none came in time
LOOK_SECONDS: Final = 1.0  # between two looks whether the connection still stands


class NatsTakenRun:
    """A run held by this process (port TakenRun).

    What is said about it is said to the memory that it came from, or not at all: in another one, its number is another run's.
    """

    __slots__ = ("_broker", "_connection", "_epoch", "_message", "deliveries", "tenant")

    def __init__(self, broker: Broker, message: Msg) -> None:
        self._broker, self._message = broker, message
        self._connection, self._epoch = broker.connection, broker.epoch_of_connection
        self.tenant = TenantId(message.subject.rpartition(".")[2])
        # $JS.ACK.<stream>.<consumer>.<deliveries>.… : read here, since nats-py's metadata parses all of it
        self.deliveries = int(message.reply.split(".")[4])

    @property
    def epoch(self) -> int:
        """Which memory of the brokers it came from."""
        return self._epoch

    @property
    def is_surely_finished(self) -> bool:
        """With one node: what it did not hear is said again on the next connection to it."""
        return self._broker.replicas == 1

    @property
    def sealed(self) -> bytes:
        """The sealed run."""
        return self._message.data

    async def finish(self) -> bool:
        """Forget it. With several nodes it is asked back: the one that heard it may be gone before it told the others."""
        if self._broker.replicas == 1:
            self._broker.note_finished(self._message.reply, self._epoch)
            await self._say(b"+ACK")
            return True
        with contextlib.suppress(nats.errors.Error, OSError, UnavailableError):
            if await self._is_its_memory():
                await self._broker.client.request(self._message.reply, b"+ACK", timeout=CONFIRM_SECONDS)
                return True
        return False

    async def keep(self) -> None:
        """Still working on it."""
        await self._say(b"+WPI")

    async def hand_back(self, after_seconds: float = 0.0) -> None:
        """Another shall have it."""
        await self._say(b'-NAK {"delay": %d}' % int(after_seconds * 1e9) if after_seconds else b"-NAK")

    async def _say(self, word: bytes) -> None:
        with contextlib.suppress(nats.errors.Error, UnavailableError):  # unsaid, it comes again after the take-over time
            if await self._is_its_memory():
                await self._broker.client.publish(self._message.reply, word)

    async def _is_its_memory(self) -> bool:
        broker = self._broker
        if broker.connection != self._connection and await broker.read_epoch() != self._epoch:
            return False
        return broker.is_connected  # else it would be kept, and said to whoever is there later


class NatsRunQueue:
    """Port RunQueue."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._confirmation = msgspec.json.Decoder(Confirmation)

    async def put(self, tenant: TenantId, lane: Lane, sealed: bytes, *, delivery: str) -> Put:
        """See the port."""
        confirmed = await self._publish(f"runs.{lane.value}.{tenant}", sealed, delivery)
        if confirmed.error is None:
            return Put.DUPLICATE if confirmed.duplicate else Put.QUEUED
        if confirmed.error.err_code in FULL_CODES:
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

    async def epoch(self) -> int:
        """See the port."""
        return await self._broker.read_epoch()

    async def count_waiting(self) -> int:
        """See the port."""
        try:
            info = await self._broker.stream.stream_info("RUNS")
        except (nats.errors.Error, OSError) as error:
            raise UnavailableError("The broker does not answer.") from error
        return int(info.state.messages)

    async def _publish(self, subject: str, data: bytes, delivery: str) -> Confirmation:
        """As JetStreamContext.publish, with a quicker reading of the answer."""
        headers = {"Nats-Msg-Id": delivery} if delivery else None
        try:
            reply = await self._broker.client.request(subject, data, timeout=CONFIRM_SECONDS, headers=headers)
            return self._confirmation.decode(reply.data)
        except (nats.errors.Error, OSError, msgspec.DecodeError) as error:
            raise UnavailableError("The broker did not confirm the run.", retry_after_seconds=2) from error


class _Pull:
    """Fetches runs of one lane, many at a time when many wait.

    An order without waiting brings all there are, in one piece; when there are none, an order for one waits for the next.
    (nats-py's fetch() does the same at three times the cost.)
    """

    def __init__(self, broker: Broker, lane: Lane, taker: RunTaker) -> None:
        self._broker, self._client, self._taker = broker, broker.client, taker
        self._gives_way = lane is Lane.BULK
        self._most = ORDER_RUNS
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.RUNS.{lane.value}"
        self._left = 0  # of the order under way
        self._came = 0
        self._is_refused = False
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
                await self._order(inbox, min(room, self._most), b',"no_wait":true')
                if self._came:
                    await self._rest()
                else:
                    await self._order(inbox, 1, b',"expires":%d' % int(ORDER_SECONDS * 1e9))
                    if self._is_refused:  # nobody leads the consumer just now
                        await asyncio.sleep(REFUSED_SECONDS)
        finally:
            with contextlib.suppress(nats.errors.Error):
                await subscription.unsubscribe()

    async def _rest(self) -> None:
        """Let some gather; the bulk lane gives way to callers and to prompt runs when the loop is behind."""
        due = time.monotonic() + GATHER_SECONDS
        await asyncio.sleep(GATHER_SECONDS)
        late = time.monotonic() - due
        if not self._gives_way or late < LATE_SECONDS:
            self._most = ORDER_RUNS
            return
        self._most = ORDER_WHEN_LATE
        await asyncio.sleep(min(late, PAUSE_MAX_SECONDS))

    async def _order(self, inbox: str, count: int, how: bytes) -> None:
        self._left, self._came, self._is_refused = count, 0, False
        self._ended.clear()
        await self._broker.read_epoch()  # what comes is known to be of this memory
        connection, waited = self._broker.connection, 0.0
        await self._client.publish(self._subject, b'{"batch":%d%s}' % (count, how), reply=inbox)
        # no answer: the order went down with a lost connection
        while waited <= ORDER_SECONDS and self._broker.connection == connection and not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._ended.wait()
            waited += LOOK_SECONDS

    async def _receive(self, message: Msg) -> None:
        if not message.reply:  # a status: the order ended
            self._is_refused = (message.headers or {}).get("Status") not in _ENDED_STATUSES
            self._ended.set()
            return
        self._came += 1
        self._left -= 1
        self._taker.take(NatsTakenRun(self._broker, message))
        if self._left <= 0:
            self._ended.set()


async def finish_all(messages: list[NatsTakenRun]) -> None:
    """Have the broker forget them."""
    for message in messages:
        await message.finish()
