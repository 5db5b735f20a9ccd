"""Mailboxes of runs that wait, in the broker's memory (port MailStore), and who waits for events (port WaiterBoard)."""

from collections.abc import Callable, Sequence
from typing import Final

import nats.errors
import nats.js.errors
from nats.aio.msg import Msg

from blubees.adapters.broker.link import FULL_CODES, Broker, publish, watch
from blubees.model.errors import UnavailableError
from blubees.model.ids import TenantId

READ_AT_ONCE: Final = 20


class NatsMailStore:
    """Port MailStore: a subject a mailbox."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def put(self, tenant: TenantId, name: str, sealed: bytes, *, delivery: str) -> bool:
        """See the port."""
        headers = {"Nats-Msg-Id": f"{name}|{delivery}"} if delivery else None
        try:
            await self._broker.stream.publish(f"mail.{tenant}.{name}", sealed, headers=headers)
        except nats.js.errors.APIError as error:
            if error.err_code in FULL_CODES:
                return False
            raise UnavailableError("The broker did not take what came.", retry_after_seconds=2) from error
        except (nats.errors.Error, OSError) as error:
            raise UnavailableError("The broker did not take what came.", retry_after_seconds=2) from error
        return True

    async def read(self, tenant: TenantId, name: str, *, after: int) -> Sequence[tuple[int, bytes]]:
        """See the port."""
        found: list[tuple[int, bytes]] = []
        try:
            while len(found) < READ_AT_ONCE:
                message = await self._broker.stream.get_msg("MAIL", seq=after + 1, subject=f"mail.{tenant}.{name}", next=True)
                after = int(message.seq or 0)
                found.append((after, message.data or b""))
        except nats.js.errors.NotFoundError:
            return found
        except (nats.errors.Error, OSError) as error:
            raise UnavailableError("The broker does not give what came.") from error
        return found


class NatsWaiterBoard:
    """Port WaiterBoard."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def post(self, tenant: TenantId) -> None:
        """See the port."""
        await publish(self._broker, f"waiters.{tenant}", b"1")

    async def watch(self, changed: Callable[[TenantId], None]) -> None:
        """See the port."""

        def tell(message: Msg) -> None:
            changed(TenantId(message.subject.partition(".")[2]))

        await watch(self._broker, "WAITERS", "waiters.*", tell)
