"""Hold the place of something that is still to be written."""

from dataclasses import dataclass

from blubees.model.failures import Failure, FailureCode
from blubees.steps.contract import Example, Outcome, Tools, step_kind


@step_kind("placeholder")
@dataclass(frozen=True, slots=True)
class Placeholder:
    """Stand for something that is still to be written: `note` says what. A flow with one can be saved, and not be published.

    Imports put it where they could not translate something, so that nothing is left out unnoticed.
    """

    note: str = ""

    async def perform(self, _tools: Tools) -> Outcome:
        """Fail: nothing stands here."""
        return Failure(code=FailureCode.FLOW_FAILED)


EXAMPLES = (Example({"note": "An SLA was about to breach"}, FailureCode.FLOW_FAILED),)
