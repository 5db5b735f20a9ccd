"""How far a run is: its results, where it stands, what it waits for; saved as checkpoints, or carried away. Base of the walk.

After an effect, the next call waits until the effect's checkpoint is safe; an unsafe call waits until it is safe that it was
begun.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from blubees.engine.carry import find_issue, prune_event
from blubees.engine.frames import DoubtError, EndOfRunError, Frame, Guard, Line, ParkError, Place, name_of
from blubees.engine.journal import Journal, RunLostError
from blubees.engine.mail import name_mailbox
from blubees.engine.message import RunMessage, RunState
from blubees.engine.paths import CALL, Paths, find_root, prune_results
from blubees.engine.plan import CompiledStep, Plan, Reads
from blubees.engine.questions import bind_question
from blubees.engine.receipt import StepBook
from blubees.engine.seen import mark_seen
from blubees.engine.surroundings import Surroundings
from blubees.expressions.limits import NO_FIELDS, FieldIds
from blubees.expressions.running import LateScope
from blubees.model.call import Call, CallAnswer, Effect, Transfer, Transferred, is_jira_path
from blubees.model.failures import Failure, FailureCode
from blubees.model.field_names import FieldNames
from blubees.model.ids import FlowId, RunId, StepId, TenantId
from blubees.model.parking import Wait, WaitKind, name_connection
from blubees.model.receipt import RunReceipt, Trial
from blubees.ports import Clock
from blubees.steps.contract import (
    Answer,
    Park,
    Stop,
)

_NO_READS: Final = Reads()

Explained: TypeAlias = tuple[object, CallAnswer | None]  # what a step was given, and the answer that refused it


class Progress:
    """One run under way: what is known of it, and what of that is safe."""

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
        self._field_names: FieldNames | None = None  # of the site, once something was asked for by such a name
        self.book = StepBook(clock, message)
        self.answer: Answer | None = None
        self.explains = around.explains is not None and around.explains(message.tenant)
        self.refused: dict[StepId, Explained] = {}  # by step: its first failure
        self.given: dict[StepId, Explained] = {}  # by step, where all are explained: its first success

    @property
    def issue(self) -> str:
        """The id of the issue that the run is about; empty for none."""
        return self._message.issue or find_issue(self._event)

    def list_results(self) -> dict[str, object]:
        """What steps gave, as far as it is in memory: what a resumed run did not keep is not known to be null."""
        known = {
            path: result for path, result in self._done.items() if result is not None or path not in self._message.state.done
        }
        return {name_of(path): result for path, result in known.items() if "[" not in name_of(path) and CALL not in path}

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

    async def call_jira(self, line: Line, call: Call) -> CallAnswer | Failure:
        """Call Jira; where events of our own start flows, note at which issue, and how deep that is."""
        traces, tenant, depth = self._around.traces, self._message.tenant, self._message.depth + 1
        if traces is None:
            return await line.call_jira(call)
        await traces.note_before(tenant, call, depth)
        answer = await line.call_jira(call)
        await traces.note_after(tenant, call, answer, depth)
        return answer

    async def transfer(self, line: Line, transfer: Transfer) -> Transferred | Failure:
        """Pass a file; where it goes to an issue, as above; elsewhere, tell how many runs have led to it."""
        if not is_jira_path(transfer.target.url):
            return await line.transfer(msgspec.structs.replace(transfer, target=self.mark(transfer.target)))
        if self._around.traces is not None:
            await self._around.traces.note_before(self._message.tenant, transfer.target, self._message.depth + 1)
        return await line.transfer(transfer)

    async def mark_seen(self, flow: FlowId, path: str, key: str, days: int) -> bool | Failure:
        """Ask whether a key was seen. No effect: a run that asks again is told the same. A dry run marks nothing."""
        if self._message.trial is Trial.DRY_RUN:
            return False
        return await mark_seen(self._around.seen, self._message.tenant, flow, self.run, path, key, days)

    async def list_field_names(self) -> FieldNames | Failure:
        """Give the names of the fields of the tenant's Jira site."""
        if self._field_names is None:
            look_up = self._around.field_names
            found = FieldNames() if look_up is None else await look_up(self._message.tenant)
            if isinstance(found, Failure):
                return found
            self._field_names = found
        return self._field_names

    async def _learn_field_names(self, frame: Frame) -> Failure | None:
        """Have smart values of a frame find fields by their names."""
        found = await self.list_field_names()
        if isinstance(found, Failure):
            return found
        frame.scope.field_ids = found.by_name
        return None

    async def carry(self) -> tuple[RunMessage, tuple[Wait, ...]]:
        """Give what a run that waits must still hold, no more, and what it waits for.

        What it did before is made safe first; and a conduit that had the run earlier and wakes up can save nothing after that.
        """
        if self._journal is not None and (self._is_ahead or self._journal.has_saved):
            await self._save()
        if self._plan.names_fields:
            await self.list_field_names()  # to hold the fields that are read by name, and not all
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
            scope=prune_event(self._event, self._reads().get("", _NO_READS).paths, self._list_field_ids()),
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
        if effect is Effect.UNSAFE:
            await self._prepare_unsafe(frame.prefix + step.id, is_first=not frame.prefix and not self._is_ahead)
        elif self._is_ahead and self._journal is not None:
            await self._save()
        frame.has_acted = frame.has_acted or effect is not Effect.READ

    async def _prepare_unsafe(self, path: str, *, is_first: bool) -> None:
        """Have it known that the call is begun. `is_first`: no effect of the run's came before, and none goes on beside it."""
        if self._message.is_redriven:
            self._expect_no_doubt(path)
        if self._journal is None:
            return
        is_first = is_first and not self._journal.has_saved
        if is_first and self._journal.was_begun:
            self._journal.was_begun = False
            self._doubtful.add(path)
            raise DoubtError
        self._attempting.add(path)
        answered = self.answers.pop(path, None)  # should it be in doubt once more, it is asked once more
        if not is_first or answered is not None or not self._journal.begin():
            await self._save()

    def _expect_no_doubt(self, path: str) -> None:
        """The run was lost: every unsafe call may have been made before. When it is first met, it is in doubt."""
        if path not in self._settled:
            self._settled.add(path)
            self._doubtful.add(path)
            raise DoubtError

    async def save_end(self, receipt: RunReceipt) -> None:
        """The run has ended: a conduit that gets it again has only the receipt to send."""
        if self._journal is None or not (self._journal.keeps_end or receipt.failure is not None):
            return
        if self._is_ahead or self._journal.has_saved:
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

    def _list_field_ids(self) -> FieldIds | None:
        """By names, ids; None where fields are read by names that are not known."""
        if self._field_names is not None:
            return self._field_names.by_name
        return None if self._plan.names_fields else NO_FIELDS

    def _reads(self) -> dict[str, Reads]:
        """What is read from where the run stands on: of each flow that it stands in, by the root of its paths."""
        reads: dict[str, Reads] = {}
        for place, step in self._positions.values():
            reads[place.root] = reads.get(place.root, _NO_READS) | place.reads_from[step]
        return reads

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
        field_ids = NO_FIELDS if self._field_names is None else self._field_names.by_name
        names = LateScope({**scope, **variables, "steps": known}, place.late, field_ids)
        return Frame(place, prefix, home, names, known, self._open_line(self._message.tenant))

    def _close(self, prefix: str) -> None:
        """Forget what was kept below a path."""
        for frame in [each for each in self._positions if each.startswith(prefix)]:
            del self._positions[frame]
        for kept in (self._done, self._entered, self._variables):
            kept.forget_below(prefix)

    def _wait(self, step: CompiledStep, path: str, park: Park) -> None:
        """Note what is waited for: the first time a run comes here says until when."""
        if self._journal is None:  # its caller still waits for an answer, and gets one: it was taken
            raise EndOfRunError(Answer(202, {"content-type": "application/json"}, b'{"status":"queued"}'), step.id)
        if path not in self._waits:
            rule, note = park.rule, park.note
            if rule is not None and isinstance(note, str):
                asked = (self._message.tenant, self.run, path, str(self._message.state.parked + 1))
                rule, note = bind_question(self._around.question_key, asked, rule, note)
            self._waits[path] = Wait(
                path=path,
                step=step.id,
                kind=park.kind,
                due_milliseconds=park.due_milliseconds,
                trigger=park.trigger,
                issue=park.issue,
                rule=rule,
                name=_name_wait(self.run, path, park),
                connection=park.connection,
            )
            if note is not None:
                self._notes[path] = note
        raise ParkError

    def _forget_wait(self, path: str) -> None:
        self._waits.pop(path, None)
        self._notes.pop(path, None)
        self.answers.pop(path, None)
        self._heard.pop(path, None)


def _name_wait(run: RunId, path: str, park: Park) -> str:
    if park.kind is WaitKind.CONNECTION:
        return name_connection(park.connection)
    return name_mailbox(run, path) if park.kind in {WaitKind.CALL_BACK, WaitKind.EVENT} else ""


def _is_read(path: str, reads: Mapping[str, Reads]) -> bool:
    """Whether a variable is read later in its flow."""
    return name_of(path).casefold() in reads.get(find_root(path), _NO_READS).roots
