"""What flows would carry over their waits, for tenants that do not allow that. Called by flows/versions.py.

A flow that performs another one waits where that one waits, and carries its own values then. Publishing asks for what would be
new; whatever slips through (a flow that was published before) is refused when its run would be parked.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from blubees.engine.calls import CALLS_MAX
from blubees.engine.inputs import CALLABLE
from blubees.engine.plan import CompiledBranch, CompiledStep, Plan, Reads
from blubees.engine.scope import COMMON_ROOTS, ISSUE_ROOTS, RESULT_ROOTS, ROOTS
from blubees.model.ids import FlowId
from blubees.steps.contract import BranchRule

VALUES_TOLD: Final = 8  # of one step
_CALL: Final = "run_flow"


@dataclass(frozen=True, slots=True)
class _Stop:
    """Where a run would wait: the step, in the flows that perform each other up to there; and which values it would keep."""

    at: str
    values: tuple[str, ...]


class ParkingRule:
    """Tells what flows would carry. `plans`: the live flows of one tenant, by id."""

    def __init__(self, plans: Mapping[FlowId, Plan]) -> None:
        self._plans = plans
        self._known: dict[tuple[FlowId, int], _Stop | None] = {}

    def list_carried(self, flow: FlowId) -> list[str]:
        """Tell for each step of a flow that waits, or performs one that does, what would be kept meanwhile; none: it may."""
        plan = self._plans[flow]
        return [_describe(step, stop) for step, stop in self._list_stops(plan, depth=0) if stop.values]

    def list_all(self) -> list[str]:
        """Tell it of all flows."""
        return [f"flow {flow}: {line}" for flow in sorted(self._plans) for line in self.list_carried(flow)]

    def _list_stops(self, plan: Plan, depth: int) -> Iterator[tuple[CompiledStep, _Stop]]:
        """Every step at which the run may wait. `depth`: how many flows this one stands in."""
        reads_from = plan.reads_when_called if depth else plan.reads_from
        for step, before in _list_steps(plan.steps, ()):
            if step.kind.waits:
                yield step, _Stop("", _list_values(plan, reads_from[step.id], before, is_called=depth > 0, step=step))
            elif step.kind.name == _CALL and depth < CALLS_MAX:
                values = _list_values(plan, reads_from[step.id], before, is_called=depth > 0)
                for called in self._list_called(step):
                    stop = self._find_stop(called, depth + 1)
                    if stop is not None:
                        yield step, _Stop(stop.at, (*values, *(value for value in stop.values if value not in values)))
                        break

    def _list_called(self, step: CompiledStep) -> Iterator[FlowId]:
        """The flow that a step performs; where only the run knows which, all that it may be."""
        named = str(step.written.settings.get("flow", ""))
        for flow, plan in self._plans.items():
            is_meant = flow == named or "{{" in named
            if is_meant and plan.published.flow.trigger.on in CALLABLE:
                yield flow

    def _find_stop(self, flow: FlowId, depth: int) -> _Stop | None:
        """Where a called flow waits: the place at which it keeps most, or None."""
        key = (flow, depth)
        if key not in self._known:
            plan = self._plans[flow]
            stops = [
                _Stop(f"{flow}: {step.id}" + (f" ({stop.at})" if stop.at else ""), tuple(_say_whose(flow, stop.values)))
                for step, stop in self._list_stops(plan, depth)
            ]
            self._known[key] = max(stops, key=lambda stop: len(stop.values), default=None)
        return self._known[key]


def list_new(plans: Mapping[FlowId, Plan], fresh: Plan) -> list[str]:
    """Tell what a flow would carry once it is live, and what others that perform it would then carry and do not now."""
    flow = fresh.published.flow.id
    after = ParkingRule({**plans, flow: fresh})
    known = set(ParkingRule(plans).list_all())
    return after.list_carried(flow) + [
        line for line in after.list_all() if line not in known and not line.startswith(f"flow {flow}: ")
    ]


def _describe(step: CompiledStep, stop: _Stop) -> str:
    more = f" and {len(stop.values) - VALUES_TOLD} more" if len(stop.values) > VALUES_TOLD else ""
    where = f" (performs {stop.at})" if stop.at else ""
    return (
        f"step {step.id}{where}: would keep {', '.join(stop.values[:VALUES_TOLD])}{more} over the wait; this tenant's setting "
        "`parking: refuse` forbids it. Read them again after the wait, or allow parking."
    )


def _say_whose(flow: FlowId, values: tuple[str, ...]) -> Iterator[str]:
    return (value if " of " in value else f"{value} of {flow}" for value in values)


def _list_steps(
    steps: tuple[CompiledStep, ...], before: tuple[CompiledStep, ...]
) -> Iterator[tuple[CompiledStep, tuple[CompiledStep, ...]]]:
    """Every step, with those that may have given something when it is performed."""
    for step in steps:
        yield step, before
        rule = step.kind.branches
        inside = (*before, step) if rule is BranchRule.ONE or step.kind.waits else before  # turns, and what has arrived
        if rule is BranchRule.LOOP:  # names go from turn to turn
            inside = (*inside, *(each for each in _list_below(step.branches) if each.kind.name == "set"))
        for number, branch in enumerate(step.branches):
            others: tuple[CompiledBranch, ...] = ()  # of other blocks, one branch alone is taken
            if rule is BranchRule.TRY:  # one after the other
                others = step.branches[:number]
            elif rule is BranchRule.ALL:
                others = (*step.branches[:number], *step.branches[number + 1 :])
            yield from _list_steps(branch.steps, (*inside, *_list_below(others)))
        before = (*before, *_list_below(step.branches), step)


def _list_below(branches: tuple[CompiledBranch, ...]) -> Iterator[CompiledStep]:
    for branch in branches:
        for step in branch.steps:
            yield step
            yield from _list_below(step.branches)


def _list_values(
    plan: Plan, reads: Reads, before: tuple[CompiledStep, ...], *, is_called: bool, step: CompiledStep | None = None
) -> tuple[str, ...]:
    """What a run that stands here would keep. Inputs of a called flow are worked out again: its caller keeps what they read."""
    common = {root.casefold() for root in COMMON_ROOTS}
    event = {root.casefold() for root in (*ROOTS[plan.published.flow.trigger.on], *ISSUE_ROOTS, *RESULT_ROOTS)} - common
    given = [each.written.settings.get("values") for each in before if each.kind.name == "set"]
    names = {name.casefold() for each in given if isinstance(each, dict) for name in each}
    values = {f"steps.{each.id}" for each in before if reads.keeps(each.id)}
    for path in reads.paths:
        root = path[0].casefold()
        if root in names:
            values.add(path[0])
        elif root in event and not is_called:
            values.add(".".join(path))
    if step is not None and step.kind.name == "sign_off":
        values.add("the question")
    return tuple(sorted(values))
