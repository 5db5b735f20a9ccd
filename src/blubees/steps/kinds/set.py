"""Name values for later steps."""

from dataclasses import dataclass
from typing import Any

from blubees.steps.contract import Done, Example, Outcome, Tools, step_kind


@step_kind("set")
@dataclass(frozen=True, slots=True)
class Set:
    """Name values: later steps read each as `{{name}}`, and all as `{{steps.<id>.name}}`."""

    values: dict[str, Any]

    async def perform(self, _tools: Tools) -> Outcome:
        """Give the values."""
        return Done(self.values, variables=self.values)


EXAMPLES = (
    Example({"values": {"key": "AB-1", "points": 3}}, Done({"key": "AB-1", "points": 3}, {"key": "AB-1", "points": 3})),
)
