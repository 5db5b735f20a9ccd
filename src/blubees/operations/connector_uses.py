"""Which flows use what another import changes, and what of them breaks. Called by operations/connectors.py.

Looks at texts as they were written: what a published version pinned goes on as it is (docs/decisions/0041); told is what breaks
when the flow is published again.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from blubees.connectors import differences as diff
from blubees.flows.document import read_document
from blubees.flows.versions import FlowService
from blubees.model.ids import TenantId
from blubees.ports import ActionChange

DEPTH_MAX: Final = 32


class Break(msgspec.Struct, frozen=True, kw_only=True):
    """A step, or a trigger (`step` empty), that a change breaks.

    Attributes:
        version: of the flow; 0: the draft.
        sort, name: what of the action changes.
    """

    flow: str
    version: int
    step: str = ""
    action: str
    sort: str
    name: str = ""


class UsedFlow(msgspec.Struct, frozen=True, kw_only=True):
    """A flow's newest text."""

    flow: str
    version: int
    text: str


async def list_used_flows(flows: FlowService, tenant: TenantId) -> list[UsedFlow]:
    """Give the newest texts of a tenant's flows: the newest version of each, and its draft where that is another."""
    live = {row.flow: version for row, version in await flows.list_live(tenant)}
    found: list[UsedFlow] = []
    for row in await flows.list(tenant):
        newest = live.get(row.flow)
        if row.newest_version and (newest is None or newest.version != row.newest_version):
            newest = await flows.load_version(tenant, row.flow, row.newest_version)
        if newest is not None:
            found.append(UsedFlow(flow=row.flow, version=newest.version, text=newest.text))
        if newest is None or newest.text != row.draft:
            found.append(UsedFlow(flow=row.flow, version=0, text=row.draft))
    return found


def find_breaks(connector: str, changes: Sequence[ActionChange], flows: Iterable[UsedFlow]) -> tuple[Break, ...]:
    """Find the steps and triggers that changes break."""
    by_action: dict[str, list[ActionChange]] = {}
    for change in changes:
        if change.sort in diff.MAY_BREAK:
            by_action.setdefault(change.action, []).append(change)
    return tuple(each for flow in flows for each in _find_in(connector, by_action, flow)) if by_action else ()


def _find_in(connector: str, changes: Mapping[str, Sequence[ActionChange]], flow: UsedFlow) -> Iterator[Break]:
    data = read_document(flow.text).data
    if not isinstance(data, dict):
        return
    trigger = data.get("trigger")
    on = trigger.get("on") if isinstance(trigger, dict) else None
    for change in _changes_of(connector, changes, on):
        if change.sort == diff.TRIGGER_REMOVED:
            yield Break(flow=flow.flow, version=flow.version, action=change.action, sort=change.sort)
    for step in _list_steps(data.get("steps")):
        for change in _changes_of(connector, changes, step.get("kind")):
            if _does_break(change, step, flow.text):
                yield Break(
                    flow=flow.flow,
                    version=flow.version,
                    step=str(step.get("id", "")),
                    action=change.action,
                    sort=change.sort,
                    name=change.name,
                )


def _changes_of(connector: str, changes: Mapping[str, Sequence[ActionChange]], kind: object) -> Sequence[ActionChange]:
    name = kind.removeprefix(f"{connector}.") if isinstance(kind, str) and kind.startswith(f"{connector}.") else ""
    return changes.get(name, ())


def _does_break(change: ActionChange, step: Mapping[str, Any], text: str) -> bool:
    settings = step.get("with")
    given = settings if isinstance(settings, dict) else {}
    if change.sort == diff.REMOVED:
        return True
    if change.sort == diff.INPUT_REQUIRED:
        return change.name not in given
    if change.sort in {diff.INPUT_REMOVED, diff.INPUT_TYPE}:
        return change.name in given
    return change.sort in {diff.OUTPUT_REMOVED, diff.OUTPUT_TYPE} and _reads(text, str(step.get("id", "")), change.name)


def _reads(text: str, step: str, output: str) -> bool:
    """Tell whether a text reads an output of a step: `steps.ID.NAME`, behind a place in a list too."""
    if not step:
        return False
    name = output.removeprefix("[].")
    between = r"(?:\.(?:first|last|[0-9]+)|\[[0-9]+\])*" if output.startswith("[].") else ""
    end = rf"{between}\.{re.escape(name)}\b" if name else r"\b"
    return re.search(rf"\bsteps\.{re.escape(step)}{end}", text) is not None


def _list_steps(steps: object) -> Iterator[dict[str, Any]]:
    waiting = [(steps, 0)]
    while waiting:
        listed, depth = waiting.pop()
        for step in listed if isinstance(listed, list) and depth <= DEPTH_MAX else ():
            if isinstance(step, dict):
                yield step
                branches = step.get("branches")
                waiting += [
                    (each.get("steps"), depth + 1)
                    for each in (branches if isinstance(branches, list) else ())
                    if isinstance(each, dict)
                ]
