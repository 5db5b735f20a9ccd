"""Keeps what failed runs held, sealed, for a while in the broker's memory, and launches them again from their failed step.

Used by engine/work.py and main/conduit.py (the order `Retry`). Source: docs/decisions/0021-replay-and-cancel.md.
"""

from collections.abc import Callable

import msgspec

from blubees.engine.blocks import CATCH
from blubees.engine.launch import Launcher
from blubees.engine.message import RunMessage, RunState, open_replay, seal_replay, write_ordered
from blubees.engine.receipt import StepBook, describe_run
from blubees.model.errors import TamperedError, UnavailableError
from blubees.model.failures import Failure, FailureCode
from blubees.model.ids import RunId, TenantId
from blubees.model.order import DoubtChoice, Retry
from blubees.model.receipt import Receipt, RunOutcome
from blubees.model.settings import TenantSettings
from blubees.ports import Clock, Events, Put, ReplayStore
from blubees.vault.seal import Sealer

_PENDING = "[pending]"


class ReplayDesk:
    """Keeps failed runs and launches them again."""

    def __init__(
        self,
        store: ReplayStore,
        sealer: Sealer,
        settings_of: Callable[[TenantId], TenantSettings],
        launcher: Launcher,
        tell: Callable[[Receipt], None],
        clock: Clock,
        events: Events,
    ) -> None:
        self._store, self._sealer, self._settings_of = store, sealer, settings_of
        self._launcher, self._tell, self._clock, self._events = launcher, tell, clock, events

    async def keep(self, failed: RunMessage) -> int:
        """Keep what a failed run held, as long as its tenant wants; give until when (milliseconds since 1970), 0: not kept."""
        seconds = round(self._settings_of(failed.tenant).replay_hours * 3_600)
        if seconds <= 0:
            return 0
        until = self._clock.now_milliseconds() + 1_000 * seconds
        try:
            is_kept = await self._store.save(failed.tenant, failed.run, seal_replay(failed, self._sealer), seconds=seconds)
        except UnavailableError:
            is_kept = False
        if not is_kept:
            self._events("replay_not_kept", tenant=failed.tenant)
        return until if is_kept else 0

    async def carry_out(self, order: Retry) -> None:
        """Launch a failed run again; an order that comes twice launches it once.

        Raises:
            UnavailableError: the broker does not answer, or the tenant's queue is full.
        """
        tenant, run = TenantId(order.tenant), RunId(order.run)
        sealed = await self._store.load(tenant, run)
        try:
            message = open_replay(tenant, run, sealed, self._sealer) if sealed is not None else None
        except TamperedError:
            message = None
        if message is None or message.relaunches >= order.relaunches:
            self._tell_gone(order)
            return
        message.state = settle_state(message.state, order.choice)
        message.relaunches, message.retries = order.relaunches, message.retries + 1
        put = await self._launcher.launch(message, delivery=f"retry|{run}|{order.relaunches}")
        if put is Put.FULL:
            raise UnavailableError("The tenant's queue is full.")

    def _tell_gone(self, order: Retry) -> None:
        message = write_ordered(order)
        failure = Failure(code=FailureCode.REPLAY_GONE)
        book = StepBook(self._clock, message)
        self._tell(describe_run(message, book, RunOutcome.FAILED, failure, deliveries=1, failed_step=""))


def settle_state(state: RunState, choice: DoubtChoice) -> RunState:
    """Make ready the state of a failed run: what it was in doubt about is settled, and a `try` that failed catches again."""
    done, entered = dict(state.done), dict(state.entered)
    if choice is DoubtChoice.SKIP:
        done |= dict.fromkeys(state.attempting)
    for path in [path for path in done if path.endswith(_PENDING)]:
        del done[path]
        entered[path.removesuffix(_PENDING)] = CATCH
    return msgspec.structs.replace(
        state,
        done=done,
        entered=entered,
        settled=(*state.settled, *state.attempting) if choice is DoubtChoice.AGAIN else state.settled,
        attempting=() if choice is not DoubtChoice.NONE else state.attempting,
    )
