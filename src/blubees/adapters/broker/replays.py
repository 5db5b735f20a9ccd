"""What failed runs held, sealed, for a while in the broker's memory (ports ReplayStore, ReplayShelf). Built by main."""

from typing import Final

import msgspec
import nats.errors
import nats.js.errors

from blubees.adapters.broker.link import CONFIRM_SECONDS, Broker, Confirmation
from blubees.model.errors import UnavailableError
from blubees.model.ids import RunId, TenantId

REPLAY_MAX_BYTES: Final = 4_194_304  # of one run: larger ones are not kept


class NatsReplayStore:
    """Both ports: one subject a run, each with a time of its own to live; when there is no more room, the oldest go."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._confirmation = msgspec.json.Decoder(Confirmation)

    async def save(self, tenant: TenantId, run: RunId, sealed: bytes, *, seconds: int) -> bool:
        """See the port."""
        if len(sealed) > REPLAY_MAX_BYTES:
            return False
        headers = {"Nats-TTL": f"{seconds}s"}
        try:
            reply = await self._broker.client.request(
                f"replays.{tenant}.{run}", sealed, timeout=CONFIRM_SECONDS, headers=headers
            )
            return self._confirmation.decode(reply.data).error is None
        except (nats.errors.Error, OSError, msgspec.DecodeError) as error:
            raise UnavailableError("The broker did not confirm what the failed run held.") from error

    async def load(self, tenant: TenantId, run: RunId) -> bytes | None:
        """See the port."""
        try:
            found = await self._broker.stream.get_last_msg("REPLAYS", f"replays.{tenant}.{run}")
        except nats.js.errors.NotFoundError:
            return None
        except (nats.errors.Error, OSError) as error:
            raise UnavailableError("The broker does not give what the failed run held.") from error
        return found.data or None

    async def has(self, tenant: TenantId, run: RunId) -> bool:
        """See the port: counted by the broker, and never given to the control plane."""
        subject = f"replays.{tenant}.{run}"
        try:
            info = await self._broker.stream.stream_info("REPLAYS", subjects_filter=subject)
        except (nats.errors.Error, OSError) as error:
            raise UnavailableError("The broker does not say whether it has what the failed run held.") from error
        return bool((info.state.subjects or {}).get(subject))
