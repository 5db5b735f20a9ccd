"""Performs one run: walks the steps, keeps their results in memory, gives the receipt. Read this file third.

Called by engine/work.py (runs from the queue) and flows/intake.py (flows that answer their caller). A walk can be resumed:
steps whose result is known are passed over, and a block that was entered is entered at the same branch.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec
import orjson

from blubees.engine.message import RunMessage
from blubees.engine.plan import CompiledStep, Plan
from blubees.engine.receipt import StepBook, describe_run
from blubees.engine.scope import trigger_scope
from blubees.expressions.errors import EvaluationError
from blubees.model.call import Call, CallAnswer
from blubees.model.failures import Failure, FailureCode
from blubees.model.ids import TenantId
from blubees.model.receipt import RunOutcome, RunReceipt, StepOutcome
from blubees.ports import Clock
from blubees.steps.contract import Answer, Done, Enter, Outcome, Stop

RUN_MAX_SECONDS: Final = 900.0  # docs/decisions/0004-size-limits.md; longer waits are parked, not held


class Line(Protocol):
    """What the runner needs of connectors/caller.py for one run."""

    request_bytes: int
    answer_bytes: int
    http_status: int

    def start_step(self) -> None:
        """Count from zero."""
        ...

    async def call(self, call: Call) -> CallAnswer | Failure:
        """Call a third party."""
        ...

    async def call_jira(self, call: Call) -> CallAnswer | Failure:
        """Call the tenant's Jira."""
        ...


@dataclass(frozen=True, slots=True)
class Ended:
    """The run is over."""

    receipt: RunReceipt
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """The caller can be answered now, and steps remain: `message` holds all that is needed to go on."""

    answer: Answer
    message: RunMessage


class StepTools:
    """The tools of one step: calls, and the conditions of its branches."""

    __slots__ = ("_line", "_scope", "_step", "branch_count", "call", "call_jira")

    def __init__(self, line: Line, step: CompiledStep, scope: Mapping[str, object]) -> None:
        self._line, self._step, self._scope = line, step, scope
        self.call = line.call
        self.call_jira = line.call_jira
        self.branch_count = len(step.branches)

    def holds(self, branch: int) -> bool:
        """Whether the condition of the branch holds now."""
        when = self._step.branches[branch].when
        return when is None or when.holds(self._scope)


class _EndOfRunError(Exception):
    """Unwinds the walk: the run ends before its last step, or hands over after an answer."""

    def __init__(self, end: Stop | Failure | Answer) -> None:
        super().__init__()
        self.end = end


class Runner:
    """Performs runs. Holds no state between them."""

    def __init__(self, clock: Clock, open_line: Callable[[TenantId], Line], frame_root: str = "blubees") -> None:
        self._clock = clock
        self._open_line = open_line
        self._frame_root = frame_root

    async def perform(
        self, plan: Plan, message: RunMessage, *, deliveries: int = 1, answering: bool = False, document: object = None
    ) -> Ended | Answered:
        """Perform a run from where `message` stands.

        Args:
            deliveries: how often the broker delivered it.
            answering: someone waits for the answer: give it as soon as it is known, and hand the rest back.
            document: the event's body when the caller has it parsed already.
        """
        walk = _Walk(self, plan, message, answering=answering)
        end: Stop | Failure | Answer | None = None
        try:
            async with asyncio.timeout(RUN_MAX_SECONDS):
                walk.open_scope(_read_document(message) if document is None else document)
                await walk.perform_steps(plan.steps, last=True)
        except _EndOfRunError as unwound:
            end = unwound.end
        except TimeoutError:
            end = Failure(code=FailureCode.RUN_TOO_LONG)
        if isinstance(end, Answer):
            return Answered(answer=end, message=walk.hand_over())
        failure = end if isinstance(end, Failure) else None
        outcome = RunOutcome.FAILED if failure else RunOutcome.STOPPED if isinstance(end, Stop) else RunOutcome.FINISHED
        receipt = describe_run(message, walk.book, outcome, failure, deliveries=deliveries, failed_step=walk.at)
        return Ended(receipt=receipt, answer=walk.answer)


