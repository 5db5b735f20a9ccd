"""Works off the queue: takes sealed runs, performs them, sends receipts, lets the broker forget them.

Started by main/conduit.py.
The order is effect, receipt, finish: a run is never forgotten before its receipt is in the broker. Runs that this process
holds are kept alive by heartbeats; when it dies, another takes them after the take-over time.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

import msgspec

from blubees.engine.cancelled import CancelledRuns
from blubees.engine.error_flow import ErrorFlows
from blubees.engine.frames import Guard
from blubees.engine.gate import Gate, Visit
from blubees.engine.journal import Journal, RunLostError
from blubees.engine.launch import NO_REFERENCE, describe_accepted
from blubees.engine.message import RunMessage, open_run
from blubees.engine.pace import Pace
from blubees.engine.park import Parker
from blubees.engine.plan import Plan, PlanShelf
from blubees.engine.receipt import StepBook, describe_run
from blubees.engine.replay import ReplayDesk
from blubees.engine.runner import Answered, Ended, Parked, Runner
from blubees.engine.unkept import Unkept
from blubees.expressions.errors import EvaluationError
from blubees.model.errors import BluBeesError, TamperedError, UnavailableError
from blubees.model.failures import Failure, FailureCode
from blubees.model.receipt import Receipt, RunOutcome, RunReceipt, StopReason
from blubees.ports import CheckpointStore, Clock, Events, Finishable, Lane, ReceiptBox, RunQueue, Stand, TakenRun
from blubees.vault.seal import Sealer

RUNS_AT_ONCE: Final = 13_824  # in one conduit; docs/decisions/0004-size-limits.md
BYTES_AT_ONCE: Final = 100_663_296  # of sealed runs: what a run holds in memory grows with its event
BULK_SHARE: Final = 0.75  # of RUNS_AT_ONCE: the rest stays free for the prompt lane
HEARTBEAT_SECONDS: Final = 4.0  # two in the broker's take-over time of 9 s
KEPT_AT_A_TIME: Final = 100
RECEIPT_GATHER_SECONDS: Final = 0.01  # one message for many runs, and little time in which their end is not yet told
RECEIPTS_AT_ONCE: Final = 256
PLAN_WAIT_DELIVERIES: Final = 5  # a plan that is on its way arrives before this many hand-backs
RETRY_SECONDS: Final = 1.0
KEPT_SECONDS: Final = 1.0  # between two looks at what is in the database


class Receipts:
    """Gathers receipts and sends them in batches; each may carry what to do once the broker has it.

    What was sent is held until it is in the database, and sent again when the brokers lost it.
    """

    def __init__(self, box: ReceiptBox, events: Events) -> None:
        self._box = box
        self._events = events
        self._waiting: asyncio.Queue[tuple[Receipt, Finishable | None]] = asyncio.Queue()
        self._unkept = Unkept()

    def add(self, receipt: Receipt, taken: Finishable | None = None) -> None:
        """Send this one soon, then finish `taken`."""
        self._waiting.put_nowait((receipt, taken))

    async def send_forever(self) -> None:
        """Send until cancelled; what the broker does not take, or loses, is sent again."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send_what_waits())
            group.create_task(self._send_what_was_lost())

    async def _send_what_was_lost(self) -> None:
        while True:
            await asyncio.sleep(KEPT_SECONDS)
            if not len(self._unkept):
                continue
            try:
                lost = self._unkept.settle(await self._box.kept())
            except BluBeesError:
                continue  # it is asked again
            if lost:
                self._events("receipts_sent_again", count=len(lost))
            for receipt in lost:
                self.add(receipt)

    async def _send_what_waits(self) -> None:
        while True:
            batch = [await self._waiting.get()]
            await asyncio.sleep(RECEIPT_GATHER_SECONDS)
            while len(batch) < RECEIPTS_AT_ONCE and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            await self._send(batch)
            for _ in batch:
                self._waiting.task_done()

    async def drain(self) -> None:
        """Wait until all that was added is sent."""
        await self._waiting.join()

    async def _send(self, batch: list[tuple[Receipt, Finishable | None]]) -> None:
        receipts = [receipt for receipt, _ in batch]
        stand: Stand | None = None
        while stand is None:
            try:
                stand = await self._box.send(receipts)
            except BluBeesError:
                self._events("receipts_waiting", count=len(receipts))
                await asyncio.sleep(RETRY_SECONDS)
        let_go = self._unkept.note(stand, receipts)
        if let_go:
            self._events("receipts_let_go", count=let_go)
        await asyncio.gather(*(taken.finish() for _, taken in batch if taken is not None))


