"""Receipts on their way from conduits to the control plane (port ReceiptBox). Built by main's processes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Final

import msgspec
import nats
import nats.errors
import nats.js.errors

from blubees.adapters.broker.link import Broker, publish
from blubees.adapters.broker.runs import NatsTakenRun, finish_all
from blubees.model.errors import UnavailableError
from blubees.model.receipt import Receipt
from blubees.ports import Stand

RECEIPT_MESSAGES: Final = 64  # each of many receipts: what is kept in one transaction
RECEIPT_PAUSE_SECONDS: Final = 0.05  # between two transactions: a few large ones cost less than many small ones


class NatsReceiptBox:
    """Port ReceiptBox."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Receipt)
        self._envelope = msgspec.msgpack.Decoder(list[msgspec.Raw])

    async def send(self, receipts: Sequence[Receipt]) -> Stand:
        """See the port. Of a batch that was put into a newer memory than we say, we think that it is lost: it is sent again."""
        epoch = await self._broker.read_epoch()
        return Stand(epoch, await publish(self._broker, "receipts", self._encoder.encode(receipts)))

    async def kept(self) -> Stand:
        """See the port. The control plane says that it has a batch once it is in the database, and the broker counts that."""
        epoch = await self._broker.read_epoch()
        try:
            info = await self._broker.stream.consumer_info("RECEIPTS", "ledger")
        except (nats.errors.Error, OSError) as error:
            raise UnavailableError("The broker does not answer.") from error
        if info.ack_floor is None or await self._broker.read_epoch() != epoch:
            raise UnavailableError("The connection to the broker was lost.")
        return Stand(epoch, info.ack_floor.stream_seq)

    async def collect(
        self,
    ) -> AsyncIterator[tuple[Sequence[Receipt], int, Callable[[], Awaitable[None]]]]:
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
            held = [NatsTakenRun(self._broker, message) for message in messages]
            read = [self._read(message.data) for message in messages]
            good = [receipt for part, _ in read for receipt in part]
            yield good, sum(refused for _, refused in read), partial(finish_all, held)
            await asyncio.sleep(RECEIPT_PAUSE_SECONDS)

    def _read(self, data: bytes) -> tuple[list[Receipt], int]:
        try:
            parts = self._envelope.decode(data)
        except msgspec.DecodeError:
            return [], 1
        good: list[Receipt] = []
        for part in parts:
            with contextlib.suppress(msgspec.DecodeError):  # counted by the difference
                good.append(self._decoder.decode(part))
        return good, len(parts) - len(good)
