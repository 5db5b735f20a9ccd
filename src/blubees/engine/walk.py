"""Walks the steps of one run: keeps results in memory, goes into blocks, saves how far it is. Made by engine/runner.py.

A walk can be resumed: steps whose result is known are passed over, and a block is entered where it was left. After an effect,
the next call waits until the effect's checkpoint is safe; an unsafe call waits until it is safe that it was begun.

Results are kept by path: `loop[3]/post` is the step `post` in the fourth turn of `loop`. Turns of `each` and branches of
`parallel` have a frame of their own: what they set is theirs. `choose`, `try` and `repeat` share the frame they stand in.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from blubees.engine.calls import CalledFlow, find_called
from blubees.engine.carry import find_issue, prune_event
from blubees.engine.journal import Journal, RunLostError
from blubees.engine.mail import name_mailbox
from blubees.engine.message import RunMessage, RunState
from blubees.engine.paths import CALL, Paths, find_root, prune_results
from blubees.engine.plan import CompiledBranch, CompiledStep, Plan, Reads
from blubees.engine.receipt import StepBook
from blubees.engine.scope import trigger_scope
from blubees.engine.seen import mark_seen
from blubees.engine.surroundings import Surroundings
from blubees.expressions.errors import EvaluationError
from blubees.model.call import Call, CallAnswer, Effect, WouldCallError
from blubees.model.failures import Failure, FailureCode
from blubees.model.flow import OnDoubt, OnError, Retry
from blubees.model.ids import FlowId, StepId, TenantId
from blubees.model.parking import Answered, Wait, WaitEnd, WaitKind
from blubees.model.receipt import Attempt, RunReceipt, StepOutcome, StopReason, Trial
from blubees.ports import Clock
from blubees.steps.contract import (
    Answer,
    BranchRule,
    Done,
    Enter,
    EnterAll,
    EnterNamed,
    ForEach,
    Outcome,
    Park,
    PerformFlow,
    Repeat,
    Stop,
    Try,
)

TRY, CATCH, FINALLY = range(3)
_NO_READS: Final = Reads()
DELAY_MAX_SECONDS: Final = 300.0
SAVE_BEFORE_SECONDS: Final = 1.0
DOUBT_MILLISECONDS: Final = 30 * 86_400_000  # a person has that long to say what shall be done; then the run fails


Guard = Callable[[], Awaitable[StopReason | None]]
"""Asked before each call: whether the run is to stop, and why."""


class Line(Protocol):
    """What the runner needs of connectors/caller.py for one run."""

    request_bytes: int
    answer_bytes: int
    http_status: int
    attempts: int
    refused: CallAnswer | None

    def start_step(self) -> None:
        """Count from zero."""
        ...

    async def call(self, call: Call) -> CallAnswer | Failure:
        """Call a third party."""
        ...

    async def call_jira(self, call: Call) -> CallAnswer | Failure:
        """Call the tenant's Jira."""
        ...


class EndOfRunError(Exception):
    """Unwinds the walk: the run ends before its last step, or hands over after an answer."""

    def __init__(self, end: Stop | Failure | Answer, step: str) -> None:
        super().__init__()
        self.end = end
        self.step = step


class ParkError(Exception):
    """Unwinds the walk: this part of the run waits for something, and the rest of it has ended or waits as well."""


class DoubtError(Exception):
    """A call is about to be made of which nobody knows whether it was made before: the step starts again, and is in doubt."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which flow steps stand in: the run's own, or one that a `run_flow` step performs.

    Attributes:
        reads_from: of the flow's plan.
        root: what the paths of all its results begin with.
        within: the `run_flow` steps that it stands in, for receipts; so many of them: `depth`.
        call_backs: its steps that wait for a call back.
    """

    flow: FlowId
    reads_from: Mapping[StepId, Reads]
    root: str = ""
    within: str = ""
    depth: int = 0
    call_backs: tuple[StepId, ...] = ()


@dataclass(slots=True)
class Frame:
    """Where steps stand: what they see, and where their results are kept.

    Attributes:
        place: which flow they stand in.
        prefix: of the paths of results; `home` of those of variables, which a turn of `repeat` leaves to what it stands in.
        results: what `{{steps.…}}` reads.
        has_acted: the step under way has made a call that is not a mere read.
        history: the tries of the step under way, once one has failed.
        settings: what the step under way was given.
        skipped: the call that it came to in a dry run and did not make, or the wait that a trial did not wait for.
    """

    place: Place
    prefix: str
    home: str
    scope: dict[str, object]
    results: dict[str, object]
    line: Line
    has_acted: bool = False
    history: Sequence[Attempt] = ()
    settings: object = None
    skipped: Call | Park | None = None


