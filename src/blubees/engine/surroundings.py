"""What a run may reach besides third parties. Put together by main/conduit.py; used by engine/walk.py."""

from dataclasses import dataclass

from blubees.engine.depth import DepthMarks
from blubees.engine.mail import CallBackAddresses, MailRoom
from blubees.engine.plan import PlanShelf
from blubees.ports import SeenDesk


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Each part may be missing: a flow that needs it fails there as if it did not answer.

    Attributes:
        seen: remembers keys for `dedupe`.
        depth: marks what flows send.
        shelf: has the flows that `run_flow` performs.
        mail: what comes for runs that wait; `call_backs`: the addresses where it comes.
    """

    seen: SeenDesk | None = None
    depth: DepthMarks | None = None
    shelf: PlanShelf | None = None
    mail: MailRoom | None = None
    call_backs: CallBackAddresses | None = None
