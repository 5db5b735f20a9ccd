"""Take one of several branches."""

from dataclasses import dataclass

from blubees.steps.contract import BranchRule, Enter, Example, Outcome, Tools, step_kind


@step_kind("choose", branches=BranchRule.CONDITIONAL)
@dataclass(frozen=True, slots=True)
class Choose:
    """Take the first branch whose `when` holds; a last branch without `when` is the else."""

    async def perform(self, tools: Tools) -> Outcome:
        """Look at the branches in order."""
        return Enter(next((number for number in range(tools.branch_count) if tools.holds(number)), None))


EXAMPLES = (
    Example({}, Enter(1), holds=(False, True, True)),
    Example({}, Enter(None), holds=(False, False)),
)
