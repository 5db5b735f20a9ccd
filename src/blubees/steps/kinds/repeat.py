"""Do something again and again."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from blubees.steps.contract import BranchRule, Example, Outcome, Repeat, Tools, step_kind


@step_kind("repeat", branches=BranchRule.LOOP)
@dataclass(frozen=True, slots=True)
class RepeatWhile:
    """Perform the branch while its `when` holds; asked before each turn. More than `limit` turns fail. Gives `count`.

    Variables go from turn to turn; results of steps belong to their turn, and `when` reads those of the turn before.
    """

    limit: Annotated[int, Meta(ge=1, le=1000)] = 100

    async def perform(self, tools: Tools) -> Outcome:
        """Begin."""
        _ = tools
        return Repeat(self.limit)


EXAMPLES = (Example({}, Repeat(100)), Example({"limit": 3}, Repeat(3)))
