"""Do something for each item of a list."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from msgspec import Meta

from blubees.model.failures import Failure, FailureCode
from blubees.steps.contract import BranchRule, Example, ForEach, Outcome, Tools, step_kind

ITEMS_MAX = 10_000


@step_kind("each", branches=BranchRule.ONE)
@dataclass(frozen=True, slots=True)
class Each:
    """Perform the branch once for each item of `items`: smart values call it `item`, or as `name` says, and its place `index`.

    `at_once` turns are under way at a time. A failure ends the run, or only its turn with `on_failure: continue`. Gives
    `count`, `failed` and `results`: of each turn what its last step gave, null when it failed. What a turn sets is its own.
    """

    items: Any
    name: Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,62}$")] = "item"
    at_once: Annotated[int, Meta(ge=1, le=50)] = 1
    on_failure: Literal["fail", "continue"] = "fail"

    async def perform(self, tools: Tools) -> Outcome:
        """Look at the items; nothing is an empty list."""
        _ = tools
        items = [] if self.items is None else self.items
        if not isinstance(items, list):
            return Failure(code=FailureCode.SETTING_INVALID, field="with.items", detail="no_list")
        if len(items) > ITEMS_MAX:
            return Failure(code=FailureCode.RUN_TOO_LARGE, field="with.items", detail="too_many_items")
        return ForEach(tuple(items), self.name, self.at_once, self.on_failure == "continue")


EXAMPLES = (
    Example({"items": [1, 2]}, ForEach((1, 2), "item", 1, goes_on=False)),
    Example({"items": None, "at_once": 5, "on_failure": "continue"}, ForEach((), "item", 5, goes_on=True)),
    Example({"items": "text"}, FailureCode.SETTING_INVALID),
    Example({"items": [0] * 10_001}, FailureCode.RUN_TOO_LARGE),
)
