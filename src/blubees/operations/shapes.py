"""Reads the shapes in a receipt for people: looks up the names that stand there as numbers. Used by doors/operator_api.py."""

from collections.abc import Sequence

import msgspec

from blubees.engine.names import FlowNames, list_names
from blubees.engine.plan import compile_plan
from blubees.expressions.errors import TemplateError
from blubees.flows.versions import FlowService
from blubees.model.errors import BluBeesError
from blubees.model.flow import PublishedFlow
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
    """Of one run. No values: names of the flow's own text, types and sizes."""

    event: Sequence[NamedField] = ()
    steps: Sequence[StepShapes] = ()


async def read_shapes(flows: FlowService, receipt: RunReceipt) -> RunShapes:
    """Read a receipt's shapes; where the flow's text does not give the names any more, numbers stand for them."""
    found = await _load_names(flows, receipt) if receipt.names else None
    names = found.own if found is not None and found.checksum == receipt.names else None
    return RunShapes(
        event=name_fields(receipt.event, names),
        steps=[
            StepShapes(step=each.step, input=name_fields(each.input, names), output=name_fields(each.output, names))
            for each in receipt.steps
            if each.input or each.output
        ],
    )


async def _load_names(flows: FlowService, receipt: RunReceipt) -> FlowNames | None:
    tenant = TenantId(receipt.tenant)
    try:
        flow = await flows.load_flow(tenant, FlowId(receipt.flow), receipt.version)
        return list_names(compile_plan(PublishedFlow(tenant=tenant, version=receipt.version, flow=flow), load_book()))
    except (BluBeesError, TemplateError, KeyError):  # withdrawn, or written for another version of this program
        return None
