"""Checkpoints of runs in the broker's memory (port CheckpointStore). Built by main/conduit.py."""

import contextlib
from typing import Final

import msgspec
import nats
import nats.errors
import nats.js.errors

from blubees.adapters.broker.link import Broker, Confirmation
from blubees.model.errors import UnavailableError
from blubees.model.ids import RunId, TenantId

SAVE_SECONDS: Final = 2.0
_SOON: Final = {"Nats-TTL": "30s"}  # longer than a conduit that lost its run may go on believing in it
_WRONG_SEQUENCE_CODES: Final = frozenset({10071, 10164})


class NatsCheckpointStore:
    """Port CheckpointStore: one subject a run, which keeps its newest message."""

    def __init__(self, broker: Broker, stream: str = "CHECKPOINTS") -> None:
        self._broker, self._stream, self._prefix = broker, stream, stream.lower()
        self._confirmation = msgspec.json.Decoder(Confirmation)

    async def save(self, tenant: TenantId, run: RunId, sealed: bytes, *, after: int) -> int | None:
        """See the port."""
        headers = {"Nats-Expected-Last-Subject-Sequence": str(after)}
        try:
            reply = await self._broker.client.request(
                f"{self._prefix}.{tenant}.{run}", sealed, timeout=SAVE_SECONDS, headers=headers
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
            found = await self._broker.stream.get_last_msg(self._stream, f"{self._prefix}.{tenant}.{run}")
        except nats.js.errors.NotFoundError:
            return None
        except (nats.errors.Error, OSError) as error:
            raise UnavailableError("The broker does not give the checkpoint.") from error
        return (int(found.seq or 0), found.data) if found.data else None

    async def epoch(self) -> int:
        """See the port."""
        return await self._broker.read_epoch()

    async def drop(self, tenant: TenantId, run: RunId) -> None:
        """See the port. Not waited for: what is not dropped goes with its age.

        An empty message that soon goes by itself takes the checkpoint's place: purging a subject costs the broker eight times
        as much, and whoever still believes to have the run finds it taken.
        """
        with contextlib.suppress(nats.errors.Error):
            await self._broker.client.publish(f"{self._prefix}.{tenant}.{run}", b"", headers=_SOON)
