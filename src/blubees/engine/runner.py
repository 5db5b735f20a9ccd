"""Performs one run: walks its steps (engine/walk.py), says how it ended, gives the receipt. Read this file third.

Called by engine/work.py (runs from the queue) and flows/intake.py (flows that answer their caller).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import orjson

from blubees.engine.explain import add_shapes
from blubees.engine.frames import EndOfRunError, Guard, Line, ParkError
from blubees.engine.journal import Journal
from blubees.engine.message import RunMessage
from blubees.engine.plan import Plan
from blubees.engine.receipt import describe_run
from blubees.engine.surroundings import Surroundings
from blubees.engine.walk import Walk
from blubees.model.failures import Failure, FailureCode
from blubees.model.ids import TenantId
from blubees.model.parking import Wait
from blubees.model.receipt import RunOutcome, RunReceipt, StopReason
from blubees.ports import Clock
from blubees.steps.contract import Answer, Stop

RUN_MAX_SECONDS: Final = 900.0  # docs/decisions/0004-size-limits.md; longer waits are parked, not held


@dataclass(frozen=True, slots=True)
class Ended:
    """The run is over. `failed`: what it must hold to go on from its failed step; for a run with checkpoints only."""

    receipt: RunReceipt
    answer: Answer | None = None
    failed: RunMessage | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """The caller can be answered now, and steps remain: `message` holds all that is needed to go on."""

    answer: Answer
    message: RunMessage


@dataclass(frozen=True, slots=True)
class Parked:
    """The run waits: `message` holds all that it needs to go on, and no more. `fail` gives its receipt when it can't wait."""

    message: RunMessage
    waits: tuple[Wait, ...]
    fail: Callable[[Failure], RunReceipt]


class Runner:
    """Performs runs. Holds no state between them."""

    def __init__(
        self,
        clock: Clock,
        open_line: Callable[[TenantId], Line],
        frame_root: str = "blubees",
        around: Surroundings = Surroundings(),  # noqa: B008 - frozen
    ) -> None:
        self._clock, self._open_line, self._frame_root, self._around = clock, open_line, frame_root, around

    async def perform(
        self,
        plan: Plan,
        message: RunMessage,
        *,
        journal: Journal | None = None,
        deliveries: int = 1,
        answering: bool = False,
        document: object = None,
        guard: Guard | None = None,
    ) -> Ended | Answered | Parked:
        """Perform a run from where `message` stands.

        Args:
            journal: keeps its checkpoints; none for a run whose caller waits, and has been promised nothing yet.
            deliveries: how often the broker delivered it.
            answering: someone waits for the answer: give it as soon as it is known, and hand the rest back.
            document: the event's body when the caller has it parsed already.
            guard: asked before each call whether the run is to stop.

        Raises:
            RunLostError: another conduit has the run.
        """
        walk = Walk(
            self._clock,
            self._open_line,
            plan,
            message,
            journal,
            answering=answering,
            frame_root=self._frame_root,
            around=self._around,
            guard=guard,
        )
        end: Stop | Failure | Answer | None = None
        failed_step = ""
        deadline = _Deadline()
        try:
            document = _read_document(message) if document is None else document
            await walk.perform_all(document)
        except EndOfRunError as unwound:
            end, failed_step = unwound.end, unwound.step
        except ParkError:
            carried, waits = await walk.carry()
            return Parked(
                carried,
                waits,
                lambda failure: describe_run(
                    message, walk.book, RunOutcome.FAILED, failure, deliveries=deliveries, failed_step=waits[0].step
                ),
            )
        except asyncio.CancelledError:
            if not deadline.has_struck():
                raise
            end = Failure(code=FailureCode.RUN_TOO_LONG)
        finally:
            deadline.lift()
        if isinstance(end, Answer):
            return Answered(answer=end, message=walk.hand_over())
        failure = end if isinstance(end, Failure) else None
        outcome = RunOutcome.FAILED if failure else RunOutcome.STOPPED if isinstance(end, Stop) else RunOutcome.FINISHED
        reason = end.reason if isinstance(end, Stop) else None
        if reason is StopReason.CANCELLED:
            outcome = RunOutcome.CANCELLED
        receipt = describe_run(
            message, walk.book, outcome, failure, deliveries=deliveries, failed_step=failed_step, reason=reason
        )
        explained = walk.given | walk.refused
        if failure is not None or explained:
            receipt = add_shapes(receipt, plan, document, explained, walk.list_results(), is_whole=walk.explains)
        await walk.save_end(receipt)
        failed = walk.give_failed(failure, failed_step) if failure is not None and journal is not None else None
        return Ended(receipt=receipt, answer=walk.answer, failed=failed)


class _Deadline:
    """Cancels the task after RUN_MAX_SECONDS: what asyncio.timeout does, at a third of its cost, once a run."""

    __slots__ = ("_has_struck", "_task", "_timer")

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._has_struck = False
        self._timer = asyncio.get_running_loop().call_later(RUN_MAX_SECONDS, self._strike)

    def _strike(self) -> None:
        self._has_struck = True
        if self._task is not None:
            self._task.cancel()

    def has_struck(self) -> bool:
        """Whether the cancelling was ours, and nobody else's too."""
        return self._has_struck and self._task is not None and self._task.uncancel() == 0

    def lift(self) -> None:
        """The run has ended."""
        self._timer.cancel()


def _read_document(message: RunMessage) -> object:
    """Parse the body; doors turn forms and texts into JSON before a run is launched."""
    return orjson.loads(message.body) if message.body else None
