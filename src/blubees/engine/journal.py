"""Keeps a run's checkpoints: what is needed to go on with it elsewhere, sealed, in the broker's memory. Used by runner, work.

Each checkpoint follows a known one. When another conduit has saved one meanwhile, this one has lost the run and stops: what
was paused and wakes up again makes no further call. Source: docs/decisions/0008-checkpoints.md.
"""

import asyncio
from typing import Final

from blubees.engine.message import RunMessage, RunState, open_state, seal_state
from blubees.model.errors import UnavailableError
from blubees.model.ids import RunId
from blubees.ports import CheckpointStore, Clock
from blubees.vault.seal import Sealer

SAVE_SECONDS: Final = 6.0  # under the take-over time of 9 s: later than that, another conduit may have the run
RETRY_SECONDS: Final = 0.25
ANEW_SECONDS: Final = 15.0  # under the time after which runs of an earlier memory are given up (operations/recovery.py)


class RunLostError(Exception):
    """Another conduit has the run, or may have it: stop without a word."""


class Journal:
    """The checkpoints of one run.

    Args:
        epoch: which memory of the brokers the run came from; 0 for whichever is there when it is first saved.
        is_first: nobody had this run before, and whoever has it after us knows that we had it: our having it says that its
            first call may have been begun.
        keeps_end: the end is saved; not where the broker surely hears that the run is over once its receipt is safe.

    Attributes:
        was_begun: somebody had the run before us and has saved nothing: its first call, if it is unsafe, is in doubt.
        has_begun: the first call was begun without a checkpoint.
    """

    def __init__(
        self,
        store: CheckpointStore,
        sealer: Sealer,
        clock: Clock,
        message: RunMessage,
        *,
        epoch: int = 0,
        is_first: bool = False,
        keeps_end: bool = True,
    ) -> None:
        self._store, self._sealer, self._clock, self._message = store, sealer, clock, message
        self._is_first, self._known_at = is_first, clock.monotonic_seconds()
        self.keeps_end, self.was_begun, self.has_begun = keeps_end, False, False
        # a run that was parked or is retried begins anew: the checkpoints from before say nothing of what it now holds
        again = (f"-{message.state.parked}" if message.state.parked else "") + (
            f"_{message.retries}" if message.retries else ""
        )
        self._name = RunId(message.run + again)
        self._number, self._epoch = 0, epoch

    @property
    def has_saved(self) -> bool:
        """Whether there is a checkpoint."""
        return self._number > 0

    @property
    def may_be_lost(self) -> bool:
        """Whether another may have the run by now: it was last known to be ours, when taken or saved, too long ago."""
        return self._clock.monotonic_seconds() - self._known_at > SAVE_SECONDS

    def begin(self) -> bool:
        """Begin the first call of the run without a checkpoint, where that is safe: only while no other can have the run."""
        if not self._is_first or self.may_be_lost:
            return False
        self.has_begun = True
        return True

    async def load(self) -> RunState | None:
        """Give the newest checkpoint. Raises UnavailableError, TamperedError."""
        found = await self._store.load(self._message.tenant, self._name)
        if found is None:
            return None
        state = open_state(self._message, found[1], self._sealer)
        self._number = found[0]
        return state

    async def save(self, state: RunState) -> None:
        """Save a checkpoint, and return when the broker has it.

        When the brokers have just lost their memory, only this process has the run: it goes on, with a first checkpoint.

        Raises:
            RunLostError: another conduit has saved one meanwhile, or the broker did not answer for so long that it may have.
        """
        sealed = seal_state(self._message, state, self._sealer)
        began = self._clock.monotonic_seconds()
        deadline = began + SAVE_SECONDS
        is_ambiguous = False
        while True:
            try:
                epoch = await self._store.epoch()
                if epoch != (self._epoch or epoch):
                    self._start_anew(epoch)
                self._epoch = epoch
                number = await self._store.save(self._message.tenant, self._name, sealed, after=self._number)
                if number is None and is_ambiguous:  # an unconfirmed try may have been ours after all
                    found = await self._store.load(self._message.tenant, self._name)
                    number = found[0] if found is not None and found[1] == sealed else None
            except UnavailableError:
                if self._clock.monotonic_seconds() > deadline:
                    raise RunLostError from None
                is_ambiguous = True
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if number is None:
                raise RunLostError
            self._number, self._known_at = number, began
            return

    def _start_anew(self, epoch: int) -> None:
        if self._clock.now_milliseconds() - epoch / 1_000 > ANEW_SECONDS * 1_000:
            raise RunLostError  # it may have been given up, and launched again
        self._number = 0

    async def drop(self) -> None:
        """Forget the checkpoints: the run has ended, and its receipt is safe."""
        if self.has_saved:
            await self._store.drop(self._message.tenant, self._name)
