"""Starts the flow that another flow names as its error flow, when a run of that one fails. Called by worker and intake.

What it is given is typed and holds no payload: ids, codes, numbers, and our own sentences. Once for each failed run: the failed
run's id is the delivery's. A run that an error flow started starts none itself. Source: docs/decisions/0017-error-flows.md.
"""

from typing import Any

import orjson

from blubees.engine.depth import DEPTH_MAX
from blubees.engine.inputs import CALLABLE
from blubees.engine.launch import Launcher
from blubees.engine.message import RunMessage
from blubees.engine.plan import Plan, PlanShelf
from blubees.model.failures import WHOSE_FAULT, Failure, explain_failure
from blubees.model.ids import FlowId
from blubees.model.receipt import RunReceipt
from blubees.ports import Chance, Clock, Events, Put


class ErrorFlows:
    """Starts error flows."""

    def __init__(self, launcher: Launcher, shelf: PlanShelf, clock: Clock, chance: Chance, events: Events) -> None:
        self._launcher, self._shelf, self._clock, self._chance, self._events = launcher, shelf, clock, chance, events

    async def start(self, plan: Plan, message: RunMessage, receipt: RunReceipt) -> bool:
        """Start the error flow of a run that failed, if its flow names one; False: there is no room now, try again.

        Raises:
            UnavailableError: the broker did not confirm. Trying again is safe.
        """
        wanted = plan.published.flow.error_flow
        if not wanted or receipt.failure is None or message.error_of:
            return True
        published = self._shelf.find_live(message.tenant, FlowId(wanted))
        if published is None or published.flow.trigger.on not in CALLABLE or message.depth + 1 >= DEPTH_MAX:
            self._events("error_flow_missing", tenant=message.tenant, flow=message.flow)
            return True
        put = await self._launcher.launch(
            RunMessage(
                run=self._chance.new_run_id(),
                tenant=message.tenant,
                flow=published.flow.id,
                version=published.version,
                trigger=published.flow.trigger.on,
                accepted_at_milliseconds=self._clock.now_milliseconds(),
                body=orjson.dumps(describe_failure(receipt, receipt.failure)),
                error_of=message.run,
                depth=message.depth + 1,
            ),
            delivery=f"error of {message.run}",
        )
        return put is not Put.FULL


def describe_failure(receipt: RunReceipt, failure: Failure) -> dict[str, Any]:
    """Give what an error flow reads as its inputs."""
    what, what_to_do = explain_failure(failure)
    return {
        "run": receipt.run,
        "flow": receipt.flow,
        "version": receipt.version,
        "trigger": receipt.trigger.value,
        "step": receipt.failed_step,
        "code": failure.code.value,
        "detail": failure.detail,
        "field": failure.field,
        "http_status": failure.http_status,
        "whose_fault": WHOSE_FAULT[failure.code].value,
        "what": what,
        "what_to_do": what_to_do,
        "accepted_at_milliseconds": receipt.accepted_at_milliseconds,
        "started_at_milliseconds": receipt.started_at_milliseconds,
    }
