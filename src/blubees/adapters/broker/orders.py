"""Orders from control plane to conduits, in the broker's memory (ports OrderBox, OrderQueue). Built by main's processes."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
import nats.errors
import nats.js.errors
from nats.aio.msg import Msg

from blubees.adapters.broker.link import Broker
from blubees.adapters.broker.runs import NatsTakenRun
from blubees.model.errors import BluBeesError, UnavailableError
from blubees.model.order import Order

ORDERS_AT_ONCE: Final = 32
KEEP_SECONDS: Final = 4.0
AGAIN_SECONDS: Final = 2.0


class NatsOrders:
    """Both ports."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder: msgspec.msgpack.Decoder[Order] = msgspec.msgpack.Decoder(Order)

    async def send(self, order: Order, *, name: str) -> None:
        """See the port."""
        try:
            await self._broker.stream.publish(
                f"orders.{order.tenant}", self._encoder.encode(order), headers={"Nats-Msg-Id": name}
            )
        except (nats.errors.Error, OSError) as error:
            raise UnavailableError("The broker did not take the order.", retry_after_seconds=2) from error

    async def supply(self, perform: Callable[[Order], Awaitable[None]]) -> None:
        """See the port."""
        pull = await self._broker.stream.pull_subscribe_bind("conduits", "ORDERS")
        under_way: set[asyncio.Task[None]] = set()
        try:
            while True:
                while len(under_way) >= ORDERS_AT_ONCE:
                    await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                try:
                    messages = await pull.fetch(ORDERS_AT_ONCE - len(under_way), timeout=5)
                except nats.errors.TimeoutError:
                    continue
                except (nats.errors.Error, OSError):
                    await asyncio.sleep(1)
                    continue
                for message in messages:
                    task = asyncio.create_task(self._carry_out(message, perform))
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
        finally:
            for task in under_way:
                task.cancel()

    async def _carry_out(self, message: Msg, perform: Callable[[Order], Awaitable[None]]) -> None:
        held = NatsTakenRun(self._broker, message)
        keeping = asyncio.create_task(_keep(held))
        try:
            order = self._decoder.decode(message.data)
            await perform(order)
        except msgspec.DecodeError:  # of a newer version than this conduit: another may know it
            await held.hand_back(AGAIN_SECONDS)
        except BluBeesError as error:
            await held.hand_back(error.retry_after_seconds or AGAIN_SECONDS)
        else:
            await held.finish()
        finally:
            keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeping


async def _keep(held: NatsTakenRun) -> None:
    while True:
        await asyncio.sleep(KEEP_SECONDS)
        await held.keep()
