"""What changed between two versions of a flow. Called by the operator API.

Flow texts are configuration: values may be shown.
"""

from typing import Any

import msgspec

from blubees.model.flow import Flow, Step


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change: what (added, removed, changed), where, and the values before and after (JSON-like, None for none)."""

    what: str
    where: str
    before: Any = None
    after: Any = None


def diff_flows(old: Flow, new: Flow) -> list[Change]:
    """List the changes: of the flow's head, then step by step (by id, wherever it stands)."""
    changes = _diff_values("", _head(old), _head(new))
    before, after = _list_steps(old.steps), _list_steps(new.steps)
    changes += [Change(what="removed", where=f"step {step}", before=before[step]) for step in before if step not in after]
    for step, facts in after.items():
        if step not in before:
            changes.append(Change(what="added", where=f"step {step}", after=facts))
        else:
            changes += _diff_values(f"step {step}", before[step], facts)
    return changes


def _head(flow: Flow) -> dict[str, Any]:
    return {name: value for name, value in msgspec.to_builtins(flow).items() if name not in {"id", "steps"}}


def _list_steps(steps: tuple[Step, ...], place: str = "steps") -> dict[str, dict[str, Any]]:
    """Every step by its id: its settings, where it stands, and its branches' conditions."""
    listed: dict[str, dict[str, Any]] = {}
    previous = ""
    for step in steps:
        listed[step.id] = {
            "kind": step.kind,
            "name": step.name,
            "with": step.settings,
            "stands": f"{place} after {previous}" if previous else f"{place} first",
            "when": [branch.when for branch in step.branches],
        }
        previous = step.id
        for number, branch in enumerate(step.branches):
            listed |= _list_steps(branch.steps, f"{step.id} branch {number + 1}")
    return listed


def _diff_values(where: str, old: Any, new: Any) -> list[Change]:  # noqa: ANN401 - JSON
    if isinstance(old, dict) and isinstance(new, dict):
        changes = []
        for name in [*old, *(each for each in new if each not in old)]:
            place = f"{where}.{name}" if where else name
            changes += _diff_values(place, old.get(name), new.get(name))
        return changes
    if old == new:
        return []
    what = "added" if old is None else "removed" if new is None else "changed"
    return [Change(what=what, where=where, before=old, after=new)]
