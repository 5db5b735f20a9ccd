"""Do something again and again."""

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from blubees.steps.contract import BranchRule, Example, Outcome, Repeat, Tools, step_kind


@step_kind("repeat", branches=BranchRule.LOOP)
@dataclass(frozen=True, slots=True)
class RepeatWhile:
    """Perform the branch while its `when` holds, or until it holds. More than `limit` turns fail. Gives `count`.

    With `mode: while` it is asked before each turn; with `mode: until` after each one, so that there is one at least. Variables
    go from turn to turn; results of steps belong to their turn, and `when` reads those of the turn before.
    """

    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    mode: Literal["while", "until"] = "while"

    async def perform(self, tools: Tools) -> Outcome:
        """Begin."""
        _ = tools
        return Repeat(self.limit, is_until=self.mode == "until")


EXAMPLES = (
    Example({}, Repeat(100)),
    Example({"limit": 3}, Repeat(3)),
    Example({"mode": "until"}, Repeat(100, is_until=True)),
)
