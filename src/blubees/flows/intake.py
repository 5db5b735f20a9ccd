"""The intake: an authenticated event becomes runs, or the flow's own answer. Called by doors/forge_events and doors/webhooks.

Flows without a `respond` step are launched into the queue. A flow that answers is performed at once, in memory, while its
caller waits: until it answers, the caller has no 2xx, so a crash loses nothing that was promised; steps after the answer
go through the queue before the answer is given.
"""

import contextlib
from collections import Counter
from typing import Final

from blubees.connectors.field_names import LookUp
from blubees.engine.depth import DEPTH_MAX
from blubees.engine.error_flow import ErrorFlows
from blubees.engine.launch import Launcher
from blubees.engine.message import RunMessage
from blubees.engine.plan import Plan, PlanShelf
from blubees.engine.receipt import StepBook, describe_run
from blubees.engine.runner import Answered, Ended, Runner
from blubees.engine.scope import trigger_scope
from blubees.engine.work import Receipts
from blubees.expressions.running import LateScope
from blubees.flows.loops import LoopWatch
from blubees.flows.match import FlowIndex
from blubees.model.errors import UnavailableError
from blubees.model.event import Admission, RawEvent, Verdict
from blubees.model.failures import Failure
from blubees.model.flow import PublishedFlow, TriggerKind
from blubees.model.ids import TenantId
from blubees.model.receipt import RunOutcome, RunReceipt, StopReason
from blubees.ports import Chance, Clock, Put
from blubees.steps.contract import Answer

ANSWERING_AT_ONCE: Final = 512  # callers that wait in one conduit
ANSWERING_PER_TENANT: Final = 128  # of them for one tenant
RETRY_SECONDS: Final = 2
ANSWERABLE: Final = frozenset({TriggerKind.WEBHOOK, TriggerKind.MANUAL})  # somebody waits for what a `respond` step says


class Intake:
    """Admits events."""

    def __init__(
        self,
        index: FlowIndex,
        shelf: PlanShelf,
        launcher: Launcher,
        runner: Runner,
        receipts: Receipts,
        clock: Clock,
        chance: Chance,
        *,
        error_flows: ErrorFlows | None = None,
        field_names: LookUp | None = None,
    ) -> None:
        self._error_flows, self._field_names = error_flows, field_names
        self._index, self._shelf, self._launcher, self._runner = index, shelf, launcher, runner
        self._receipts, self._clock, self._chance = receipts, clock, chance
        self._loops = LoopWatch(clock)
        self._answering: Counter[TenantId] = Counter()
        self._answering_total = 0

    async def admit(self, event: RawEvent) -> Admission:
        """Admit one event: match, then launch or answer."""
        scope = trigger_scope(event.trigger, event.document, event.headers, event.query)
        scope["now"] = self._clock.now()
        if self._field_names is not None and self._index.names_fields(event.tenant):
            names = await self._field_names(event.tenant)
            if isinstance(names, Failure):  # whether a flow is meant is not known: its sender has it for another try
                return Admission(verdict=Verdict.UNAVAILABLE, retry_after_seconds=RETRY_SECONDS)
            scope = LateScope(scope, {}, names.by_name)
        flows = self._index.match(event, scope)
        if not flows:
            return Admission(verdict=Verdict.UNMATCHED)
        looping = [flow for flow in flows if event.depth >= DEPTH_MAX or not self._loops.allows(event, flow.flow.id)]
        if looping:
            for flow in looping:
                self._receipts.add(self._describe_loop(event, flow))
            flows = [flow for flow in flows if flow not in looping]
            if not flows:
                return Admission(verdict=Verdict.LOOP)
        try:
            if event.trigger in ANSWERABLE:
                plan = self._shelf.get(event.tenant, flows[0].flow.id, flows[0].version)
                if plan is not None and plan.answers:
                    return await self._answer(event, plan)
            return await self._launch(event, flows)
        except UnavailableError:
            return Admission(verdict=Verdict.UNAVAILABLE, retry_after_seconds=RETRY_SECONDS)

    async def _launch(self, event: RawEvent, flows: list[PublishedFlow]) -> Admission:
        messages = [self._write_message(event, flow) for flow in flows]
        results = [
            await self._launcher.launch(message, delivery=event.delivery, reference=event.reference) for message in messages
        ]
        queued = results.count(Put.QUEUED)
        if Put.FULL in results:  # those that were queued are known by their delivery id when the sender tries again
            return Admission(verdict=Verdict.FULL, runs=queued, retry_after_seconds=RETRY_SECONDS)
        run = messages[0].run if len(messages) == queued == 1 else ""
        return Admission(verdict=Verdict.QUEUED if queued else Verdict.DUPLICATE, runs=queued, run=run)

    async def _answer(self, event: RawEvent, plan: Plan) -> Admission:
        tenant = event.tenant
        if self._answering_total >= ANSWERING_AT_ONCE or self._answering[tenant] >= ANSWERING_PER_TENANT:
            return Admission(verdict=Verdict.FULL, retry_after_seconds=RETRY_SECONDS)
        if await self._launcher.choose_lane(tenant) is None:
            return Admission(verdict=Verdict.FULL, retry_after_seconds=RETRY_SECONDS)
        if not await self._launcher.claim(tenant, plan.published.flow.id, event.delivery):
            return Admission(verdict=Verdict.DUPLICATE)
        self._answering_total += 1
        self._answering[tenant] += 1
        try:
            message = self._write_message(event, plan.published)
            end = await self._runner.perform(plan, message, answering=True, document=event.document)
        finally:
            self._answering_total -= 1
            self._answering[tenant] -= 1
            if not self._answering[tenant]:
                del self._answering[tenant]
        if isinstance(end, Answered):
            put = await self._launcher.launch(end.message, delivery="")
            if put is Put.FULL:
                return Admission(verdict=Verdict.FULL, retry_after_seconds=RETRY_SECONDS)
            return _give_answer(end.answer)
        assert isinstance(end, Ended)  # noqa: S101 - without a journal a run that would wait is answered and handed over
        self._receipts.add(end.receipt)
        if self._error_flows is not None:
            with contextlib.suppress(UnavailableError):  # the caller hears of the failure itself
                await self._error_flows.start(plan, message, end.receipt)
        if end.answer is not None:
            return _give_answer(end.answer)
        if end.receipt.failure is not None:
            return Admission(verdict=Verdict.ANSWERED, status=502, body=b'{"error":"flow_failed"}', headers=_JSON)
        return Admission(verdict=Verdict.QUEUED, runs=1, run=end.receipt.run)

    def _write_message(self, event: RawEvent, flow: PublishedFlow) -> RunMessage:
        return RunMessage(
            run=self._chance.new_run_id(),
            tenant=event.tenant,
            flow=flow.flow.id,
            version=flow.version,
            trigger=event.trigger,
            accepted_at_milliseconds=event.received_at_milliseconds,
            body=event.body,
            headers=event.headers,
            query=event.query,
            depth=event.depth,
        )

    def _describe_loop(self, event: RawEvent, flow: PublishedFlow) -> RunReceipt:
        message = self._write_message(event, flow)
        book = StepBook(self._clock, message)
        return describe_run(message, book, RunOutcome.STOPPED, None, deliveries=1, failed_step="", reason=StopReason.LOOP)


_JSON: Final = {"content-type": "application/json"}


def _give_answer(answer: Answer) -> Admission:
    return Admission(verdict=Verdict.ANSWERED, status=answer.status, headers=dict(answer.headers), body=answer.body)
