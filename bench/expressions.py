"""`bench.py expressions`: smart values beside closures written by hand that give the same. Called by bench.py.

A condition of three tests on an issue of 6 KB, and a map of ten fields, both compiled before. The closures bear missing values,
as the language does, and nothing else: no limits, no names in other case.
"""

import json
import timeit
from collections.abc import Callable
from typing import Any

from blubees.expressions.document import compile_document
from blubees.expressions.template import compile_template
from load import FIELDS, MORE, make_event

CONDITION = (
    '{{and(webhookData.issue.fields.issuetype.name.equals("Bug"), webhookData.issue.fields.priority.name.equals("High"), '
    'webhookData.issue.fields.status.name.equals("In Progress"))}}'
)
ALLOWED_MICROSECONDS = {"condition": 2.0, "map": 12.0}
ALLOWED_RATIO = 4.0
TURNS = 500
REPEATS = 100


def try_expressions() -> dict[str, Any]:
    """Measure both in turn, in short stretches, so that a noisy moment meets both; the best stretch counts."""
    scope = {"webhookData": json.loads(make_event())}
    template, document = compile_template(CONDITION), compile_document({**FIELDS, **MORE})
    pairs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "condition": (lambda: template.holds(scope), lambda: condition_by_hand(scope)),
        "map": (lambda: document.render(scope), lambda: map_by_hand(scope)),
    }
    return {
        name: _compare(ours, by_hand) | {"allowed_microseconds": ALLOWED_MICROSECONDS[name]}
        for name, (ours, by_hand) in pairs.items()
    }


def condition_by_hand(scope: dict[str, Any]) -> bool:
    """The condition, as one would write it in a service."""
    fields = (scope["webhookData"].get("issue") or {}).get("fields") or {}
    return (
        (fields.get("issuetype") or {}).get("name") == "Bug"
        and (fields.get("priority") or {}).get("name") == "High"
        and (fields.get("status") or {}).get("name") == "In Progress"
    )


def map_by_hand(scope: dict[str, Any]) -> dict[str, Any]:
    """The ten fields, as one would write them in a service."""
    issue = scope["webhookData"].get("issue") or {}
    fields = issue.get("fields") or {}
    summary = fields.get("summary") or ""
    return {
        "key": issue.get("key"),
        "summary": summary.upper(),
        "type": (fields.get("issuetype") or {}).get("name"),
        "priority": (fields.get("priority") or {}).get("name"),
        "labels": ", ".join(fields.get("labels") or ()),
        "status": ((fields.get("status") or {}).get("name") or "").lower(),
        "versions": ", ".join(each["name"] for each in fields.get("fixVersions") or () if each.get("name") is not None),
        "reporter": (fields.get("reporter") or {}).get("displayName"),
        "assignee": (fields.get("assignee") or {}).get("displayName") or "nobody",
        "short": summary[:40],
    }


def _compare(ours: Callable[[], object], by_hand: Callable[[], object]) -> dict[str, Any]:
    assert ours() == by_hand(), "the two do not give the same"
    times: list[tuple[float, float]] = [
        (timeit.timeit(ours, number=TURNS), timeit.timeit(by_hand, number=TURNS)) for _ in range(REPEATS)
    ]
    mine, theirs = (min(side) / TURNS * 1e6 for side in zip(*times, strict=True))
    return {
        "microseconds": round(mine, 2),
        "by_hand_microseconds": round(theirs, 2),
        "ratio": round(mine / theirs, 2),
        "allowed_ratio": ALLOWED_RATIO,
    }
