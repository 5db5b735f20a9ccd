"""Asks Jira or a third party at a tick, in a conduit: what a JQL schedule finds, what is new for a poll.

Called by flows/firing.py. The calls are those of the step kinds `jira.search_issues` and `http`; what comes back is payload.
"""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, cast

import msgspec

from blubees.engine.frames import Line
from blubees.engine.named_fields import find_issue_roots, list_event_roots, names_fields
from blubees.expressions.dates import read_date
from blubees.expressions.document import compile_document, list_templates
from blubees.expressions.errors import EvaluationError
from blubees.expressions.template import Template, compile_template
from blubees.model.call import Call, CallAnswer
from blubees.model.connection import Purpose, Use
from blubees.model.failures import Failure, FailureCode
from blubees.model.field_names import FieldNames
from blubees.model.flow import Flow, Step
from blubees.model.ids import FlowId
from blubees.model.order import Fire
from blubees.model.schedule import CURSOR_PATTERN, Poll, PollStart
from blubees.steps.book import load_book
from blubees.steps.contract import Done, Tools

SCHEDULE_ISSUES: Final = 1_000  # a tick, as in Jira's own Automation
POLL_ISSUES: Final = 5_000  # that are new at one poll
POLL_ITEMS: Final = 5_000
ID_CHARACTERS: Final = 1_000
OVERLAP_MINUTES: Final = 2  # Jira's search knows of a change some seconds late, and compares whole minutes
SETTLED_MILLISECONDS: Final = 300_000  # what changed before that is known to Jira's search
FORGETTING_MILLISECONDS: Final = 43_200_000  # half of the day for which deliveries are remembered
MINUTE: Final = 60_000
_ISSUE_NAMES: Final = frozenset({"issue", "triggerissue", "issues", "trigger", "item"})
_CAMEL: Final = {name.lower(): name for name in ("fixVersions", "lastViewed", "statusCategory", "statusCategoryChangedDate")}
NO_NAMES: Final = FieldNames()
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
_CURSOR: Final = re.compile(CURSOR_PATTERN)


@dataclass(frozen=True, slots=True)
class News:
    """What is new.

    Attributes:
        items: each one's name for its delivery, and itself.
        cursor: where the next poll goes on; empty: where this one did.
        take_away: takes the items from where they were found, for when all of their runs are accepted; None: they stay there.
        passed: names of items that were there before the first poll, and that the next one may find again: they start nothing.
    """

    items: tuple[tuple[str, Any], ...]
    cursor: str
    take_away: Callable[[], Awaitable[Failure | None]] | None = field(default=None, compare=False)
    passed: tuple[str, ...] = ()


class _Asker:
    """What a search needs of a step's tools: it only calls, and is given the fields by their ids."""

    def __init__(self, line: Line) -> None:
        self.call_jira = line.call_jira

    async def list_field_names(self) -> FieldNames:
        """Give none."""
        return NO_NAMES


async def search_issues(line: Line, jql: str, fields: list[str], limit: int) -> tuple[list[Any], bool] | Failure:
    """Search Jira. Gives the issues, and whether there are no more."""
    entry = load_book()["jira.search_issues"]
    outcome = await entry.perform(entry.settings(jql=jql, fields=fields, limit=limit), cast("Tools", _Asker(line)))
    if isinstance(outcome, Failure):
        return _rename(outcome, "trigger")
    found: Any = outcome.result if isinstance(outcome, Done) else {}
    return list(found["issues"]), bool(found["is_last"])


async def poll_jira(
    line: Line, fields: list[str], order: Fire, poll: Poll, scope: Mapping[str, object], now: int
) -> News | Failure:
    """Ask Jira which issues were updated since the cursor (milliseconds), oldest first. `fields`: of list_fields()."""
    is_passed_over = not order.cursor and poll.start is PollStart.NOW
    since = now if is_passed_over else int(order.cursor) if order.cursor.isdecimal() else 0
    minutes = (now - since) // MINUTE + OVERLAP_MINUTES
    try:
        jql = compile_template(poll.jql).text(scope)
    except EvaluationError as error:
        return Failure(code=FailureCode.TEMPLATE_FAILED, field="trigger.poll.jql", detail=error.code.value)
    window = f" AND updated >= -{minutes}m" if since else ""
    found = await search_issues(line, f"({jql}){window} ORDER BY updated ASC", [*fields, "updated"], POLL_ISSUES)
    if isinstance(found, Failure):
        return found
    issues, is_last = found
    dated = [(_read_updated(issue), issue) for issue in issues]
    if any(at is None for at, _ in dated):
        return Failure(code=FailureCode.ANSWER_UNREADABLE, field="trigger.poll.jql", detail="no_updated")
    if is_passed_over:
        return News((), str(now), passed=tuple(f"{issue.get('id')}|{at}" for at, issue in dated))
    newest = max((at or 0 for at, _ in dated), default=0)
    if not is_last and newest // MINUTE <= since // MINUTE:
        return Failure(code=FailureCode.RUN_TOO_LARGE, field="trigger.poll.jql", detail="issues")  # more than fit into one poll
    if now - order.last_milliseconds > FORGETTING_MILLISECONDS:  # what lies before the cursor may be forgotten as a delivery
        dated = [(at, issue) for at, issue in dated if (at or 0) > since]
    cursor = max(since, newest, now - SETTLED_MILLISECONDS if is_last else 0)
    return News(tuple((f"{issue.get('id')}|{at}", issue) for at, issue in dated), str(cursor))


