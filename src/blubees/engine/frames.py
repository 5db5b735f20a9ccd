"""What a walk is made of: the line it calls over, where steps stand, and how it is unwound. Used by the files of the walk."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from blubees.engine.plan import Reads
from blubees.expressions.running import LateName, LateScope
from blubees.model.call import Call, CallAnswer, Transfer, Transferred
from blubees.model.failures import Failure
from blubees.model.ids import FlowId, StepId
from blubees.model.receipt import Attempt, StopReason
from blubees.steps.contract import (
    Answer,
    Park,
    Stop,
)

Guard = Callable[[], Awaitable[StopReason | None]]
"""Asked before each call: whether the run is to stop, and why."""


class Line(Protocol):
    """What the runner needs of connectors/caller.py for one run."""

    request_bytes: int
    answer_bytes: int
    http_status: int
    attempts: int
    refused: CallAnswer | None

    def start_step(self) -> None:
        """Count from zero."""
        ...

    async def call(self, call: Call) -> CallAnswer | Failure:
        """Call a third party."""
        ...

    async def call_jira(self, call: Call) -> CallAnswer | Failure:
        """Call the tenant's Jira."""
        ...

    async def transfer(self, transfer: Transfer) -> Transferred | Failure:
        """Pass a file from one third party to another."""
        ...


class EndOfRunError(Exception):
    """Unwinds the walk: the run ends before its last step, or hands over after an answer."""

    def __init__(self, end: Stop | Failure | Answer, step: str) -> None:
        super().__init__()
        self.end = end
        self.step = step


class ParkError(Exception):
    """Unwinds the walk: this part of the run waits for something, and the rest of it has ended or waits as well."""


class DoubtError(Exception):
    """A call is about to be made of which nobody knows whether it was made before: the step starts again, and is in doubt."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which flow steps stand in: the run's own, or one that a `run_flow` step performs.

    Attributes:
        reads_from: of the flow's plan.
        root: what the paths of all its results begin with.
        within: the `run_flow` steps that it stands in, for receipts; so many of them: `depth`.
        call_backs: its steps that wait for a call back.
        late: the names that its steps make, such as webhookResponse.
    """

    flow: FlowId
    reads_from: Mapping[StepId, Reads]
    root: str = ""
    within: str = ""
    depth: int = 0
    call_backs: tuple[StepId, ...] = ()
    late: Mapping[str, LateName] = field(default_factory=dict)


@dataclass(slots=True)
class Frame:
    """Where steps stand: what they see, and where their results are kept.

    Attributes:
        place: which flow they stand in.
        prefix: of the paths of results; `home` of those of variables, which a turn of `repeat` leaves to what it stands in.
        results: what `{{steps.…}}` reads.
        has_acted: the step under way has made a call that is not a mere read.
        history: the tries of the step under way, once one has failed.
        settings: what the step under way was given.
        skipped: the call that it came to in a dry run and did not make, or the wait that a trial did not wait for.
    """

    place: Place
    prefix: str
    home: str
    scope: LateScope
    results: dict[str, object]
    line: Line
    has_acted: bool = False
    history: Sequence[Attempt] = ()
    settings: object = None
    skipped: Call | Park | None = None


def name_of(path: str) -> str:
    """The step's own name at the end of a path."""
    return path.rpartition("/")[2]
