"""When a flow is started by the clock, and whom a poll asks: parts of a trigger. Read from the flow's document (model/flow.py).

`Timing` is what the control plane keeps of it in the table of schedules.
"""

from enum import StrEnum
from typing import Annotated, Final

import msgspec

CURSOR_PATTERN: Final = r"^[A-Za-z0-9:._+=/~-]{0,200}$"
CursorText = Annotated[str, msgspec.Meta(pattern=CURSOR_PATTERN)]


class Missed(StrEnum):
    """What happens to ticks that came while nothing could fire them: one run for all of them, or none."""

    ONCE = "once"
    SKIP = "skip"


class RunsFor(StrEnum):
    """What a JQL schedule starts: one run with all issues, or one for each."""

    RESULT = "result"
    ISSUE = "issue"


class PollStart(StrEnum):
    """What the first poll does with what is there already: passes it over, or starts runs for it."""

    NOW = "now"
    ALL = "all"


class Poll(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Whom a poll asks, and what it makes of the answer: a third party by `url`, or the tenant's Jira by `jql`.

    Attributes:
        url, query, headers, connection: as in the step kind `http`; the method is GET. Smart values: `poll.cursor`, `now`.
        items: a smart value that gives the list of what is new, of `response`.
        id: a smart value that names one item, of `item`: the same one within a day starts nothing again.
        cursor: a smart value that gives what the next poll reads as `poll.cursor`, of `response` and `items`: at most 200
            letters, digits and `:._+=/~-`. It is kept in the database.
        jql: which issues of Jira; those are asked for that were updated since the last poll.
        start: what the first poll does.
    """

    url: str = ""
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    connection: str = ""
    items: str = ""
    id: str = ""
    cursor: str = ""
    jql: str = ""
    start: PollStart = PollStart.NOW


class Timing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When a flow's schedule or poll is due.

    Attributes:
        every_seconds: the interval, counted from an anchor; 0 for a cron expression.
        cron, time_zone: five fields, and the zone in which they are read.
        asks: somebody is asked at each tick, which takes its time and may fail.
        is_poll: a poll, not a schedule.
    """

    every_seconds: int = 0
    cron: str = ""
    time_zone: str = "UTC"
    missed: Missed = Missed.ONCE
    asks: bool = False
    is_poll: bool = False
