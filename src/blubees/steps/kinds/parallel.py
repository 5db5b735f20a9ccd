"""Do several things at a time."""

from dataclasses import dataclass

from blubees.steps.contract import BranchRule, EnterAll, Example, Outcome, Tools, step_kind


@step_kind("parallel", branches=BranchRule.ALL)
@dataclass(frozen=True, slots=True)
class Parallel:
    """Perform all branches at a time; the block ends when all have ended. Results of their steps are read after it as ever.

    When one fails, the others still end, and then the run fails.
    """

    async def perform(self, tools: Tools) -> Outcome:
        """Begin."""
        _ = tools
        return EnterAll()


EXAMPLES = (Example({}, EnterAll()),)
