"""End the run here, as planned."""

from dataclasses import dataclass

from blubees.steps.contract import Example, Outcome, Stop, Tools, step_kind


@step_kind("stop")
@dataclass(frozen=True, slots=True)
class StopRun:
    """End the run here: no later step is performed, and nothing failed."""

    async def perform(self, _tools: Tools) -> Outcome:
        """Stop."""
        return Stop()


EXAMPLES = (Example({}, Stop()),)