class StepTools:
    """The tools of one step: calls, and the conditions of its branches."""

    __slots__ = ("_calls", "_frame", "_step", "_walk", "branch_count")

    def __init__(self, walk: "Walk", step: CompiledStep, frame: Frame) -> None:
        self._walk, self._step, self._frame = walk, step, frame
        self._calls = 0
        self.branch_count = len(step.branches)

    async def call(self, call: Call) -> CallAnswer | Failure:
        """Call a third party."""
        self._calls += 1
        if call.effect is Effect.KEYED:
            call = _add_key(call, f"{self._walk.run}:{self._frame.prefix}{self._step.id}:{self._calls}")
        await self._walk.prepare_call(self._step, self._frame, call.effect)
        return await self._frame.line.call(self._walk.mark(call))

    async def call_jira(self, call: Call) -> CallAnswer | Failure:
        """Call the tenant's Jira."""
        await self._walk.prepare_call(self._step, self._frame, call.effect)
        return await self._frame.line.call_jira(call)

    async def mark_seen(self, key: str, days: int) -> bool | Failure:
        """Whether this step has seen the key before, in another run or turn."""
        return await self._walk.mark_seen(self._frame.place.flow, self._frame.prefix + self._step.id, key, days)

    def now_milliseconds(self) -> int:
        """The time."""
        return self._walk.now_milliseconds()

    @property
    def answer(self) -> Answered | None:
        """How the wait ended that the step had asked for."""
        return self._walk.answers.get(self._frame.prefix + self._step.id)

    @property
    def event(self) -> object:
        """What came for the step that waits."""
        return self._frame.scope.get("event")

    @property
    def issue(self) -> str:
        """The id of the issue that the run is about."""
        return self._walk.issue

    def holds(self, branch: int) -> bool:
        """Whether the condition of the branch holds now."""
        when = self._step.branches[branch].when
        return when is None or when.holds(self._frame.scope)


