"""Names of Jira's own Automation for what steps gave: webhookResponse, createdIssue, lookupIssues and their like.

Worked out when they are read, from the results of the steps that ran; what they read counts as reading those steps. Called by
engine/plan.py, engine/progress.py and flows/check_late.py.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from blubees.expressions.running import LateName


class HasSteps(Protocol):
    """A branch."""

    @property
    def steps(self) -> Iterable["HasKind"]:
        """Its steps."""
        ...


class HasKind(Protocol):
    """A step."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def kind(self) -> str:
        """Its kind."""
        ...

    @property
    def branches(self) -> Iterable[HasSteps]:
        """What stands in it."""
        ...


@dataclass(frozen=True, slots=True)
class _Name:
    """`kind`: of the steps it reads; `part`: of their result; `all`: a list of all of them, else the newest."""

    kind: str
    part: str = ""
    all: bool = False


LATE_NAMES: Final[dict[str, _Name]] = {
    "webhookResponse": _Name("http"),
    "webhookResponses": _Name("http", all=True),
    "createdIssue": _Name("jira.create_issue"),
    "createdIssues": _Name("jira.create_issue", all=True),
    "lookupIssues": _Name("jira.search_issues", "issues"),
    "agentResponse": _Name("agent"),
}


@dataclass(frozen=True, slots=True)
class LateNames:
    """Those that a flow has. `reads`: by the name without case, the steps it may read; `values`: what gives its value."""

    reads: Mapping[str, frozenset[str]]
    values: Mapping[str, LateName]


def list_late_names(steps: Iterable[HasKind]) -> LateNames:
    """Give the names that a flow's steps make; `rule` stands for `flow` in all of them."""
    by_kind: dict[str, list[str]] = {}
    for kind, step in _list_kinds(steps):
        by_kind.setdefault(kind, []).append(step)
    present = {name: (rule, by_kind[rule.kind]) for name, rule in LATE_NAMES.items() if rule.kind in by_kind}
    values = {name.casefold(): _make_value(rule, ids) for name, (rule, ids) in present.items()}
    return LateNames(
        reads={name.casefold(): frozenset(each.casefold() for each in ids) for name, (_, ids) in present.items()},
        values={**values, "rule": lambda scope: scope.get("flow")},
    )


def _list_kinds(steps: Iterable[HasKind]) -> Iterator[tuple[str, str]]:
    for step in steps:
        yield step.kind, step.id
        for branch in step.branches:
            yield from _list_kinds(branch.steps)


def _make_value(rule: _Name, ids: list[str]) -> Callable[[Mapping[str, object]], object]:
    """Make what reads the results of these steps, in the order in which they are written."""

    def list_all(scope: Mapping[str, object]) -> list[object]:
        results = scope.get("steps")
        known = results if isinstance(results, dict) else {}
        found = [known[each] for each in ids if known.get(each) is not None]
        return [each.get(rule.part) if isinstance(each, dict) else None for each in found] if rule.part else found

    def find_newest(scope: Mapping[str, object]) -> object:
        found = list_all(scope)
        return found[-1] if found else None

    return list_all if rule.all else find_newest
