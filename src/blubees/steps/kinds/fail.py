"""End the run as failed."""

from dataclasses import dataclass

from blubees.model.failures import Failure, FailureCode
from blubees.steps.contract import Example, Outcome, Tools, step_kind


@step_kind("fail")
@dataclass(frozen=True, slots=True)
class Fail:
    """End the run as failed. `reason` is for whoever reads the flow; what it comes to in a run is kept nowhere."""

    reason: str = ""

    async def perform(self, _tools: Tools) -> Outcome:
        """Fail."""
        return Failure(code=FailureCode.FLOW_FAILED)


EXAMPLES = (Example({"reason": "No owner"}, FailureCode.FLOW_FAILED),)
