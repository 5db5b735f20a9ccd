"""What a flow would carry over its waits, for tenants that do not allow that. Called by flows/versions.py at publishing."""

from collections.abc import Iterator

from blubees.engine.plan import CompiledStep, Plan, Reads
from blubees.engine.scope import COMMON_ROOTS, ROOTS
from blubees.model.ids import StepId

VALUES_TOLD = 8  # of one step


def list_carried(plan: Plan) -> list[str]:
    """Tell, for each step that waits, which values of the event and of earlier steps would be kept meanwhile; none: it may."""
    trigger_roots = {root.casefold() for root in ROOTS[plan.published.flow.trigger.on]} - {"flow", "now"}
    told = []
    for step, before in _list_waits(plan.steps, ()):
        values = sorted(_list_values(plan.reads_from[step.id], before, trigger_roots))
        if values:
            more = f" and {len(values) - VALUES_TOLD} more" if len(values) > VALUES_TOLD else ""
            told.append(
                f"step {step.id}: would keep {', '.join(values[:VALUES_TOLD])}{more} over the wait; this tenant's setting "
                "`parking: refuse` forbids it. Read them again after the wait, or allow parking."
            )
    return told


def _list_waits(
    steps: tuple[CompiledStep, ...], before: tuple[StepId, ...]
) -> Iterator[tuple[CompiledStep, tuple[StepId, ...]]]:
    """Every step that waits, with the steps that stand before it."""
    for step in steps:
        if step.kind.waits:
            yield step, before
        for branch in step.branches:
            yield from _list_waits(branch.steps, before)
            before = (*before, *(inner.id for inner in branch.steps))
        before = (*before, step.id)


def _list_values(reads: Reads, before: tuple[StepId, ...], trigger_roots: set[str]) -> set[str]:
    values = {".".join(path) for path in reads.paths if path[0].casefold() in trigger_roots}
    common = {root.casefold() for root in COMMON_ROOTS}
    values |= {path[0] for path in reads.paths if path[0].casefold() not in trigger_roots | common}
    return values | {f"steps.{step}" for step in before if reads.keeps(step)}