class Walk:
    """One run under way."""

    def __init__(
        self,
        clock: Clock,
        open_line: Callable[[TenantId], Line],
        plan: Plan,
        message: RunMessage,
        journal: Journal | None,
        *,
        answering: bool,
        frame_root: str,
        around: Surroundings,
        guard: Guard | None = None,
    ) -> None:
        self._clock, self._open_line, self._plan, self._message = clock, open_line, plan, message
        self._journal, self._answering, self._frame_root, self._around = journal, answering, frame_root, around
        self._guard, self._watch = guard, around.watch
        self.run = message.run
        state = message.state
        self._done: Paths[Any] = Paths(state.done)
        self._entered = Paths(state.entered)
        self._variables = Paths(state.variables)
        self._doubtful = set(state.attempting)
        self._settled = set(state.settled)  # of a run that was lost: unsafe calls of which it is decided what to do
        self._attempting: set[str] = set()
        self._waits = dict(state.waits)
        self._notes = dict(state.notes)
        self.answers = dict(state.answers)
        self._heard = dict(state.heard)
        self._call_back_key = b""
        self._positions: dict[str, tuple[Place, StepId]] = {}
        self._is_ahead = False  # an effect happened that no checkpoint knows of
        self._is_lost = False  # another conduit has the run
        self._saving = asyncio.Lock()
        self._saves = 0  # begun so far
        self._saved = 0  # the newest one that is safe
        self._event: dict[str, object] = {}
        self.book = StepBook(clock, message)
        self.answer: Answer | None = None
        self.failed: dict[StepId, tuple[object, CallAnswer | None]] = {}  # what failed steps were given, and who refused

    async def perform_all(self, document: object) -> None:
        """Perform the run's steps. `document`: the event's body."""
        message, flow = self._message, self._plan.published.flow
        if message.scope is None:
            self._event = trigger_scope(message.trigger, document, message.headers, message.query)
        else:
            self._event = dict(message.scope)
        scope = dict(self._event)
        scope["now"] = self._clock.now()
        scope["flow"] = {"id": flow.id, "name": flow.name, "version": message.version, "run": message.run}
        await self._borrow_key(self._plan)
        place = Place(flow.id, self._plan.reads_from, call_backs=self._plan.call_backs)
        await self._perform_steps(self._plan.steps, self._open_frame(place, scope, {}, "", ""), last=True)

    async def _borrow_key(self, plan: Plan) -> None:
        """Before a flow with call-back addresses: what they are made with. Raises UnavailableError."""
        if plan.call_backs and self._around.call_backs is not None and not self._call_back_key:
            self._call_back_key = await self._around.call_backs.key(self._message.tenant)

    @property
    def issue(self) -> str:
        """The id of the issue that the run is about; empty for none."""
        return self._message.issue or find_issue(self._event)

    def list_results(self) -> dict[str, object]:
        """What steps gave, as far as it is in memory: what a resumed run did not keep is not known to be null."""
        known = {
            path: result for path, result in self._done.items() if result is not None or path not in self._message.state.done
        }
        return {_name(path): result for path, result in known.items() if "[" not in _name(path) and CALL not in path}

    def now_milliseconds(self) -> int:
        """The time, UTC since 1970."""
        return self._clock.now_milliseconds()

    def hand_over(self) -> RunMessage:
        """Give what is needed to go on elsewhere."""
        state = RunState(
            done=dict(self._done),
            entered=dict(self._entered),
            variables=dict(self._variables),
            receipts=self.book.receipts(),
        )
        return msgspec.structs.replace(self._message, state=state)

    def mark(self, call: Call) -> Call:
        """Tell in a call how many runs have led to it."""
        if self._around.depth is None:
            return call
        headers = self._around.depth.add(call, self._message.tenant, self._message.depth + 1)
        return msgspec.structs.replace(call, headers=headers)

    async def mark_seen(self, flow: FlowId, path: str, key: str, days: int) -> bool | Failure:
        """Ask whether a key was seen. No effect: a run that asks again is told the same. A dry run marks nothing."""
        if self._message.trial is Trial.DRY_RUN:
            return False
        return await mark_seen(self._around.seen, self._message.tenant, flow, self.run, path, key, days)

    async def carry(self) -> tuple[RunMessage, tuple[Wait, ...]]:
        """Give what a run that waits must still hold, no more, and what it waits for.

        What it did before is made safe first; and a conduit that had the run earlier and wakes up can save nothing after that.
        """
        if self._journal is not None and (self._is_ahead or self._journal.has_saved):
            await self._save()
        state = msgspec.structs.replace(self._write_state(), parked=self._message.state.parked + 1)
        carried = self._write_message(state)
        return carried, tuple(wait for path, wait in self._waits.items() if path not in self.answers)

    def give_failed(self, failure: Failure, failed_step: str) -> RunMessage:
        """Give what a failed run must hold to go on from its failed step."""
        state = self._write_state()
        paths = [prefix + step for prefix, (_, step) in self._positions.items() if step == failed_step]
        state = msgspec.structs.replace(
            state,
            attempting=tuple(paths) if failure.code is FailureCode.IN_DOUBT else state.attempting,
            receipts=tuple(each for each in state.receipts if each.step != failed_step),
        )
        return self._write_message(state)

    def _write_message(self, state: RunState) -> RunMessage:
        return msgspec.structs.replace(
            self._message,
            body=b"",
            headers={},
            query={},
            scope=prune_event(self._event, self._reads().get("", _NO_READS).paths),
            body_bytes=len(self._message.body) or self._message.body_bytes,
            issue=self.issue,
            state=state,
        )

    async def prepare_call(self, step: CompiledStep, frame: Frame, effect: Effect) -> None:
        """Before a call: make safe what happened before, and for an unsafe call, that it is begun."""
        if self._is_lost:
            raise RunLostError
        if self._guard is not None and (reason := await self._guard()) is not None:
            raise EndOfRunError(Stop(reason), step.id)
        if effect is Effect.UNSAFE and self._message.is_redriven:
            self._expect_no_doubt(frame.prefix + step.id)
        if self._journal is not None and (self._is_ahead or effect is Effect.UNSAFE):
            if effect is Effect.UNSAFE:
                self._attempting.add(frame.prefix + step.id)
            await self._save()
        frame.has_acted = frame.has_acted or effect is not Effect.READ

    def _expect_no_doubt(self, path: str) -> None:
        """The run was lost: every unsafe call may have been made before. When it is first met, it is in doubt."""
        if path not in self._settled:
            self._settled.add(path)
            self._doubtful.add(path)
            raise DoubtError

    async def save_end(self, receipt: RunReceipt) -> None:
        """The run has ended: a conduit that gets it again has only the receipt to send."""
        if self._journal is not None and (self._is_ahead or self._journal.has_saved):
            await self._journal.save(RunState(receipt=receipt))

    async def _save(self) -> None:
        """Save how far the run is. Turns that come while a save is under way share the next: it knows what all of them did."""
        assert self._journal is not None  # noqa: S101 - asked by the callers
        wanted = self._saves + 1  # one that is under way was written before
        async with self._saving:
            if self._is_lost:
                raise RunLostError
            if self._saved >= wanted:
                return
            self._saves += 1
            number = self._saves
            self._is_ahead = False  # before the state is written: what ends while it is saved is ahead again
            try:
                await self._journal.save(self._write_state())
            except RunLostError:
                self._is_lost = True  # other turns make no further call either
                raise
            self._saved = number

    def _write_state(self) -> RunState:
        """What a run that stands where this one stands must still hold: no more."""
        reads = self._reads()
        return RunState(
            done=prune_results(self._done, reads),
            entered=dict(self._entered),
            variables={path: value for path, value in self._variables.items() if _is_read(path, reads)},
            receipts=self.book.receipts(),
            attempting=tuple(sorted(self._attempting | self._doubtful)),
            waits=dict(self._waits),
            notes=dict(self._notes),
            answers=dict(self.answers),
            heard=dict(self._heard),
            parked=self._message.state.parked,
            settled=tuple(sorted(self._settled)),
            started_at_milliseconds=self.book.started_at_milliseconds,
        )

    def _reads(self) -> dict[str, Reads]:
        """What is read from where the run stands on: of each flow that it stands in, by the root of its paths."""
        reads: dict[str, Reads] = {}
        for place, step in self._positions.values():
            reads[place.root] = reads.get(place.root, _NO_READS) | place.reads_from[step]
        return reads

    # ------------------------------------------------------------ frames

    def _open_frame(
        self, place: Place, scope: Mapping[str, object], results: Mapping[str, object], prefix: str, home: str
    ) -> Frame:
        """Make a frame, with what a resumed run has done in it already."""
        known = {**results, **{name: self._done[prefix + name] for name in self._done.list_own(prefix)}}
        variables = {name: self._variables[home + name] for name in self._variables.list_own(home)}
        if place.call_backs and self._around.call_backs is not None:
            make = self._around.call_backs.address
            key, tenant, run = self._call_back_key, self._message.tenant, self.run
            addresses = {step: make(key, tenant, run, prefix + step) for step in place.call_backs}
            variables = {"callBacks": addresses, **variables}
        return Frame(place, prefix, home, {**scope, **variables, "steps": known}, known, self._open_line(self._message.tenant))

    def _close(self, prefix: str) -> None:
        """Forget what was kept below a path."""
        for frame in [each for each in self._positions if each.startswith(prefix)]:
            del self._positions[frame]
        for kept in (self._done, self._entered, self._variables):
            kept.forget_below(prefix)

    # ------------------------------------------------------------ steps

    async def _perform_steps(self, steps: tuple[CompiledStep, ...], frame: Frame, *, last: bool) -> None:
        """Perform steps in order. `last`: nothing follows this block."""
        count = len(steps)
        for number, step in enumerate(steps, 1):
            path = frame.prefix + step.id
            if path not in self._done:
                await self._perform(step, frame, path, last=last and number == count)

    async def _perform(self, step: CompiledStep, frame: Frame, path: str, *, last: bool) -> None:
        self._positions[frame.prefix] = (frame.place, step.id)
        frame.line.start_step()
        started = self._clock.monotonic_seconds()
        if path in self._entered and step.kind.branches in {BranchRule.CONDITIONAL, BranchRule.NAMED}:
            outcome: Outcome = Enter(self._entered[path], self._done.get(f"{path}[result]"))
        elif path in self._entered and step.written.on_error is OnError.BRANCH:
            outcome = _read_failure(self._done[f"{path}[error]"])[0]  # a resumed run is in the step's branch
        else:
            outcome = await self._perform_itself(step, frame, path, started)
        if isinstance(outcome, Done):
            self._finish(step, frame, outcome.result, outcome.variables)
        elif isinstance(outcome, Enter):
            await self._enter(step, frame, path, outcome, last=last)
        elif isinstance(outcome, ForEach | Repeat | EnterAll | Try):
            result = await self._go_into(step, frame, path, outcome)
            self.book.extend(step, started, frame.place.within)
            self._finish(step, frame, result, {})
        elif isinstance(outcome, Failure) and step.written.on_error is OnError.CONTINUE:
            self._finish(step, frame, None, {})
        elif isinstance(outcome, Failure) and step.written.on_error is OnError.BRANCH:
            await self._perform_error_branch(step, frame, path, outcome, last=last)
        elif isinstance(outcome, Answer):
            self._finish(step, frame, {"status": outcome.status}, {})
            self.answer = self.answer or outcome
            if self._answering and not last:
                raise EndOfRunError(outcome, step.id)
        elif isinstance(outcome, Stop | Failure):
            raise EndOfRunError(outcome, step.id)

    async def _perform_itself(self, step: CompiledStep, frame: Frame, path: str, started: float) -> Outcome:
        """Perform the step without what stands in it, and note it."""
        self.book.reserve(step, frame.place.within)
        try:
            outcome = await self._try_as_told(step, frame, path, started)
        except WouldCallError as would:
            outcome, frame.skipped = Done(None), would.call
        if isinstance(outcome, Park):
            if self._message.trial is None:
                self._wait(step, path, outcome)
            frame.skipped, outcome = outcome, Done(None)
        self._forget_wait(path)
        if isinstance(outcome, EnterNamed):
            outcome = _find_branch(step, outcome)
        self._note(step, frame, path, started, outcome)
        if isinstance(outcome, PerformFlow):
            return await self._perform_flow(step, frame, path, outcome, started)
        return outcome

    def _note(self, step: CompiledStep, frame: Frame, path: str, started: float, outcome: Outcome) -> None:
        """Note how a step ended, and let go of what was kept for that."""
        self._attempting.discard(path)
        self._is_ahead = self._is_ahead or frame.has_acted
        frame.has_acted = False
        branch = outcome.branch if isinstance(outcome, Enter) and outcome.branch is not None else -1
        name = _name_outcome(outcome, frame)
        self.book.note(step, started, frame.line, name, branch, outcome, frame.history, frame.place.within)
        if isinstance(frame.skipped, Call):
            self.book.note_would(step, frame.skipped, frame.place.within)
        if self._watch is not None:
            self._watch.step_comes_to(path, outcome)
        if isinstance(outcome, Failure) and not frame.place.within:
            self.failed.setdefault(step.id, (frame.settings, frame.line.refused))
        frame.history, frame.settings, frame.skipped = (), None, None

    async def _enter(self, step: CompiledStep, frame: Frame, path: str, enter: Enter, *, last: bool) -> None:
        """Go into one branch; the step's result can be read from within it already."""
        if enter.branch is not None:
            self._entered[path] = enter.branch
            if enter.result is not None:
                self._done[f"{path}[result]"] = frame.results[step.id] = enter.result
            await self._perform_steps(step.branches[enter.branch].steps, frame, last=last)
        self._entered.forget(path)
        self._done.forget(f"{path}[result]")
        self._finish(step, frame, enter.result, {})

    def _forget_wait(self, path: str) -> None:
        self._waits.pop(path, None)
        self._notes.pop(path, None)
        self.answers.pop(path, None)
        self._heard.pop(path, None)

    def _wait(self, step: CompiledStep, path: str, park: Park) -> None:
        """Note what is waited for: the first time a run comes here says until when."""
        if self._journal is None:  # its caller still waits for an answer, and gets one: it was taken
            raise EndOfRunError(Answer(202, {"content-type": "application/json"}, b'{"status":"queued"}'), step.id)
        if path not in self._waits:
            self._waits[path] = Wait(
                path=path,
                step=step.id,
                kind=park.kind,
                due_milliseconds=park.due_milliseconds,
                trigger=park.trigger,
                issue=park.issue,
                rule=park.rule,
                name=name_mailbox(self.run, path) if park.kind in {WaitKind.CALL_BACK, WaitKind.EVENT} else "",
            )
            if park.note is not None:
                self._notes[path] = park.note
        raise ParkError

    def _finish(self, step: CompiledStep, frame: Frame, result: object, variables: Mapping[str, object]) -> None:
        self._done[frame.prefix + step.id] = frame.results[step.id] = result
        if self._watch is not None:
            self._watch.step_ends(frame.prefix + step.id, result)
        for name, value in variables.items():
            self._variables[frame.home + name] = frame.scope[name] = value

    async def _try_as_told(self, step: CompiledStep, frame: Frame, path: str, started: float) -> Outcome:
        """Try a step as often as it says."""
        retry = step.written.retry
        outcome = await self._attempt(step, frame, path)
        if isinstance(outcome, Failure):
            frame.history = (self.book.describe_attempt(started, 0.0, frame.line, outcome),)
        while retry is not None and frame.line.attempts < retry.attempts and self._may_help(retry, step, path, outcome):
            delay = _choose_delay(retry, outcome, f"{self.run}:{path}", frame.line.attempts)
            was_attempting = path in self._attempting
            self._attempting.discard(path)
            if was_attempting and self._journal is not None and delay > SAVE_BEFORE_SECONDS:
                await self._save()  # it is known how that try ended: a crash while waiting leaves no doubt
            await asyncio.sleep(delay)
            frame.line.attempts += 1
            frame.line.refused = None
            started = self._clock.monotonic_seconds()
            outcome = await self._attempt(step, frame, path)
            frame.history = (*frame.history, self.book.describe_attempt(started, delay, frame.line, outcome))
        return outcome

    def _may_help(self, retry: Retry, step: CompiledStep, path: str, outcome: Outcome) -> bool:
        """Whether another try may help, and harms nothing."""
        if not isinstance(outcome, Failure) or outcome.code.value not in {each.value for each in retry.on}:
            return False
        is_doubtful = path in self._attempting and outcome.code in {FailureCode.TIMEOUT, FailureCode.VENDOR_BROKEN}
        return not is_doubtful or step.written.on_doubt is OnDoubt.RETRY

    async def _attempt(self, step: CompiledStep, frame: Frame, path: str) -> Outcome:
        if path in self._doubtful:
            choice = self._choose_in_doubt(step, path)
            if choice is None:
                return Park(WaitKind.DOUBT, self._clock.now_milliseconds() + DOUBT_MILLISECONDS)
            self._doubtful.discard(path)
            if choice is OnDoubt.FAIL:
                return Failure(code=FailureCode.IN_DOUBT)
            if choice is OnDoubt.SKIP:
                return Done(None)
        if self._has_mail(path):
            return await self._hear(step, frame, path)
        try:
            return await self._work_out(step, frame)
        except DoubtError:
            return await self._attempt(step, frame, path)

    async def _work_out(self, step: CompiledStep, frame: Frame) -> Outcome:
        """Work out the step's settings and perform it."""
        limit: asyncio.Timeout | None = None
        try:
            frame.settings = rendered = step.settings.render(frame.scope)
            if self._watch is not None:
                self._watch.step_begins(frame.prefix + step.id, step.kind.name, rendered, frame.line)
            settings: Any = msgspec.convert(rendered, step.kind.settings, strict=False)
            if not step.written.timeout_seconds:
                return await step.kind.perform(settings, StepTools(self, step, frame))
            async with asyncio.timeout(step.written.timeout_seconds) as limit:
                return await step.kind.perform(settings, StepTools(self, step, frame))
        except TimeoutError:
            if limit is not None and limit.expired():
                return Failure(code=FailureCode.TIMEOUT, field="timeout_seconds")
            raise
        except EvaluationError as error:
            return Failure(code=FailureCode.TEMPLATE_FAILED, field="with", detail=error.code.value)
        except msgspec.ValidationError as error:
            return Failure(code=FailureCode.SETTING_INVALID, field=_find_field(error, step))
        except (RunLostError, EndOfRunError, DoubtError, WouldCallError):
            raise
        except Exception as error:  # noqa: BLE001 - the walk is where surprises become typed failures (style, rule 20)
            return Failure(code=FailureCode.INTERNAL, frame=_hash_frame(error, self._frame_root))

    def _has_mail(self, path: str) -> bool:
        answer, wait = self.answers.get(path), self._waits.get(path)
        return answer is not None and wait is not None and answer.end is WaitEnd.CALLED and bool(wait.name)

    async def _hear(self, step: CompiledStep, frame: Frame, path: str) -> Outcome:
        """Something came for a step that waits: look at each thing, in order, until one is what is waited for; else wait on."""
        wait = self._waits[path]
        if self._around.mail is not None:
            for number, document in await self._around.mail.read(
                self._message.tenant, wait.name, after=self._heard.get(path, 0)
            ):
                self._heard[path] = number
                frame.scope["event"] = document
                outcome = await self._work_out(step, frame)
                if not isinstance(outcome, Park):
                    return outcome
        frame.scope.pop("event", None)
        self.answers.pop(path)
        self._waits[path] = msgspec.structs.replace(wait, turn=wait.turn + 1)
        return Park(wait.kind, wait.due_milliseconds)

    def _choose_in_doubt(self, step: CompiledStep, path: str) -> OnDoubt | None:
        """What shall be done with a call that may have been made: as the step says, or as a person says; None: not said yet."""
        answer = self.answers.get(path)
        if step.written.on_doubt is not OnDoubt.ASK:
            return step.written.on_doubt
        if self._journal is None:
            return OnDoubt.FAIL
        if answer is None:
            return None
        return OnDoubt(answer.choice) if answer.choice in {OnDoubt.RETRY, OnDoubt.SKIP} else OnDoubt.FAIL

    # ------------------------------------------------------------ flows in flows

    async def _perform_flow(
        self, step: CompiledStep, frame: Frame, path: str, call: PerformFlow, started: float
    ) -> Done | Failure:
        """Perform another flow in a frame that sees nothing of this one; a resumed run performs the version that it began."""
        version = self._entered.get(f"{path}{CALL}", 0)
        called = find_called(self._around.shelf, self._message.tenant, call, frame.place.depth, version)
        outcome = called if isinstance(called, Failure) else await self._perform_called(step, frame, path, called)
        if isinstance(outcome, Done) or step.written.on_error is not OnError.FAIL:
            self._close(f"{path}{CALL}")  # else it stays, for a run that goes on from its failed step
        self.book.extend(step, started, frame.place.within, outcome if isinstance(outcome, Failure) else None)
        return outcome

    async def _perform_called(self, step: CompiledStep, frame: Frame, path: str, called: CalledFlow) -> Done | Failure:
        plan, root = called.plan, f"{path}{CALL}/"
        flow, version = plan.published.flow, plan.published.version
        self._entered[f"{path}{CALL}"] = version
        scope = {
            "inputs": called.inputs,
            "trigger": called.inputs,
            "now": frame.scope["now"],
            "flow": {"id": flow.id, "name": flow.name, "version": version, "run": self.run},
        }
        await self._borrow_key(plan)
        place = Place(
            flow.id,
            plan.reads_when_called,
            root,
            f"{frame.place.within}{step.id}/",
            frame.place.depth + 1,
            plan.call_backs,
        )
        inner = self._open_frame(place, scope, {}, root, root)
        try:
            await self._perform_steps(plan.steps, inner, last=False)
        except EndOfRunError as trouble:
            if isinstance(trouble.end, Failure):  # which step of it, and which field, its own receipt tells
                return msgspec.structs.replace(trouble.end, field="")
            if not isinstance(trouble.end, Stop) or trouble.end.reason is not None:
                raise
        try:
            return Done(plan.outputs.render(inner.scope))
        except EvaluationError as error:
            return Failure(code=FailureCode.TEMPLATE_FAILED, field="outputs", detail=error.code.value)

    # ------------------------------------------------------------ blocks

    async def _go_into(self, step: CompiledStep, frame: Frame, path: str, outcome: ForEach | Repeat | EnterAll | Try) -> object:
        if isinstance(outcome, Try):
            return await self._perform_try(step, frame, path)
        self._positions.pop(frame.prefix, None)  # what stands inside tells what is still read
        if isinstance(outcome, ForEach):
            return await self._perform_each(step, frame, path, outcome)
        if isinstance(outcome, Repeat):
            return await self._perform_repeat(step, frame, path, outcome)
        return await self._perform_parallel(step, frame, path)

    async def _perform_each(self, step: CompiledStep, frame: Frame, path: str, each: ForEach) -> object:
        steps = step.branches[0].steps
        waiting = iter(range(len(each.items)))
        troubles: list[EndOfRunError] = []
        parked: list[ParkError] = []

        async def take_turns() -> None:
            for number in waiting:
                if troubles:
                    return
                turn = f"{path}[{number}]"
                if turn in self._done:
                    continue
                scope = {**frame.scope, each.name: each.items[number], "index": number}
                inner = self._open_frame(frame.place, scope, frame.results, f"{turn}/", f"{turn}/")
                try:
                    await self._perform_steps(steps, inner, last=False)
                    ended = [inner.results.get(steps[-1].id), False]
                except ParkError as park:  # it keeps its place: with one turn at a time, none after it begins
                    parked.append(park)
                    return
                except EndOfRunError as trouble:
                    if not isinstance(trouble.end, Failure) or not each.goes_on:
                        troubles.append(trouble)
                        return
                    ended = [None, True]
                self._close(f"{turn}/")
                self._done[turn] = ended

        await _perform_together([take_turns() for _ in range(max(1, min(each.at_once, len(each.items))))])
        if troubles or parked:
            raise (troubles or parked)[0]
        turns = [self._done[f"{path}[{number}]"] for number in range(len(each.items))]
        self._close(f"{path}[")
        return {"results": [result for result, _ in turns], "count": len(turns), "failed": sum(failed for _, failed in turns)}

    async def _perform_repeat(self, step: CompiledStep, frame: Frame, path: str, repeat: Repeat) -> object:
        branch = step.branches[0]
        number = self._entered.get(path, -1)
        is_inside = number >= 0  # a resumed run is in the middle of a turn, which was begun with good reason
        while True:
            if not is_inside:
                number += 1
                if not self._holds(step, frame):
                    break
                if number >= repeat.limit:
                    raise EndOfRunError(Failure(code=FailureCode.RUN_TOO_LONG, detail="repeat_limit"), step.id)
                self._entered[path] = number
            is_inside = False
            turn = f"{path}[{number}]/"
            for inner_step in branch.steps:
                frame.results.pop(inner_step.id, None)  # a turn sees its own results only
            frame.results.update({name: self._done[turn + name] for name in self._done.list_own(turn)})
            inner = Frame(frame.place, turn, frame.home, frame.scope, frame.results, frame.line)
            await self._perform_steps(branch.steps, inner, last=False)
            self._close(turn)
        self._entered.forget(path)
        return {"count": number}

    def _holds(self, step: CompiledStep, frame: Frame) -> bool:
        when = step.branches[0].when
        try:
            return when is None or when.holds(frame.scope)
        except EvaluationError as error:
            failure = Failure(code=FailureCode.TEMPLATE_FAILED, field="branches", detail=error.code.value)
            raise EndOfRunError(failure, step.id) from None

    async def _perform_parallel(self, step: CompiledStep, frame: Frame, path: str) -> object:
        frames = [
            self._open_frame(frame.place, frame.scope, frame.results, f"{path}[{number}]/", f"{path}[{number}]/")
            for number in range(len(step.branches))
        ]
        troubles: list[EndOfRunError] = []
        parked: list[ParkError] = []

        async def go(branch: CompiledBranch, inner: Frame) -> None:
            try:
                await self._perform_steps(branch.steps, inner, last=False)
            except EndOfRunError as trouble:  # the others still end: a call that is under way is not cut off
                troubles.append(trouble)
            except ParkError as park:
                parked.append(park)

        await _perform_together([go(branch, inner) for branch, inner in zip(step.branches, frames, strict=True)])
        if troubles or parked:
            raise (troubles or parked)[0]
        for inner in frames:
            for name in list(self._done.list_own(inner.prefix)):
                self._done[frame.prefix + name] = frame.results[name] = self._done[inner.prefix + name]
            for name in list(self._variables.list_own(inner.home)):
                self._variables[frame.home + name] = frame.scope[name] = self._variables[inner.home + name]
        self._close(f"{path}[")
        return None

    async def _perform_error_branch(self, step: CompiledStep, frame: Frame, path: str, failure: Failure, *, last: bool) -> None:
        """The step failed and says what to do then; its result is null, as with `on_error: continue`."""
        outer = frame.scope.get("error")
        self._done[f"{path}[error]"] = frame.scope["error"] = _write_failure(failure, step.id)
        self._entered[path] = 0
        await self._perform_steps(step.branches[0].steps, frame, last=last)
        frame.scope["error"] = outer
        self._entered.forget(path)
        self._close(f"{path}[")
        self._finish(step, frame, None, {})

    def _forget_blocks(self, steps: tuple[CompiledStep, ...], frame: Frame) -> None:
        """Forget what blocks and called flows held that a failure has ended in the middle."""
        for step in steps:
            self._close(f"{frame.prefix}{step.id}[")
            for branch in step.branches:
                self._forget_blocks(branch.steps, frame)

    async def _perform_try(self, step: CompiledStep, frame: Frame, path: str) -> object:
        branches = {branch.name: branch.steps for branch in step.branches}
        phase = self._entered.get(path, TRY)
        error: Any = self._done.get(f"{path}[error]")
        pending: EndOfRunError | None = None
        if phase == TRY:
            try:
                await self._perform_steps(branches["try"], frame, last=False)
            except EndOfRunError as trouble:
                if isinstance(trouble.end, Answer):
                    raise  # not an end: the rest of this block is performed after the answer
                if not isinstance(trouble.end, Failure):
                    pending = trouble
                else:
                    error = _write_failure(trouble.end, trouble.step)
                    self._done[f"{path}[error]"] = error
                    self._entered[path] = phase = CATCH
                    self._forget_blocks(branches["try"], frame)
        frame.scope["error"] = error
        if phase == CATCH:
            try:
                await self._perform_steps(branches["catch"], frame, last=False)
            except EndOfRunError as trouble:
                if isinstance(trouble.end, Answer):
                    raise
                pending = trouble
                if isinstance(trouble.end, Failure):
                    self._done[f"{path}[pending]"] = _write_failure(trouble.end, trouble.step)
        if "finally" in branches:
            self._entered[path] = FINALLY
            kept: Any = self._done.get(f"{path}[pending]")
            if kept is not None and pending is None:
                pending = EndOfRunError(*_read_failure(kept))
            await self._perform_steps(branches["finally"], frame, last=False)
        if pending is not None:
            raise pending
        self._entered.forget(path)
        self._close(f"{path}[")
        return {"failed": error is not None, "error": error}