class _PerformedRun:
    """A run whose receipt is on its way: finishing it forgets its checkpoints too, once the run surely does not come again."""

    __slots__ = ("_journal", "_taken")

    def __init__(self, taken: TakenRun, journal: Journal) -> None:
        self._taken, self._journal = taken, journal

    async def finish(self) -> None:
        if await self._taken.finish():
            await self._journal.drop()


class _LaneTaker:
    """The worker, as one lane of the queue sees it."""

    def __init__(self, worker: "Worker", limit: int, pace: Pace | None = None) -> None:
        self._worker, self._limit, self._pace = worker, limit, pace

    def room(self) -> int:
        if not self._worker.has_bytes_left(self._limit / RUNS_AT_ONCE):
            return 0
        left = self._limit - self._worker.held
        return left if self._pace is None else min(left, self._pace.count())

    def take(self, run: TakenRun) -> None:
        if self._pace is not None:
            self._pace.spend()
        self._worker.hold(run)

    async def wait_for_room(self) -> None:
        if self._pace is not None and self._pace.count() < 1:
            await self._pace.wait_for_count()
        else:
            await self._worker.wait_for_room()


class Worker:
    """Takes runs and performs them, many at a time."""

    def __init__(
        self,
        queue: RunQueue,
        checkpoints: CheckpointStore,
        shelf: PlanShelf,
        runner: Runner,
        receipts: Receipts,
        sealer: Sealer,
        clock: Clock,
        events: Events,
        *,
        parker: Parker,
        refused: Callable[[], None],
        gate: Gate | None = None,
        error_flows: ErrorFlows | None = None,
        cancelled: CancelledRuns | None = None,
        replays: ReplayDesk | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._pace = pace or Pace(clock)
        self._cancelled, self._replays = cancelled or CancelledRuns(), replays
        self._gate, self._error_flows = gate, error_flows
        self._queue, self._checkpoints, self._shelf = queue, checkpoints, shelf
        self._runner, self._receipts, self._parker = runner, receipts, parker
        self._sealer, self._clock, self._events, self._refused = sealer, clock, events, refused
        self._held: dict[asyncio.Task[None], TakenRun] = {}
        self._held_bytes = 0
        self._room = asyncio.Event()
        self._stopping = False

    @property
    def held(self) -> int:
        """Runs under way."""
        return len(self._held)

    def has_bytes_left(self, share: float) -> bool:
        """Whether a lane with this share of all places may take another run."""
        return self._held_bytes < BYTES_AT_ONCE * share

    async def work_forever(self) -> None:
        """Take and perform until stop() is called."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._supply_forever(Lane.PROMPT, RUNS_AT_ONCE))
            group.create_task(self._supply_forever(Lane.BULK, int(RUNS_AT_ONCE * BULK_SHARE)))
            group.create_task(self._keep_forever())

    async def stop(self, grace_seconds: float) -> None:
        """Take no more; finish what is held, and hand back what is not finished in time."""
        self._stopping = True  # what comes on open orders is handed back at once
        if self._held:
            await asyncio.wait(self._held, timeout=grace_seconds)
        unfinished = dict(self._held)
        for task in unfinished:
            task.cancel()
        if unfinished:
            await asyncio.wait(unfinished)
        for taken in unfinished.values():
            await taken.hand_back()

    def hold(self, taken: TakenRun) -> None:
        """Hold a run, and perform it."""
        task = asyncio.create_task(self._decline(taken) if self._stopping else self._perform(taken))
        self._held[task] = taken
        self._held_bytes += len(taken.sealed)
        task.add_done_callback(self._forget)

    async def wait_for_room(self) -> None:
        """Return when a run was finished."""
        self._room.clear()
        await self._room.wait()

    async def _supply_forever(self, lane: Lane, limit: int) -> None:
        while not self._stopping:
            try:
                await self._queue.supply(lane, _LaneTaker(self, limit, self._pace if lane is Lane.BULK else None))
            except BluBeesError:
                self._events("queue_unavailable", lane=lane.value)
                await asyncio.sleep(RETRY_SECONDS)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._held_bytes -= len(self._held.pop(task).sealed)
        self._room.set()
        if not task.cancelled() and task.exception() is not None:
            self._events("run_not_performed")  # it stays unfinished: the broker gives it to another

    async def _keep_forever(self) -> None:
        while not self._stopping:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            for number, taken in enumerate(list(self._held.values()), 1):
                await taken.keep()
                if number % KEPT_AT_A_TIME == 0:
                    await asyncio.sleep(0)  # ten thousand in one go would keep callers waiting

    async def _open(self, taken: TakenRun) -> tuple[RunMessage, Plan] | None:
        """Open a run and find its plan; None when that can't be, and all is done about it."""
        try:
            message = open_run(taken.tenant, taken.sealed, self._sealer)
        except TamperedError:
            self._refused()
            self._events("run_refused", tenant=taken.tenant)
            await taken.finish()
            return None
        plan = self._shelf.get(message.tenant, message.flow, message.version)
        if plan is None:
            await self._wait_for_plan(taken, message)
            return None
        return message, plan

    async def _perform(self, taken: TakenRun) -> None:
        opened = await self._open(taken)
        if opened is None:
            return
        message, plan = opened
        journal = self._open_journal(taken, message, plan)
        try:
            if taken.deliveries > 1:
                await self._take_over(message, plan, journal)
            receipt = message.state.receipt
            if receipt is None and self._cancelled.has(message.tenant, message.run):
                receipt = self._describe(message, taken, RunOutcome.CANCELLED, reason=StopReason.CANCELLED)
            visit = self._visit(plan, message)
            answer = await visit.enter(taken.deliveries) if visit is not None and receipt is None else None
            if isinstance(answer, StopReason):
                receipt = self._describe(message, taken, RunOutcome.STOPPED, reason=answer)
                visit = None  # it has no slot to give back
            elif answer is not None:
                await taken.hand_back(answer)
                return
            end: Ended | Answered | Parked | None = None
            if receipt is None:
                end = await self._runner.perform(
                    plan,
                    message,
                    journal=journal,
                    deliveries=taken.deliveries,
                    guard=self._guard(visit, message),
                )
            if visit is not None:
                await visit.leave()  # before it is parked: once it is, it may be woken and pass the gate elsewhere
            if end is not None:
                receipt = await self._see_to(end, taken, message, journal)
        except EvaluationError as error:
            failure = Failure(code=FailureCode.TEMPLATE_FAILED, field="runs.key", detail=error.code.value)
            receipt = self._describe(message, taken, RunOutcome.FAILED, failure)
        except RunLostError:
            self._events("run_lost_to_another", tenant=taken.tenant)
            return
        except UnavailableError as error:
            await self._hand_back(error, taken, message, journal)
            return
        if receipt is not None and await self._start_error_flow(plan, message, receipt, taken):
            self._receipts.add(receipt, _PerformedRun(taken, journal))

    async def _take_over(self, message: RunMessage, plan: Plan, journal: Journal) -> None:
        saved = await journal.load()
        message.state = saved or message.state
        journal.was_begun = saved is None and _is_held_by_one(message, plan)
        # whoever accepted it may have died before it told of it
        self._receipts.add(describe_accepted(message, await self._queue.epoch(), NO_REFERENCE))

    def _open_journal(self, taken: TakenRun, message: RunMessage, plan: Plan) -> Journal:
        return Journal(
            self._checkpoints,
            self._sealer,
            self._clock,
            message,
            epoch=taken.epoch,
            is_first=taken.deliveries == 1 and _is_held_by_one(message, plan),
            keeps_end=bool(plan.published.flow.error_flow) or not taken.is_surely_finished,
        )

    async def _hand_back(self, error: UnavailableError, taken: TakenRun, message: RunMessage, journal: Journal) -> None:
        if taken.deliveries == 1 and not journal.has_begun:
            await self._leave_untouched(journal, message)
        await taken.hand_back(error.retry_after_seconds or RETRY_SECONDS)

    async def _leave_untouched(self, journal: Journal, message: RunMessage) -> None:
        """Tell whoever gets the run next that we have begun no call; untold, its first one, if it is unsafe, is in doubt."""
        if not journal.has_saved:
            with contextlib.suppress(UnavailableError, RunLostError):
                await journal.save(message.state)

    async def _decline(self, taken: TakenRun) -> None:
        """Hand back a run that came while we stop."""
        with contextlib.suppress(TamperedError, UnavailableError):
            message = open_run(taken.tenant, taken.sealed, self._sealer)
            journal = Journal(self._checkpoints, self._sealer, self._clock, message, epoch=taken.epoch)
            if taken.deliveries == 1:
                await self._leave_untouched(journal, message)
        await taken.hand_back()

    async def _start_error_flow(self, plan: Plan, message: RunMessage, receipt: RunReceipt, taken: TakenRun) -> bool:
        """Before the run is forgotten; where that can't be now, the run comes again, and has only this left to do."""
        if self._error_flows is None or receipt.failure is None or not plan.published.flow.error_flow:
            return True
        try:
            if await self._error_flows.start(plan, message, receipt):
                return True
        except UnavailableError:
            pass
        await taken.hand_back(RETRY_SECONDS)
        return False

    def _visit(self, plan: Plan, message: RunMessage) -> Visit | None:
        """A run whose flow says how its runs stand to each other has a gate to pass, also when it was parked and wakes up."""
        if self._gate is None or plan.published.flow.runs is None:
            return None
        return self._gate.visit(plan, message)

    async def _see_to(
        self, end: Ended | Answered | Parked, taken: TakenRun, message: RunMessage, journal: Journal
    ) -> RunReceipt | None:
        """Give the receipt of a run that has ended, and park one that waits: then it leaves this process without one."""
        if isinstance(end, Parked) and self._cancelled.has(message.tenant, message.run):
            return self._describe(end.message, taken, RunOutcome.CANCELLED, reason=StopReason.CANCELLED)
        if isinstance(end, Parked):
            failure = await self._parker.park(end.message, end.waits)
            if failure is not None:
                return end.fail(failure)
            await taken.finish()
            await journal.drop()
            return None
        if isinstance(end, Ended) and end.failed is not None and self._replays is not None:
            kept_until = await self._replays.keep(end.failed)
            return msgspec.structs.replace(end.receipt, kept_until_milliseconds=kept_until)
        return end.receipt if isinstance(end, Ended) else None

    def _guard(self, visit: Visit | None, message: RunMessage) -> Guard:
        """What is asked before each call of a run: whether it was cancelled, or has to make way."""

        async def check() -> StopReason | None:
            if self._cancelled.has(message.tenant, message.run):
                return StopReason.CANCELLED
            return await visit.check() if visit is not None else None

        return check

    async def _wait_for_plan(self, taken: TakenRun, message: RunMessage) -> None:
        if taken.deliveries < PLAN_WAIT_DELIVERIES:
            await asyncio.sleep(RETRY_SECONDS)
            await self._decline(taken)
            return
        if self._gate is not None:
            try:
                await self._gate.let_out(message.tenant, message.run)
            except UnavailableError:
                await taken.hand_back(RETRY_SECONDS)
                return
        failure = Failure(code=FailureCode.PLAN_MISSING)
        self._receipts.add(self._describe(message, taken, RunOutcome.FAILED, failure), taken)

    def _describe(
        self,
        message: RunMessage,
        taken: TakenRun,
        outcome: RunOutcome,
        failure: Failure | None = None,
        reason: StopReason | None = None,
    ) -> RunReceipt:
        """Describe a run that was not performed."""
        book = StepBook(self._clock, message)
        return describe_run(message, book, outcome, failure, deliveries=taken.deliveries, failed_step="", reason=reason)


def _is_held_by_one(message: RunMessage, plan: Plan) -> bool:
    """Whether a first delivery means that nobody else has the run, and a later one that its first call may have been begun.

    What an order launched may stand in the queue twice; a run with a gate to pass may have been handed back from it.
    """
    is_launched_once = not (message.relaunches or message.retries or message.is_redriven or message.state.parked)
    return is_launched_once and plan.published.flow.runs is None
