"""Performs one run: walks the steps, keeps their results in memory, gives the receipt. Read this file third.

Called by engine/work.py (runs from the queue) and flows/intake.py (flows that answer their caller). A walk can be resumed:
steps whose result is known are passed over, and a block that was entered is entered at the same branch. After an effect, the
next call waits until the effect's checkpoint is safe; an unsafe call waits until it is safe that it was begun.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec
import orjson

from blubees.engine.journal import Journal, RunLostError
from blubees.engine.message import RunMessage, RunState
from blubees.engine.plan import CompiledStep, Plan
from blubees.engine.receipt import StepBook, describe_run
from blubees.engine.scope import trigger_scope
from blubees.expressions.errors import EvaluationError
from blubees.model.call import Call, CallAnswer, Effect
from blubees.model.failures import Failure, FailureCode
from blubees.model.flow import OnDoubt
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

    __slots__ = ("_calls", "_scope", "_step", "_walk", "branch_count")

    def __init__(self, walk: "_Walk", step: CompiledStep, scope: Mapping[str, object]) -> None:
        self._walk, self._step, self._scope = walk, step, scope
        self._calls = 0
        self.branch_count = len(step.branches)

    async def call(self, call: Call) -> CallAnswer | Failure:
        """Call a third party."""
        self._calls += 1
        if call.effect is Effect.KEYED:
            call = _add_key(call, f"{self._walk.run}:{self._step.id}:{self._calls}")
        await self._walk.prepare_call(self._step, call.effect)
        return await self._walk.line.call(call)

    async def call_jira(self, call: Call) -> CallAnswer | Failure:
        """Call the tenant's Jira."""
        await self._walk.prepare_call(self._step, call.effect)
        return await self._walk.line.call_jira(call)

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
        self,
        plan: Plan,
        message: RunMessage,
        *,
        journal: Journal | None = None,
        deliveries: int = 1,
        answering: bool = False,
        document: object = None,
    ) -> Ended | Answered:
        """Perform a run from where `message` stands.

        Args:
            journal: keeps its checkpoints; none for a run whose caller waits, and has been promised nothing yet.
            deliveries: how often the broker delivered it.
            answering: someone waits for the answer: give it as soon as it is known, and hand the rest back.
            document: the event's body when the caller has it parsed already.

        Raises:
            RunLostError: another conduit has the run.
        """
        walk = _Walk(self, plan, message, journal, answering=answering)
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
        await walk.save_end(receipt)
        return Ended(receipt=receipt, answer=walk.answer)


class _Walk:
    """One run under way."""

    def __init__(self, runner: Runner, plan: Plan, message: RunMessage, journal: Journal | None, *, answering: bool) -> None:
        self._clock = runner._clock  # noqa: SLF001 - one file, one thing: the walk is the runner's inside
        self._frame_root = runner._frame_root  # noqa: SLF001 - see above
        self.line = runner._open_line(message.tenant)  # noqa: SLF001 - see above
        self.run = message.run
        self._message = message
        self._plan = plan
        self._flow = plan.published.flow
        self._journal = journal
        self._answering = answering
        self._results: dict[str, object] = dict(message.state.done)
        self._entered = dict(message.state.entered)
        self._variables = dict(message.state.variables)
        self._doubtful = message.state.attempting
        self._is_ahead = False  # an effect happened that no checkpoint knows of
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
        state = RunState(done=self._results, entered=self._entered, variables=self._variables, receipts=self.book.receipts())
        return msgspec.structs.replace(self._message, state=state)

    async def prepare_call(self, step: CompiledStep, effect: Effect) -> None:
        """Before a call: make safe what happened before, and for an unsafe call, that it is begun."""
        if self._journal is not None and (self._is_ahead or effect is Effect.UNSAFE):
            await self._journal.save(self._write_state(step, attempting=step.id if effect is Effect.UNSAFE else ""))
            self._is_ahead = False
        self._is_ahead = self._is_ahead or effect is not Effect.READ

    async def save_end(self, receipt: RunReceipt) -> None:
        """The run has ended: a conduit that gets it again has only the receipt to send."""
        if self._journal is not None and (self._is_ahead or self._journal.has_saved):
            await self._journal.save(RunState(receipt=receipt))

    def _write_state(self, step: CompiledStep, attempting: str) -> RunState:
        """What a run that stands at `step` must still hold: no more."""
        reads = self._plan.reads_from[step.id]
        return RunState(
            done={name: result if reads.keeps(name) else None for name, result in self._results.items()},
            entered=self._entered,
            variables={name: value for name, value in self._variables.items() if name.casefold() in reads.roots},
            receipts=self.book.receipts(),
            attempting=attempting,
        )

    async def _perform(self, step: CompiledStep, *, last: bool) -> None:
        self.at = step.id
        self.line.start_step()
        started = self._clock.monotonic_seconds()
        outcome = await self._attempt(step)
        branch = outcome.branch if isinstance(outcome, Enter) and outcome.branch is not None else -1
        self.book.note(step, started, self.line, _name_outcome(outcome), branch, outcome)
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
        if self._doubtful == step.id:
            self._doubtful = ""
            if step.on_doubt is OnDoubt.FAIL:
                return Failure(code=FailureCode.IN_DOUBT)
            if step.on_doubt is OnDoubt.SKIP:
                return Done(None)
        try:
            rendered = step.settings.render(self._scope)
            settings: Any = msgspec.convert(rendered, step.kind.settings, strict=False)
            return await step.kind.perform(settings, StepTools(self, step, self._scope))
        except EvaluationError as error:
            return Failure(code=FailureCode.TEMPLATE_FAILED, field="with", detail=error.code.value)
        except msgspec.ValidationError as error:
            return Failure(code=FailureCode.SETTING_INVALID, field=_find_field(error, step))
        except RunLostError:
            raise
        except Exception as error:  # noqa: BLE001 - the runner is where surprises become typed failures (style, rule 20)
            return Failure(code=FailureCode.INTERNAL, frame=_hash_frame(error, self._frame_root))


def _add_key(call: Call, name: str) -> Call:
    """Add the Idempotency-Key: the same one whenever and wherever this call of this run is made."""
    if any(header.lower() == "idempotency-key" for header, _ in call.headers):
        return call  # the author's own
    key = hashlib.sha256(name.encode()).hexdigest()[:32]
    return msgspec.structs.replace(call, headers=(*call.headers, ("Idempotency-Key", key)))


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
