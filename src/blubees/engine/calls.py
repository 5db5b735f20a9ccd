"""Finds the flow that a `run_flow` step performs, and what it is given. Called by engine/walk.py."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from blubees.engine.inputs import CALLABLE, convert_inputs
from blubees.engine.plan import Plan, PlanShelf
from blubees.model.failures import Failure, FailureCode
from blubees.model.ids import FlowId, TenantId
from blubees.steps.contract import PerformFlow

CALLS_MAX: Final = 5  # flows in each other, the run's own not counted


@dataclass(frozen=True, slots=True)
class CalledFlow:
    """A flow that is performed as a step, and its inputs."""

    plan: Plan
    inputs: Mapping[str, object]


def find_called(shelf: PlanShelf | None, tenant: TenantId, call: PerformFlow, depth: int, version: int) -> CalledFlow | Failure:
    """Find the flow, and convert its inputs.

    Args:
        depth: how many flows are in each other already.
        version: which one was begun; 0: the one that is live now.
    """
    if depth >= CALLS_MAX:
        return Failure(code=FailureCode.CALLS_TOO_DEEP)
    live = shelf.find_live(tenant, FlowId(call.flow)) if shelf is not None else None
    if version == 0 and live is None:
        return Failure(code=FailureCode.FLOW_MISSING, field="with.flow")
    plan = None
    if shelf is not None:
        plan = shelf.get(tenant, FlowId(call.flow), version or (live.version if live is not None else 0))
    if plan is None:
        return Failure(code=FailureCode.PLAN_MISSING, field="with.flow")
    if plan.published.flow.trigger.on not in CALLABLE:
        return Failure(code=FailureCode.FLOW_MISSING, field="with.flow", detail="not_callable")
    inputs = convert_inputs(plan.published.flow.inputs, dict(call.inputs), "with.inputs")
    return inputs if isinstance(inputs, Failure) else CalledFlow(plan, inputs)
