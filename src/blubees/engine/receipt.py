"""Makes the receipts of runs and steps: numbers, ids and closed words only. Called by engine/runner.py."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from blubees.connectors.meanings import read_request_id
from blubees.engine.message import RunMessage
from blubees.engine.plan import CompiledStep
from blubees.model.call import Call, CallAnswer
from blubees.model.failures import Failure
from blubees.model.receipt import (
    ATTEMPTS_MAX,
    STEPS_MAX,
    Attempt,
    RunOutcome,
    RunReceipt,
    StepOutcome,
    StepReceipt,
    StopReason,
    WebMethod,
    WouldCall,
)
from blubees.ports import Clock


class Counters(Protocol):
    """What a line counted during one step."""

    request_bytes: int
    answer_bytes: int
    http_status: int
    attempts: int
    refused: CallAnswer | None


class StepBook:
    """Collects the step receipts of one run and its times: one a step, in the order in which they began."""

    __slots__ = ("_clock", "_earlier_milliseconds", "_started", "_steps", "started_at_milliseconds")

    def __init__(self, clock: Clock, message: RunMessage) -> None:
        self._clock = clock
        self._started = clock.monotonic_seconds()
        self.started_at_milliseconds = message.state.started_at_milliseconds or clock.now_milliseconds()
        self._earlier_milliseconds = max(0, clock.now_milliseconds() - self.started_at_milliseconds)
        self._steps: dict[str, StepReceipt | None] = {each.within + each.step: each for each in message.state.receipts}

    def reserve(self, step: CompiledStep, within: str = "") -> None:
        """A step begins: its receipt stands before those of the steps in it. `within`: the `run_flow` steps it stands in."""
        self._steps.setdefault(within + step.id, None)

    def describe_attempt(self, started: float, waited_seconds: float, line: Counters, outcome: object) -> Attempt:
        """Describe one try. `started` is the clock's monotonic time when it began, after the run had waited for it."""
        failure = outcome if isinstance(outcome, Failure) else None
        return Attempt(
            offset_microseconds=max(0, int((started - self._started) * 1e6)),
            duration_microseconds=self._count_since(started),
            waited_microseconds=int(waited_seconds * 1e6),
            code=failure.code if failure is not None else None,
            http_status=failure.http_status if failure is not None else line.http_status,
            request_id=read_request_id(line.refused.headers) if failure is not None and line.refused is not None else "",
        )

    def note(
        self,
        step: CompiledStep,
        started: float,
        line: Counters,
        outcome: StepOutcome,
        branch: int,
        result: object,
        history: Sequence[Attempt] = (),
        within: str = "",
    ) -> None:
        """Note one step. `started` is the clock's monotonic time when it began; `history`: its tries, if one failed."""
        failure = result if isinstance(result, Failure) else None
        name = within + step.id
        before = self._steps.get(name)
        if before is None:
            self._steps[name] = StepReceipt(
                step=step.id,
                within=within,
                kind=step.kind.name,
                outcome=outcome,
                offset_microseconds=max(0, int((started - self._started) * 1e6)),
                duration_microseconds=self._count_since(started),
                branch=branch,
                http_status=line.http_status,
                request_bytes=line.request_bytes,
                answer_bytes=line.answer_bytes,
                attempts=line.attempts,
                failure=failure,
                history=tuple(history[:ATTEMPTS_MAX]),
            )
            return
        self._steps[name] = msgspec.structs.replace(
            before,
            outcome=before.outcome if before.failure is not None else outcome,
            duration_microseconds=before.duration_microseconds + self._count_since(started),
            branch=branch,
            http_status=before.http_status if before.failure is not None else line.http_status,
            request_bytes=before.request_bytes + line.request_bytes,
            answer_bytes=before.answer_bytes + line.answer_bytes,
            attempts=before.attempts + line.attempts,
            times=before.times + 1,
            failure=before.failure or failure,
            history=before.history or tuple(history[:ATTEMPTS_MAX]),
        )

    def note_would(self, step: CompiledStep, call: Call, within: str = "") -> None:
        """Note the call that a dry run came to in this step, and did not make."""
        noted = self._steps.get(within + step.id)
        if noted is None:
            return
        method = WebMethod(call.method) if call.method in WebMethod.__members__ else WebMethod.OTHER
        before = noted.would
        would = (
            WouldCall(method=method, effect=call.effect)
            if before is None
            else msgspec.structs.replace(before, count=before.count + 1)
        )
        self._steps[within + step.id] = msgspec.structs.replace(noted, would=would)

    def extend(self, step: CompiledStep, started: float, within: str = "", failure: Failure | None = None) -> None:
        """A block or a called flow has ended: it took as long as what was in it, and failed with it."""
        name = within + step.id
        noted = self._steps.get(name)
        if noted is None:
            return
        if noted.times == 1:
            noted = msgspec.structs.replace(noted, duration_microseconds=self._count_since(started))
        if failure is not None:
            noted = msgspec.structs.replace(noted, outcome=StepOutcome.FAILED, failure=noted.failure or failure)
        self._steps[name] = noted

    def receipts(self) -> tuple[StepReceipt, ...]:
        """All so far, those of an earlier part of the run included."""
        return tuple(each for each in self._steps.values() if each is not None)[:STEPS_MAX]

    def duration_microseconds(self) -> int:
        """Since the run was first begun; waits included."""
        return self._count_since(self._started) + 1_000 * self._earlier_milliseconds

    def _count_since(self, started: float) -> int:
        return max(0, int((self._clock.monotonic_seconds() - started) * 1e6))


def describe_run(
    message: RunMessage,
    book: StepBook,
    outcome: RunOutcome,
    failure: Failure | None,
    *,
    deliveries: int,
    failed_step: str,
    reason: StopReason | None = None,
) -> RunReceipt:
    """Make the run's receipt."""
    return RunReceipt(
        tenant=message.tenant,
        flow=message.flow,
        version=message.version,
        run=message.run,
        trigger=message.trigger,
        outcome=outcome,
        accepted_at_milliseconds=message.accepted_at_milliseconds,
        started_at_milliseconds=book.started_at_milliseconds,
        duration_microseconds=book.duration_microseconds(),
        payload_bytes=len(message.body) or message.body_bytes,
        deliveries=deliveries,
        relaunches=message.relaunches,
        steps=book.receipts(),
        failed_step=failed_step if failure else "",
        trial=message.trial,
        retry_of=message.retry_of or None,
        failure=failure,
        reason=reason,
    )
