"""Perform another flow as a step."""

from dataclasses import dataclass, field
from typing import Annotated, Any

from msgspec import Meta

from blubees.model.ids import FLOW_PATTERN
from blubees.steps.contract import Example, Outcome, PerformFlow, Tools, step_kind


@step_kind("run_flow")
@dataclass(frozen=True, slots=True)
class RunFlow:
    """Perform another flow of the tenant in this run, and give its `outputs`. Its trigger must be `manual` or `called`.

    `inputs` are converted to what the flow says it takes. The version that is live when the run comes here is performed, also
    when the run is taken over. A failure in it is this step's failure; `stop` in it ends it alone. At most 5 deep; the flow's
    own `runs` and `error_flow` do not count here.
    """

    flow: Annotated[str, Meta(pattern=FLOW_PATTERN)]
    inputs: dict[str, Any] = field(default_factory=dict)

    async def perform(self, _tools: Tools) -> Outcome:
        """Say which."""
        return PerformFlow(self.flow, self.inputs)


EXAMPLES = (
    Example({"flow": "add"}, PerformFlow("add", {})),
    Example({"flow": "add", "inputs": {"a": 1}}, PerformFlow("add", {"a": 1})),
)
