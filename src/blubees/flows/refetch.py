"""Asks a source again for the event of a lost run, and writes it in the event's own shape. Called by flows/redrive.py.

Jira gives what an event was about as it is now, not as it was: the issue's fields and a comment's text are today's; what
changed (the changelog) and who did it are as they were. What comes back is payload.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, cast

from blubees.engine.frames import Line
from blubees.expressions.values import write_date
from blubees.flows.asking import PollTools, poll_third_party
from blubees.flows.asking_action import poll_action
from blubees.model.failures import Failure, FailureCode
from blubees.model.flow import PublishedFlow, TriggerKind
from blubees.model.order import Fire, Redrive
from blubees.model.reference import Reference
from blubees.model.schedule import RunsFor
from blubees.steps.answers import ask_jira, path_to_issue
from blubees.steps.contract import Tools

CHANGES_A_PAGE: Final = 100
CHANGE_PAGES: Final = 20  # from the newest back
GONE: Final = Failure(code=FailureCode.REFERENCE_GONE)
_EVENT_TYPES: Final = {
    TriggerKind.ISSUE_CREATED: "avi:jira:created:issue",
    TriggerKind.ISSUE_UPDATED: "avi:jira:updated:issue",
    TriggerKind.ISSUE_COMMENTED: "avi:jira:commented:issue",
}


def can_ask_again(trigger: TriggerKind, reference: Reference) -> bool:
    """Whether a reference is enough to ask its source again."""
    if trigger is TriggerKind.ISSUE_UPDATED:
        return bool(reference.issue and reference.changelog)
    if trigger is TriggerKind.ISSUE_COMMENTED:
        return bool(reference.issue and reference.comment)
    if trigger is TriggerKind.ISSUE_CREATED:
        return bool(reference.issue)
    if trigger is TriggerKind.SCHEDULE:
        return bool(reference.due_at_milliseconds)
    return trigger is TriggerKind.POLL and bool(reference.issue or reference.item)


async def refetch_event(
    line: Line, order: Redrive, flow: PublishedFlow, mark: Callable[[str], str], now: datetime
) -> dict[str, Any] | Failure:
    """Ask again. REFERENCE_GONE: what the event was about is not there any more, or can't be told apart.

    Args:
        mark: gives the keyed hash of a delivery of this flow, as it stands in references.
    """
    if order.trigger in _EVENT_TYPES:
        return await _refetch_jira_event(line, order)
    tick = {"due": _write_time(order.reference.due_at_milliseconds), "last": None, "missed": 0}
    if order.trigger is TriggerKind.POLL:
        return await _refetch_poll(line, order, flow, mark, now, tick)
    trigger = flow.flow.trigger
    if not trigger.jql:
        return {"schedule": tick}
    if trigger.for_each is RunsFor.RESULT or not order.reference.issue:
        return GONE  # what the search found then, nobody knows now
    issue = await _get_issue(line, order.reference.issue)
    return issue if isinstance(issue, Failure) else {"schedule": tick, "issue": issue}


async def _refetch_jira_event(line: Line, order: Redrive) -> dict[str, Any] | Failure:
    reference = order.reference
    issue = await _get_issue(line, reference.issue)
    if isinstance(issue, Failure):
        return issue
    more: dict[str, Any] = {}
    actor = (issue.get("fields") or {}).get("creator")
    if order.trigger is TriggerKind.ISSUE_UPDATED:
        change = await _find_change(line, reference)
        if isinstance(change, Failure):
            return change
        actor, more = change.get("author"), {"changelog": {"id": reference.changelog, "items": change.get("items", [])}}
    elif order.trigger is TriggerKind.ISSUE_COMMENTED:
        comment = await _ask(line, path_to_issue(reference.issue, f"/comment/{reference.comment}"))
        if isinstance(comment, Failure):
            return comment
        actor, more = comment.get("author"), {"comment": comment}
    account = actor.get("accountId") if isinstance(actor, dict) else None
    return {
        "eventType": _EVENT_TYPES[order.trigger],
        "timestamp": str(reference.event_at_milliseconds or order.accepted_at_milliseconds),
        "atlassianId": account,
        "selfGenerated": False,
        "issue": {name: issue[name] for name in ("id", "key", "fields") if name in issue},
        "associatedUsers": {"users": [{"accountId": account}] if account else []},
        **more,
    }


async def _find_change(line: Line, reference: Reference) -> dict[str, Any] | Failure:
    """Find one entry of an issue's changelog: pages from the newest back, since it was lost lately."""
    path = path_to_issue(reference.issue, "/changelog")
    first = await _ask(line, path, ("startAt", "0"), ("maxResults", "1"))
    if isinstance(first, Failure):
        return first
    end = int(first.get("total", 0))
    for _ in range(CHANGE_PAGES):
        start = max(0, end - CHANGES_A_PAGE)
        page = await _ask(line, path, ("startAt", str(start)), ("maxResults", str(CHANGES_A_PAGE)))
        if isinstance(page, Failure):
            return page
        for change in page.get("values", []):
            if str(change.get("id")) == reference.changelog:
                return cast("dict[str, Any]", change)
        if not start:
            break
        end = start
    return GONE


async def _refetch_poll(
    line: Line, order: Redrive, flow: PublishedFlow, mark: Callable[[str], str], now: datetime, tick: dict[str, Any]
) -> dict[str, Any] | Failure:
    poll, reference = flow.flow.trigger.poll, order.reference
    if poll is None:
        return GONE
    told = tick | ({"cursor": reference.item} if reference.item else {})
    if poll.jql:
        issue = await _get_issue(line, reference.issue) if reference.issue else GONE
        return issue if isinstance(issue, Failure) else {"poll": told, "issue": issue}
    scope = {"now": now, "flow": {"id": flow.flow.id, "name": flow.flow.name, "version": flow.version}, "poll": told}
    asked = Fire(
        tenant=order.tenant,
        flow=order.flow,
        version=order.version,
        due_milliseconds=reference.due_at_milliseconds,
        last_milliseconds=1,
        expires_at_milliseconds=0,
        cursor=reference.item,
    )
    if flow.flow.trigger.connector:
        news = await poll_action(line, asked, flow, int(now.timestamp() * 1_000))
    else:
        news = await poll_third_party(PollTools(line, flow.flow.id), asked, poll, scope)
    if isinstance(news, Failure):
        return news
    found = [item for name, item in news.items if mark(f"poll|{name}") == reference.delivery]
    return {"poll": told, "item": found[0]} if found else GONE


async def _get_issue(line: Line, issue: str) -> dict[str, Any] | Failure:
    return await _ask(line, path_to_issue(issue))


async def _ask(line: Line, path: str, *query: tuple[str, str]) -> dict[str, Any] | Failure:
    answer = await ask_jira(cast("Tools", line), "GET", path, query=query)  # it only calls
    if isinstance(answer, Failure):
        return GONE if answer.code is FailureCode.NOT_FOUND else answer
    return answer if isinstance(answer, dict) else Failure(code=FailureCode.ANSWER_UNREADABLE)


def _write_time(milliseconds: int) -> str:
    return write_date(datetime.fromtimestamp(milliseconds / 1_000, UTC))
