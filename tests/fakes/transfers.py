"""A file's way from one call to another, for fakes that answer calls."""

from collections.abc import Awaitable, Callable

from blubees.model.call import Call, CallAnswer, Transfer, Transferred
from blubees.model.failures import Failure


async def transfer_by_calls(
    call: Callable[[Call], Awaitable[CallAnswer | Failure]], transfer: Transfer
) -> Transferred | Failure:
    """Ask both sides; what the source answers is not passed on."""
    given = await call(transfer.source)
    if isinstance(given, Failure) or given.status != 200:
        return given if isinstance(given, Failure) else Transferred(is_sent=False, answer=given, size=0)
    told = await call(transfer.target)
    return told if isinstance(told, Failure) else Transferred(is_sent=True, answer=told, size=len(given.body))
