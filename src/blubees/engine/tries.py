"""Tries a step: works out its settings, performs it, again if that may help, and asks what to do in doubt. Part of the walk."""

import asyncio
import hashlib
from typing import Final

import msgspec

from blubees.engine.frames import DoubtError, EndOfRunError, Frame
from blubees.engine.journal import RunLostError
from blubees.engine.plan import CompiledStep
from blubees.engine.progress import Progress
from blubees.expressions.errors import EvaluationError
from blubees.model.call import Call, CallAnswer, Effect, Transfer, Transferred, WouldCallError
from blubees.model.connection import LeaseRefusal, Use
from blubees.model.failures import Failure, FailureCode
from blubees.model.field_names import FieldNames
from blubees.model.flow import OnDoubt, Retry
from blubees.model.parking import Answered, WaitEnd, WaitKind, name_connection
from blubees.steps.contract import (
    Done,
    Outcome,
    Park,
)

DELAY_MAX_SECONDS: Final = 300.0
SAVE_BEFORE_SECONDS: Final = 1.0
HOLD_MILLISECONDS: Final = 3_600_000
HOLD_TURNS: Final = 720  # of an hour: 30 days, as for a doubt
DOUBT_MILLISECONDS: Final = 30 * 86_400_000  # a person has that long to say what shall be done; then the run fails


class StepTools:
    """The tools of one step: calls, and the conditions of its branches."""

    __slots__ = ("_calls", "_frame", "_step", "_walk", "branch_count")

    def __init__(self, walk: Progress, step: CompiledStep, frame: Frame) -> None:
        self._walk, self._step, self._frame = walk, step, frame
        self._calls = 0
        self.branch_count = len(step.branches)

    async def call(self, call: Call) -> CallAnswer | Failure:
        """Call a third party."""
        self._calls += 1
        if call.effect is Effect.KEYED:
            call = _add_key(call, f"{self._walk.run}:{self._frame.prefix}{self._step.id}:{self._calls}")
        await self._walk.prepare_call(self._step, self._frame, call.effect)
        return await self._frame.line.call(self._name_use(self._walk.mark(call)))

    async def call_jira(self, call: Call) -> CallAnswer | Failure:
        """Call the tenant's Jira."""
        await self._walk.prepare_call(self._step, self._frame, call.effect)
        return await self._walk.call_jira(self._frame.line, call)

    async def transfer(self, transfer: Transfer) -> Transferred | Failure:
        """Pass a file from one third party to another: what it does is what its target does."""
        target = transfer.target
        if target.effect is Effect.KEYED:
            self._calls += 1
            target = _add_key(target, f"{self._walk.run}:{self._frame.prefix}{self._step.id}:{self._calls}")
        await self._walk.prepare_call(self._step, self._frame, target.effect)
        sides = {"source": self._name_use(transfer.source), "target": self._name_use(target)}
        return await self._walk.transfer(self._frame.line, msgspec.structs.replace(transfer, **sides))

    def _name_use(self, call: Call) -> Call:
        """Say what a connection is used for."""
        if not call.connection:
            return call
        place = self._frame.prefix + self._step.id
        return msgspec.structs.replace(call, use=Use(flow=self._frame.place.flow, run=self._walk.run, step=place))

    async def list_field_names(self) -> FieldNames | Failure:
        """Give the names of the fields of the tenant's Jira site."""
        return await self._walk.list_field_names()

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

    def has_branch(self, name: str) -> bool:
        """Whether the step has a branch of this name."""
        return any(branch.name == name for branch in self._step.branches)

    def holds(self, branch: int) -> bool:
        """Whether the condition of the branch holds now."""
        when = self._step.branches[branch].when
        return when is None or when.holds(self._frame.scope)


class Tries(Progress):
    """A run whose steps can be tried."""

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
            if self._journal is not None and self._journal.may_be_lost:
                await self._save()  # the process may have stood still, and another have the run: then we call no more
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
            outcome = await self._work_out(step, frame)
        except DoubtError:
            return await self._attempt(step, frame, path)
        return self._hold(path, frame, outcome) if _is_unauthorised(outcome) else outcome

    def _hold(self, path: str, frame: Frame, failure: Outcome) -> Outcome:
        """The connection has no grant that lives: no call was made. Wait until a person has said yes, then begin the step anew.

        The run looks again each hour, should it not hear of that, and gives up after 30 days.
        """
        connection, wait = frame.settings.get("connection") if isinstance(frame.settings, dict) else None, self._waits.get(path)
        turn = wait.turn + 1 if wait is not None else 0
        if self._message.trial is not None or not isinstance(connection, str) or turn >= HOLD_TURNS:
            return failure
        self._attempting.discard(path)
        due = self._clock.now_milliseconds() + HOLD_MILLISECONDS
        if wait is not None:
            self.answers.pop(path, None)
            name = name_connection(connection)
            self._waits[path] = msgspec.structs.replace(
                wait, kind=WaitKind.CONNECTION, connection=connection, name=name, turn=turn, due_milliseconds=due
            )
        return Park(WaitKind.CONNECTION, due, connection=connection)

    async def _work_out(self, step: CompiledStep, frame: Frame) -> Outcome:
        """Work out the step's settings and perform it."""
        limit: asyncio.Timeout | None = None
        if step.names_fields and (trouble := await self._learn_field_names(frame)) is not None:
            return trouble
        try:
            frame.settings = rendered = step.settings.render(frame.scope)
            if self._watch is not None:
                self._watch.step_begins(frame.prefix + step.id, step.kind.name, rendered, frame.line)
            settings = step.read(rendered)
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


def _is_unauthorised(outcome: Outcome) -> bool:
    if not isinstance(outcome, Failure) or outcome.code is not FailureCode.CREDENTIAL_REFUSED:
        return False
    return outcome.detail in {LeaseRefusal.NO_GRANT.value, LeaseRefusal.GRANT_DEAD.value}


def _choose_delay(retry: Retry, outcome: Outcome, name: str, attempts: int) -> float:
    """Twice as long each time, give or take a third so that many runs do not come back at once; not before we are asked to."""
    chance = int.from_bytes(hashlib.sha256(f"{name}:{attempts}".encode()).digest()[:4], "big") / 2**32
    delay = float(retry.seconds * 2 ** (attempts - 1) * (0.67 + 0.66 * chance))
    asked = outcome.retry_after_seconds if isinstance(outcome, Failure) else 0.0
    return min(max(delay, asked), DELAY_MAX_SECONDS)


def _add_key(call: Call, name: str) -> Call:
    """Add the Idempotency-Key: the same one whenever and wherever this call of this run is made."""
    if any(header.lower() == call.key_header.lower() for header, _ in call.headers):
        return call  # the author's own
    key = hashlib.sha256(name.encode()).hexdigest()[:32]
    return msgspec.structs.replace(call, headers=(*call.headers, (call.key_header, key)))


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
