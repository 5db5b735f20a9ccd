"""Reads the shapes in a receipt for people: looks up the names that stand there as numbers. Used by doors/operator_api.py."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from blubees.engine.names import FlowNames, list_names
from blubees.engine.plan import compile_plan
from blubees.expressions.errors import TemplateError
from blubees.flows.versions import FlowService
from blubees.model.errors import BluBeesError
from blubees.model.flow import PublishedFlow, Step
from blubees.model.ids import FlowId, TenantId
from blubees.model.receipt import RunReceipt
from blubees.model.shape import NamedField, name_fields
from blubees.steps.book import load_book


class StepShapes(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of one step: what it was given, and what it gave or was answered."""

    step: str
    input: Sequence[NamedField] = ()
    output: Sequence[NamedField] = ()


class RunShapes(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of one run. No values: names of the flow's own text, types and sizes.

    Attributes:
        depths: in how many blocks each step stands, by its id.
    """

    event: Sequence[NamedField] = ()
    steps: Sequence[StepShapes] = ()
    depths: Mapping[str, int] = {}


async def read_shapes(flows: FlowService, receipt: RunReceipt) -> RunShapes:
    """Read a receipt's shapes; where the flow's text does not give the names any more, numbers stand for them."""
    published = await _load_flow(flows, receipt)
    found = _list_names(published) if published is not None and receipt.names else None
    names = found.own if found is not None and found.checksum == receipt.names else None
    return RunShapes(
        event=name_fields(receipt.event, names),
        steps=[
            StepShapes(step=each.step, input=name_fields(each.input, names), output=name_fields(each.output, names))
            for each in receipt.steps
            if each.input or each.output
        ],
        depths=dict(_list_depths(published.flow.steps)) if published is not None else {},
    )


async def _load_flow(flows: FlowService, receipt: RunReceipt) -> PublishedFlow | None:
    try:
        return await flows.load_published(TenantId(receipt.tenant), FlowId(receipt.flow), receipt.version)
    except BluBeesError:  # deleted, or written for another version of this program
        return None


def _list_names(published: PublishedFlow) -> FlowNames | None:
    try:
        return list_names(compile_plan(published, load_book()))
    except (TemplateError, KeyError):
        return None


def _list_depths(steps: Sequence[Step], depth: int = 0) -> Iterator[tuple[str, int]]:
    for step in steps:
        yield step.id, depth
        for branch in step.branches:
            yield from _list_depths(branch.steps, depth + 1)
