"""Goes into blocks: loops, branches at a time, try and catch, called flows. Part of the walk.

Turns of `each` and branches of `parallel` have a frame of their own: what they set is theirs. `choose`, `try` and `repeat`
share the frame they stand in. A resumed run enters a block where it was left.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

import msgspec

from blubees.engine.calls import CalledFlow, find_called
from blubees.engine.frames import EndOfRunError, Frame, ParkError, Place
from blubees.engine.inputs import convert_outputs
from blubees.engine.paths import CALL
from blubees.engine.plan import CompiledBranch, CompiledStep, Plan
from blubees.engine.tries import Tries
from blubees.expressions.errors import EvaluationError
from blubees.model.failures import Failure, FailureCode
from blubees.model.flow import OnError
from blubees.steps.contract import (
    Answer,
    Done,
    EnterAll,
    ForEach,
    PerformFlow,
    Repeat,
    Stop,
    Try,
)

TRY, CATCH, FINALLY = range(3)


class Blocks(Tries):
    """A run that can go into blocks."""

    async def _perform_steps(self, steps: tuple[CompiledStep, ...], frame: Frame, *, last: bool) -> None:
        """Perform steps in order (engine/walk.py). `last`: nothing follows this block."""
        raise NotImplementedError

    def _finish(self, step: CompiledStep, frame: Frame, result: object, variables: Mapping[str, object]) -> None:
        self._done[frame.prefix + step.id] = frame.results[step.id] = result
        if self._watch is not None:
            self._watch.step_ends(frame.prefix + step.id, result)
        for name, value in variables.items():
            self._variables[frame.home + name] = frame.scope[name] = value

    async def _borrow_key(self, plan: Plan) -> None:
        """Before a flow with call-back addresses: what they are made with. Raises UnavailableError."""
        if plan.call_backs and self._around.call_backs is not None and not self._call_back_key:
            self._call_back_key = await self._around.call_backs.key(self._message.tenant)

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
            plan.late,
        )
        inner = self._open_frame(place, scope, {}, root, root)
        try:
            await self._perform_steps(plan.steps, inner, last=False)
        except EndOfRunError as trouble:
            if isinstance(trouble.end, Failure):  # which step of it, and which field, its own receipt tells
                return msgspec.structs.replace(trouble.end, field="")
            if not isinstance(trouble.end, Stop) or trouble.end.reason is not None:
                raise
        if plan.outputs_name_fields and (unknown := await self._learn_field_names(inner)) is not None:
            return unknown
        try:
            given = convert_outputs(plan.output_types, plan.outputs.render(inner.scope))
        except EvaluationError as error:
            return Failure(code=FailureCode.TEMPLATE_FAILED, field="outputs", detail=error.code.value)
        return given if isinstance(given, Failure) else Done(given)

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
                is_first_until = repeat.is_until and number == 0
                if not is_first_until and self._holds(step, frame) is repeat.is_until:
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
                pending = EndOfRunError(*read_failure(kept))
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


def read_failure(error: Mapping[str, Any]) -> tuple[Failure, str]:
    """Read what a failure was kept as: (the failure, the step)."""
    facts = {name: value for name, value in error.items() if name != "step"}
    return msgspec.convert(facts, Failure), error["step"]
