"""Asks a connector's action at a tick what is new (a trigger of sort poll), in a conduit. Called by firing.py and refetch.py.

What is new is told by a time or a growing number in each item: kept in the database as the poll's cursor, so it must be a
reference and no content (docs/decisions/0003). Items as new as the cursor come once more, for their time may be shared; their
delivery is known for a day. So when nothing has come for half a day, only what is newer counts. A list without a cursor, whose
items are taken away when their runs are accepted (a queue), is new as a whole.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from blubees.connectors.actions.pages import LIMIT
from blubees.connectors.actions.paths import look_up
from blubees.connectors.actions.perform import CONNECTION, compile_action
from blubees.connectors.actions.waits import MILLISECONDS_SINCE_1970, SINCE_1970
from blubees.connectors.catalogue import find_hooks
from blubees.engine.frames import Line
from blubees.expressions.dates import read_date
from blubees.flows.asking import FORGETTING_MILLISECONDS, ID_CHARACTERS, POLL_ITEMS, News
from blubees.flows.check_trigger import find_trigger
from blubees.model.call import Call, CallAnswer
from blubees.model.connection import Purpose, Use
from blubees.model.connector import Connector, PollRule
from blubees.model.failures import Failure, FailureCode
from blubees.model.flow import PublishedFlow
from blubees.model.order import Fire
from blubees.model.schedule import CURSOR_PATTERN, PollStart

Hooks = Mapping[str, Callable[..., Any]]
_CURSOR: Final = re.compile(CURSOR_PATTERN)
_NUMBER: Final = re.compile(r"[0-9]{1,18}(\.[0-9]{1,9})?")


@dataclass(frozen=True, slots=True)
class _Asker:
    """What performing an action needs."""

    line: Line
    now: int
    use: Use

    async def call(self, call: Call) -> CallAnswer | Failure:
        return await self.line.call(msgspec.structs.replace(call, use=self.use))

    async def call_jira(self, call: Call) -> CallAnswer | Failure:
        return await self.line.call_jira(call)

    def now_milliseconds(self) -> int:
        return self.now


async def poll_action(line: Line, order: Fire, published: PublishedFlow, now_milliseconds: int) -> News | Failure:
    """Ask, and tell what is new: the oldest first."""
    trigger = published.flow.trigger
    found = find_trigger(published.connectors, trigger.connector)
    if found is None or found[1].poll is None:
        return Failure(code=FailureCode.PLAN_MISSING, field="trigger.on")
    connector, rule = found[0], found[1].poll
    given = {**rule.inputs, **trigger.inputs, CONNECTION: trigger.connection}
    if rule.since_input and order.cursor:
        given[rule.since_input] = order.cursor
    if connector.actions[rule.action].pages is not None:
        given.setdefault(LIMIT, POLL_ITEMS)
    hooks: Hooks = find_hooks(connector)
    asker = _Asker(line, now_milliseconds, Use(purpose=Purpose.POLL, flow=published.flow.id))
    items = await compile_action(connector, rule.action, hooks)(given, asker)
    if isinstance(items, Failure):
        return _rename(items)
    if not isinstance(items, list):
        return Failure(code=FailureCode.ANSWER_UNREADABLE, field="trigger", detail="no_list")
    if rule.taken_by:
        return _tell_taken(rule, items, lambda: _take_away(connector, rule, hooks, {**given, rule.taken_input: items}, asker))
    poll = trigger.poll
    is_passed_over = not order.last_milliseconds and (poll is None or poll.start is PollStart.NOW)
    if not rule.cursor_at:
        return _tell_by_id(rule, items, order.cursor, is_passed_over=is_passed_over)
    return _tell_news(rule, items, order.cursor, now_milliseconds, is_passed_over=is_passed_over)


async def _take_away(
    connector: Connector, rule: PollRule, hooks: Hooks, given: dict[str, Any], asker: _Asker
) -> Failure | None:
    """Take the items from where they were found."""
    known = {*connector.actions[rule.taken_by].inputs, CONNECTION}
    taken = {name: value for name, value in given.items() if name in known}
    found = await compile_action(connector, rule.taken_by, hooks)(taken, asker)
    return _rename(found) if isinstance(found, Failure) else None


def _rename(failure: Failure) -> Failure:
    """The setting stands in the trigger, not in a step."""
    place = f"trigger{failure.field.removeprefix('with')}" if failure.field.startswith("with") else "trigger"
    return Failure(
        code=failure.code,
        field=place,
        http_status=failure.http_status,
        retry_after_seconds=failure.retry_after_seconds,
        detail=failure.detail,
    )


def _tell_taken(rule: PollRule, items: list[Any], take_away: Callable[[], Awaitable[Failure | None]]) -> News | Failure:
    """Tell all that was found; a poll that found nothing takes nothing away."""
    named = [(_read(look_up(item, rule.id_at)), item) for item in items]
    if any(not 1 <= len(identity) <= ID_CHARACTERS for identity, _ in named):
        return Failure(code=FailureCode.ANSWER_UNREADABLE, field="trigger", detail="no_id")
    return News(tuple(named), "", take_away if named else None)


def _tell_by_id(rule: PollRule, items: list[Any], cursor: str, *, is_passed_over: bool) -> News | Failure:
    """Tell what stands before the newest of the last poll; all, where that one is not there any more."""
    named = [(_read(look_up(item, rule.id_at)), item) for item in items]
    if any(not _CURSOR.fullmatch(identity) or not identity for identity, _ in named):
        return Failure(code=FailureCode.ANSWER_UNREADABLE, field="trigger", detail="no_id")
    if not named or is_passed_over:
        return News((), named[0][0] if named else cursor)
    ids = [identity for identity, _ in named]
    fresh = named[: ids.index(cursor)] if cursor in ids else named
    return News(tuple(reversed(fresh)), ids[0])


def _tell_news(rule: PollRule, items: list[Any], cursor: str, now: int, *, is_passed_over: bool) -> News | Failure:
    dated: list[tuple[str, str, Any]] = []
    for item in items:
        # a blank before the hour (ServiceNow) is written as T; what a vendor is asked by goes back as it was
        at, identity = _read(look_up(item, rule.cursor_at)), _read(look_up(item, rule.id_at))
        at = at if rule.since_input else at.replace(" ", "T")
        if not 1 <= len(identity) <= ID_CHARACTERS:
            return Failure(code=FailureCode.ANSWER_UNREADABLE, field="trigger", detail="no_id")
        if not at or not _CURSOR.fullmatch(at):
            return Failure(code=FailureCode.ANSWER_UNREADABLE, field="trigger", detail="no_reference")
        dated.append((at, identity, item))
    dated.sort(key=lambda each: _order(each[0]))
    is_more = len(dated) > POLL_ITEMS and not is_passed_over
    if is_more and _order(dated[0][0]) == _order(dated[POLL_ITEMS][0]):  # of one time: none could be gone on from
        return Failure(code=FailureCode.RUN_TOO_LARGE, field="trigger", detail="items")
    dated = dated[:POLL_ITEMS] if is_more else dated  # the next poll goes on with the others
    newest = max((each[0] for each in dated), key=_order, default=cursor)
    if rule.settles_seconds and not is_passed_over:
        newest = _find_settled(dated, cursor, now - rule.settles_seconds * 1_000)
    if cursor and _order(newest) < _order(cursor):
        newest = cursor
    if is_passed_over:
        return News((), newest, passed=tuple(f"{identity}|{at}" for at, identity, _ in dated if _order(at) >= _order(newest)))
    if cursor:
        is_old = _is_forgotten(cursor, now)
        low = _order(cursor)
        dated = [each for each in dated if _order(each[0]) > low or (_order(each[0]) == low and not is_old)]
    return News(tuple((f"{identity}|{at}", item) for at, identity, item in dated), newest)


def _find_settled(dated: list[tuple[str, str, Any]], cursor: str, until: int) -> str:
    """Give the newest time that none can come before any more; the cursor where there is none."""
    settled = [at for at, _, _ in dated if (moment := read_date(at)) is not None and moment.timestamp() * 1_000 <= until]
    return max(settled, key=_order, default=cursor)


def _read(value: Any) -> str:  # noqa: ANN401 - JSON
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _order(text: str) -> tuple[int, float, str]:
    """Numbers by their size, moments by their time, other texts as they are written."""
    if _NUMBER.fullmatch(text):
        return (0, float(text), text if len(text) > 15 else "")  # noqa: PLR2004 - past what a float tells apart
    moment = read_date(text)
    return (1, moment.timestamp(), "") if moment is not None else (2, 0.0, text)


def _is_forgotten(cursor: str, now: int) -> bool:
    """Whether what came at the cursor may be forgotten as a delivery. A number that is no time: only what is larger is new."""
    if _NUMBER.fullmatch(cursor):
        number = float(cursor)
        at = number * 1_000 if number < MILLISECONDS_SINCE_1970 else number
        return number < SINCE_1970 or now - at > FORGETTING_MILLISECONDS
    moment = read_date(cursor)
    return moment is None or now - moment.timestamp() * 1_000 > FORGETTING_MILLISECONDS
