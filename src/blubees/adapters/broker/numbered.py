"""Messages that follow a known one: compare-and-swap on a subject of a stream. Used by checkpoints.py and boards.py."""

from typing import Final

import msgspec
import nats.errors
import nats.js.errors

from blubees.adapters.broker.link import Broker, Confirmation
from blubees.model.errors import UnavailableError

_WRONG_SEQUENCE_CODES: Final = frozenset({10071, 10164})
_CONFIRMATION: Final = msgspec.json.Decoder(Confirmation)


async def put_after(broker: Broker, subject: str, data: bytes, *, after: int, seconds: float) -> int | None:
    """Put a message if the subject's newest one still has the number `after` (0: there is none); give its number, or None.

    Raises:
        UnavailableError: the broker did not confirm within so many seconds, or has no room.
    """
    headers = {"Nats-Expected-Last-Subject-Sequence": str(after)}
    try:
        reply = await broker.client.request(subject, data, timeout=seconds, headers=headers)
        confirmed = _CONFIRMATION.decode(reply.data)
    except (nats.errors.Error, OSError, msgspec.DecodeError) as error:
        raise UnavailableError("The broker did not confirm.", retry_after_seconds=2) from error
    if confirmed.error is None:
        return confirmed.seq
    if confirmed.error.err_code in _WRONG_SEQUENCE_CODES:
        return None
    raise UnavailableError("The broker did not take it.", retry_after_seconds=2)


async def find_newest(broker: Broker, stream: str, subject: str) -> tuple[int, bytes]:
    """Give a subject's newest message with its number; (0, b"") when there is none. Raises UnavailableError."""
    try:
        found = await broker.stream.get_last_msg(stream, subject)
    except nats.js.errors.NotFoundError:
        return 0, b""
    except (nats.errors.Error, OSError) as error:
        raise UnavailableError("The broker does not tell.", retry_after_seconds=2) from error
    return int(found.seq or 0), found.data or b""
