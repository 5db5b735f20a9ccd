"""Do something once for each key."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson
from msgspec import Meta

from blubees.model.failures import Failure, FailureCode
from blubees.model.seen import SEEN_DAYS_MAX
from blubees.steps.contract import Done, Example, Outcome, Stop, Tools, step_kind


@step_kind("dedupe")
@dataclass(frozen=True, slots=True)
class Dedupe:
    """Ask whether this step has seen `key` in the last `days` days (1 to 365), and remember it: gives `seen`.

    When it has, the run stops there, or goes on with `when_seen: continue`. Of runs that come with the same key at a time, one
    is the first. Only a keyed hash of the key is kept. Null, empty text and lists are no keys: the step fails.
    """

    key: Any
    days: Annotated[int, Meta(ge=1, le=SEEN_DAYS_MAX)] = 7
    when_seen: Literal["stop", "continue"] = "stop"

    async def perform(self, tools: Tools) -> Outcome:
        """Ask."""
        if self.key is None or self.key == "" or isinstance(self.key, list):
            return Failure(code=FailureCode.SETTING_INVALID, field="with.key", detail="no_key")
        key = (
            self.key if isinstance(self.key, str) else orjson.dumps(self.key, option=orjson.OPT_SORT_KEYS, default=str).decode()
        )
        seen = await tools.mark_seen(key, self.days)
        if isinstance(seen, Failure):
            return seen
        return Stop() if seen and self.when_seen == "stop" else Done({"seen": seen})


EXAMPLES = (
    Example({"key": "AB-1"}, Done({"seen": False})),
    Example({"key": "AB-1", "days": 1}, Stop(), seen=True),
    Example({"key": 7, "when_seen": "continue"}, Done({"seen": True}), seen=True),
    Example({"key": None}, FailureCode.SETTING_INVALID),
    Example({"key": ["AB-1"]}, FailureCode.SETTING_INVALID),
)
