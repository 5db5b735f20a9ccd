"""What a run may reach besides third parties. Put together by main/conduit.py; used by engine/walk.py."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from blubees.connectors.field_names import LookUp
from blubees.engine.depth import DepthMarks
from blubees.engine.mail import CallBackAddresses, MailRoom
from blubees.engine.plan import PlanShelf
from blubees.engine.traces import IssueTraces
from blubees.model.ids import TenantId
from blubees.ports import SeenDesk
from blubees.steps.contract import Outcome


class RunWatch(Protocol):
    """Looks on while a run is performed: sees values. `path` names a step as engine/walk.py does: `loop[3]/post`."""

    def step_begins(self, path: str, kind: str, settings: object, line: object) -> None:
        """A step is about to be tried, with these settings; its calls go over this line."""
        ...

    def step_comes_to(self, path: str, outcome: Outcome) -> None:
        """A step has come to this; what is in a block follows."""
        ...

    def step_ends(self, path: str, result: object) -> None:
        """A step, a block with all that is in it, has ended, and this is what later steps read."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Each part may be missing: a flow that needs it fails there as if it did not answer.

    Attributes:
        seen: remembers keys for `dedupe`.
        depth: marks what flows send.
        shelf: has the flows that `run_flow` performs.
        mail: what comes for runs that wait; `call_backs`: the addresses where it comes.
        watch: looks on, for trials.
        traces: where events of our own start flows: which issues runs have written to.
        explains: whether a tenant wants each run explained by shapes, not only those that fail.
        question_key: for the salts of sign-offs' questions.
        field_names: gives the names of the fields of a tenant's Jira site.
    """

    seen: SeenDesk | None = None
    depth: DepthMarks | None = None
    shelf: PlanShelf | None = None
    mail: MailRoom | None = None
    call_backs: CallBackAddresses | None = None
    watch: RunWatch | None = None
    traces: IssueTraces | None = None
    explains: Callable[[TenantId], bool] | None = None
    question_key: bytes = b""
    field_names: LookUp | None = None
