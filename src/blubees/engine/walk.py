"""Walks the steps of one run: keeps results in memory, goes into blocks, saves how far it is. Made by engine/runner.py.

A walk can be resumed: steps whose result is known are passed over, and a block is entered where it was left. After an effect,
the next call waits until the effect's checkpoint is safe; an unsafe call waits until it is safe that it was begun.

Results are kept by path: `loop[3]/post` is the step `post` in the fourth turn of `loop`. Turns of `each` and branches of
`parallel` have a frame of their own: what they set is theirs. `choose`, `try` and `repeat` share the frame they stand in.
"""

from blubees.engine.blocks import Blocks, read_failure
from blubees.engine.frames import EndOfRunError, Frame, Place
from blubees.engine.paths import RESULT
from blubees.engine.plan import CompiledStep
from blubees.engine.scope import trigger_scope
from blubees.model.call import Call, WouldCallError
from blubees.model.failures import Failure
from blubees.model.flow import OnError
from blubees.model.receipt import StepOutcome
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


class Walk(Blocks):
    """One run under way, step by step."""

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
        place = Place(flow.id, self._plan.reads_from, call_backs=self._plan.call_backs, late=self._plan.late)
        await self._perform_steps(self._plan.steps, self._open_frame(place, scope, {}, "", ""), last=True)

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
            outcome: Outcome = Enter(self._entered[path], self._done.get(path + RESULT))
        elif path in self._entered and step.written.on_error is OnError.BRANCH:
            outcome = read_failure(self._done[f"{path}[error]"])[0]  # a resumed run is in the step's branch
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
            self.refused.setdefault(step.id, (frame.settings, frame.line.refused))
        elif self.explains and not frame.place.within:
            self.given.setdefault(step.id, (frame.settings, None))
        frame.history, frame.settings, frame.skipped = (), None, None

    async def _enter(self, step: CompiledStep, frame: Frame, path: str, enter: Enter, *, last: bool) -> None:
        """Go into one branch; the step's result can be read from within it already."""
        if enter.branch is not None:
            self._entered[path] = enter.branch
            if enter.result is not None:
                self._done[path + RESULT] = frame.results[step.id] = enter.result
            await self._perform_steps(step.branches[enter.branch].steps, frame, last=last)
        self._entered.forget(path)
        self._done.forget(path + RESULT)
        self._finish(step, frame, enter.result, {})


def _find_branch(step: CompiledStep, outcome: EnterNamed) -> Enter:
    numbers = [number for number, branch in enumerate(step.branches) if branch.name == outcome.name]
    return Enter(numbers[0] if numbers else None, outcome.result)


def _name_outcome(outcome: Outcome, frame: Frame) -> StepOutcome:
    if isinstance(outcome, Failure):
        return StepOutcome.FAILED
    if frame.skipped is not None:
        return StepOutcome.WOULD
    return StepOutcome.STOPPED if isinstance(outcome, Stop) else StepOutcome.DONE
