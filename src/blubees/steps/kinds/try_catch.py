"""Do something when something fails."""

from dataclasses import dataclass

from blubees.steps.contract import BranchRule, Example, Outcome, Tools, Try, step_kind


@step_kind("try", branches=BranchRule.TRY)
@dataclass(frozen=True, slots=True)
class TryCatch:
    """Perform the branch named `try`; when a step in it fails, the one named `catch`; in any case, the one named `finally`.

    In `catch`, `error` has `code`, `step`, `http_status` and `field` of the failure: no text of the third party. Gives `failed`
    and `error`. A failure in `catch` ends the run, after `finally`.
    """

    async def perform(self, tools: Tools) -> Outcome:
        """Begin."""
        _ = tools
        return Try()


EXAMPLES = (Example({}, Try()),)
