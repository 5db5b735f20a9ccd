"""Asks whether a key was seen before. Called by engine/walk.py for the steps' tools.

The key stays here: a digest of it goes to the control plane, sealed, and only a keyed hash of that into its database. The asker
is named by run and place, so that a run that is taken over and asks again is told the same. Source: docs/decisions/0010.
"""

import asyncio
import hashlib
from typing import Final

from blubees.model.errors import UnavailableError
from blubees.model.failures import Failure, FailureCode
from blubees.model.ids import FlowId, RunId, TenantId
from blubees.model.seen import SeenQuestion
from blubees.ports import SeenDesk

TRIES: Final = 8  # each waits 3 s: a control plane that starts again is waited for
PAUSE_SECONDS: Final = 1.0


async def mark_seen(
    desk: SeenDesk | None, tenant: TenantId, flow: FlowId, run: RunId, path: str, key: str, days: int
) -> bool | Failure:
    """Mark a key as seen; gives whether another run, or another turn, had marked it.

    Args:
        path: of the step (engine/walk.py); its last part is the step's id.
    """
    text = "\0".join((tenant, flow, path.rpartition("/")[2], key)).encode("utf-8", "surrogatepass")
    asker = hashlib.sha256(f"{run}\0{path}".encode()).digest()[:16]
    question = SeenQuestion(digest=hashlib.sha256(text).digest(), asker=asker, days=days)
    for number in range(TRIES):
        if desk is None:
            break
        try:
            return await desk.ask(tenant, question)
        except UnavailableError:
            await asyncio.sleep(PAUSE_SECONDS if number < TRIES - 1 else 0)
    return Failure(code=FailureCode.UNAVAILABLE)