class _Walk:
    """One run under way."""

    def __init__(self, runner: Runner, plan: Plan, message: RunMessage, *, answering: bool) -> None:
        self._clock = runner._clock  # noqa: SLF001 - one file, one thing: the walk is the runner's inside
        self._frame_root = runner._frame_root  # noqa: SLF001 - see above
        self._line = runner._open_line(message.tenant)  # noqa: SLF001 - see above
        self._message = message
        self._flow = plan.published.flow
        self._answering = answering
        self._results: dict[str, object] = dict(message.done)
        self._entered = dict(message.entered)
        self._variables = dict(message.variables)
        self._scope: dict[str, object] = {}
        self.book = StepBook(self._clock, message)
        self.answer: Answer | None = None
        self.at = ""

    def open_scope(self, document: object) -> None:
        """Set out what smart values can read."""
        message = self._message
        scope = trigger_scope(message.trigger, document, message.headers, message.query)
        scope["now"] = self._clock.now()
        scope["flow"] = {"id": self._flow.id, "name": self._flow.name, "version": message.version, "run": message.run}
        scope["steps"] = self._results
        scope.update(self._variables)
        self._scope = scope

    async def perform_steps(self, steps: tuple[CompiledStep, ...], *, last: bool) -> None:
        """Perform steps in order. `last`: nothing follows this block."""
        count = len(steps)
        for number, step in enumerate(steps, 1):
            is_last = last and number == count
            if step.id in self._entered:
                await self.perform_steps(step.branches[self._entered[step.id]].steps, last=is_last)
            elif step.id not in self._results:
                await self._perform(step, last=is_last)

    def hand_over(self) -> RunMessage:
        """Give what is needed to go on elsewhere."""
        return msgspec.structs.replace(
            self._message,
            done=self._results,
            entered=self._entered,
            variables=self._variables,
            receipts=self.book.receipts(),
        )

    async def _perform(self, step: CompiledStep, *, last: bool) -> None:
        self.at = step.id
        self._line.start_step()
        started = self._clock.monotonic_seconds()
        outcome = await self._attempt(step)
        branch = outcome.branch if isinstance(outcome, Enter) and outcome.branch is not None else -1
        self.book.note(step, started, self._line, _name_outcome(outcome), branch, outcome)
        if isinstance(outcome, Done):
            self._results[step.id] = outcome.result
            if outcome.variables:
                self._variables.update(outcome.variables)
                self._scope.update(outcome.variables)
        elif isinstance(outcome, Enter):
            if outcome.branch is None:
                self._results[step.id] = None
            else:
                self._entered[step.id] = outcome.branch
                await self.perform_steps(step.branches[outcome.branch].steps, last=last)
        elif isinstance(outcome, Answer):
            self._results[step.id] = {"status": outcome.status}
            self.answer = self.answer or outcome
            if self._answering and not last:
                raise _EndOfRunError(outcome)
        else:
            raise _EndOfRunError(outcome)

    async def _attempt(self, step: CompiledStep) -> Outcome:
        try:
            rendered = step.settings.render(self._scope)
            settings: Any = msgspec.convert(rendered, step.kind.settings, strict=False)
            return await step.kind.perform(settings, StepTools(self._line, step, self._scope))
        except EvaluationError as error:
            return Failure(code=FailureCode.TEMPLATE_FAILED, field="with", detail=error.code.value)
        except msgspec.ValidationError as error:
            return Failure(code=FailureCode.SETTING_INVALID, field=_find_field(error, step))
        except Exception as error:  # noqa: BLE001 - the runner is where surprises become typed failures (style, rule 20)
            return Failure(code=FailureCode.INTERNAL, frame=_hash_frame(error, self._frame_root))


def _read_document(message: RunMessage) -> object:
    """Parse the body; doors turn forms and texts into JSON before a run is launched."""
    return orjson.loads(message.body) if message.body else None


def _name_outcome(outcome: Outcome) -> StepOutcome:
    if isinstance(outcome, Failure):
        return StepOutcome.FAILED
    return StepOutcome.STOPPED if isinstance(outcome, Stop) else StepOutcome.DONE


def _find_field(error: msgspec.ValidationError, step: CompiledStep) -> str:
    """Name the setting: the path in msgspec's message is made of our field names, its other words may hold values."""
    path = str(error).rpartition("`$.")[2].rstrip("`") if "`$." in str(error) else ""
    name = path.partition(".")[0].partition("[")[0]
    return f"with.{name}" if name in getattr(step.kind.settings, "__dataclass_fields__", {}) else "with"


def _hash_frame(error: BaseException, root: str) -> str:
    """Name the place in our code by a hash: it finds the line for us, and tells nobody a value."""
    place = type(error).__name__
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_globals.get("__name__", "")
        if isinstance(name, str) and name.startswith(root):
            place = f"{type(error).__name__}:{name}:{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return hashlib.sha256(place.encode()).hexdigest()[:16]