async def _perform_together(parts: list[Coroutine[Any, Any, None]]) -> None:
    """Wait for all; when the run is lost or its time is over, stop all."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _write_failure(failure: Failure, step: str) -> dict[str, Any]:
    """What smart values read as `error`."""
    return {**msgspec.to_builtins(failure), "step": step}


def _read_failure(error: Mapping[str, Any]) -> tuple[Failure, str]:
    facts = {name: value for name, value in error.items() if name != "step"}
    return msgspec.convert(facts, Failure), error["step"]


def _choose_delay(retry: Retry, outcome: Outcome, name: str, attempts: int) -> float:
    """Twice as long each time, give or take a third so that many runs do not come back at once; not before we are asked to."""
    chance = int.from_bytes(hashlib.sha256(f"{name}:{attempts}".encode()).digest()[:4], "big") / 2**32
    delay = float(retry.seconds * 2 ** (attempts - 1) * (0.67 + 0.66 * chance))
    asked = outcome.retry_after_seconds if isinstance(outcome, Failure) else 0.0
    return min(max(delay, asked), DELAY_MAX_SECONDS)


def _find_branch(step: CompiledStep, outcome: EnterNamed) -> Enter:
    numbers = [number for number, branch in enumerate(step.branches) if branch.name == outcome.name]
    return Enter(numbers[0] if numbers else None, outcome.result)


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _is_read(path: str, reads: Mapping[str, Reads]) -> bool:
    """Whether a variable is read later in its flow."""
    return _name(path).casefold() in reads.get(find_root(path), _NO_READS).roots


def _add_key(call: Call, name: str) -> Call:
    """Add the Idempotency-Key: the same one whenever and wherever this call of this run is made."""
    if any(header.lower() == "idempotency-key" for header, _ in call.headers):
        return call  # the author's own
    key = hashlib.sha256(name.encode()).hexdigest()[:32]
    return msgspec.structs.replace(call, headers=(*call.headers, ("Idempotency-Key", key)))


def _name_outcome(outcome: Outcome, frame: Frame) -> StepOutcome:
    if isinstance(outcome, Failure):
        return StepOutcome.FAILED
    if frame.skipped is not None:
        return StepOutcome.WOULD
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