class PollTools:
    """What a poll needs of a step's tools: it only calls, and says what it calls for."""

    def __init__(self, line: Line, flow: FlowId) -> None:
        self._line, self._use = line, Use(purpose=Purpose.POLL, flow=flow)

    async def call(self, call: Call) -> CallAnswer | Failure:
        """Call the third party."""
        return await self._line.call(msgspec.structs.replace(call, use=self._use))


async def poll_third_party(tools: PollTools, order: Fire, poll: Poll, scope: dict[str, object]) -> News | Failure:
    """Ask a third party, and work out its items, their names and the cursor."""
    try:
        asked = compile_document({"url": poll.url, "query": poll.query, "headers": poll.headers}).render(scope)
    except EvaluationError as error:
        return Failure(code=FailureCode.TEMPLATE_FAILED, field="trigger.poll", detail=error.code.value)
    entry = load_book()["http"]
    settings = entry.settings(
        url=str(asked["url"]), query=asked["query"], headers=_write_texts(asked["headers"]), connection=poll.connection
    )
    outcome = await entry.perform(settings, cast("Tools", tools))  # it only calls
    if isinstance(outcome, Failure):
        return _rename(outcome, "trigger.poll")
    scope["response"] = outcome.result if isinstance(outcome, Done) else None
    return _read_news(poll, scope, is_passed_over=not order.last_milliseconds and poll.start is PollStart.NOW)


def names_fields_of_issues(flow: Flow) -> bool:
    """Whether a flow may read a field of the issues that are found by its name."""
    runs = flow.runs.key if flow.runs is not None else ""
    settings = [template.source for template in _list_in(flow.steps)]
    return names_fields([flow.trigger.where, runs, *settings], find_issue_roots(flow.steps, list_event_roots(flow.trigger)))


def list_fields(flow: Flow, field_names: FieldNames = NO_NAMES) -> list[str]:
    """Name the fields of issues that a flow reads, known from its text; "*all" when it takes issues as a whole.

    Args:
        field_names: of the site, where the flow may read a field by its name.
    """
    names: set[str] = set()
    for template in _list_templates(flow):
        if any(len(path) == 1 and path[0].casefold() in _ISSUE_NAMES for path in template.taken):
            return ["*all"]
        names |= {name for path in template.paths for name in path if _NAME.fullmatch(name)}
        names |= {each for path in template.paths for name in path for each in field_names.find_ids(name)}
    folded = {name.lower() for name in names}
    return sorted(names | folded | {_CAMEL[name] for name in folded if name in _CAMEL})


def _list_templates(flow: Flow) -> Iterator[Template]:
    for text in (flow.trigger.where, flow.runs.key if flow.runs is not None else ""):
        if text:
            yield compile_template(text)
    yield from _list_in(flow.steps)


def _list_in(steps: tuple[Step, ...]) -> Iterator[Template]:
    for step in steps:
        settings = {name: value for name, value in step.settings.items() if (step.kind, name) != ("each", "items")}
        yield from (template for _, template in list_templates(settings))
        for branch in step.branches:
            if branch.when:
                yield compile_template(branch.when)
            yield from _list_in(branch.steps)


def _read_news(poll: Poll, scope: dict[str, object], *, is_passed_over: bool) -> News | Failure:
    field = "items"
    try:
        items = compile_template(poll.items).value(scope)
        if items is not None and not isinstance(items, list):
            return Failure(code=FailureCode.SETTING_INVALID, field="trigger.poll.items", detail="no_list")
        if items is not None and len(items) > POLL_ITEMS:
            return Failure(code=FailureCode.RUN_TOO_LARGE, field="trigger.poll.items", detail="items")
        field = "cursor"
        cursor = compile_template(poll.cursor).text({**scope, "items": items})
        if not _CURSOR.fullmatch(cursor):
            return Failure(code=FailureCode.SETTING_INVALID, field="trigger.poll.cursor", detail="no_reference")
        field = "id"
        name = compile_template(poll.id)
        named = [(name.text({**scope, "item": item}), item) for item in items or []]
    except EvaluationError as error:
        return Failure(code=FailureCode.TEMPLATE_FAILED, field=f"trigger.poll.{field}", detail=error.code.value)
    if any(not 1 <= len(each) <= ID_CHARACTERS for each, _ in named):
        return Failure(code=FailureCode.SETTING_INVALID, field="trigger.poll.id", detail="no_id")
    if is_passed_over:
        return News((), cursor, passed=tuple(each for each, _ in named))
    return News(tuple(named), cursor)


def _read_updated(issue: Any) -> int | None:  # noqa: ANN401 - JSON
    fields = issue.get("fields") if isinstance(issue, dict) else None
    at = read_date(fields.get("updated")) if isinstance(fields, dict) else None
    return int(at.timestamp() * 1_000) if isinstance(at, datetime) else None


def _write_texts(values: Mapping[str, object]) -> dict[str, str]:
    """A header that came out empty is left out."""
    return {name: str(value) for name, value in values.items() if value is not None}


def _rename(failure: Failure, place: str) -> Failure:
    """The setting stands in the trigger, not in a step."""
    field = f"{place}{failure.field.removeprefix('with')}" if failure.field.startswith("with") else failure.field
    return msgspec.structs.replace(failure, field=field)
