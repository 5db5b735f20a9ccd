"""The contract of a step kind: a frozen dataclass that is its settings, plus `perform`, plus EXAMPLES.

Each file in steps/kinds follows it; steps/book.py finds them; engine/runner.py performs them. How to add one: CONTRIBUTING.md.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from blubees.model.call import Call, CallAnswer, Transfer, Transferred
from blubees.model.failures import Failure, FailureCode
from blubees.model.field_names import FieldNames
from blubees.model.flow import TriggerKind
from blubees.model.parking import Answered, SignOffRule, WaitKind
from blubees.model.receipt import StopReason


class BranchRule(StrEnum):
    """What branches a kind has.

    `conditional`: only the last may do without `when`. `one`: exactly one, without. `loop`: exactly one, whose `when` is asked
    before each turn. `all`: two or more, without. `try`: named try and catch, and perhaps finally, without. `named`: each has
    one of the kind's own names, without; all may be left out.
    """

    NONE = "none"
    CONDITIONAL = "conditional"
    ONE = "one"
    LOOP = "loop"
    ALL = "all"
    TRY = "try"
    NAMED = "named"


@dataclass(frozen=True, slots=True)
class Done:
    """The step is done; `result` is what `{{steps.<id>.…}}` reads. `variables` become `{{name}}` for later steps."""

    result: object = None
    variables: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Enter:
    """Perform the branch with this number (from 0); None enters none. `result` can be read from within it and later."""

    branch: int | None
    result: object = None


@dataclass(frozen=True, slots=True)
class EnterNamed:
    """Perform the branch of this name, where there is one."""

    name: str
    result: object = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer the waiting caller, then go on."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Stop:
    """End the run here, as planned by its author; with a reason, it was not a step that stopped it."""

    reason: StopReason | None = None


@dataclass(frozen=True, slots=True)
class ForEach:
    """Perform the branch once for each item.

    Attributes:
        name: what smart values call the item.
        at_once: how many turns may be under way at a time.
        goes_on: whether the others go on when one fails.
    """

    items: tuple[object, ...]
    name: str
    at_once: int
    goes_on: bool


@dataclass(frozen=True, slots=True)
class Repeat:
    """Perform the branch while its `when` holds, or at least once and until it holds; at most `limit` times."""

    limit: int
    is_until: bool = False


@dataclass(frozen=True, slots=True)
class EnterAll:
    """Perform all branches at a time, and go on when all have ended."""


@dataclass(frozen=True, slots=True)
class Try:
    """Perform `try`; when it fails, `catch`; in any case, `finally`."""


@dataclass(frozen=True, slots=True)
class Park:
    """The run waits here: it leaves this process, and `perform` is called again when the wait is over, with `tools.answer`.

    Attributes:
        due_milliseconds: when the wait is over in any case, UTC since 1970.
        rule: who may answer (sign_off only).
        trigger, issue: for which event (event only).
        note: kept with the run, sealed, for whoever answers (a sign-off's exact question).
        connection: whose grant is waited for (connection only; the engine's own, for every step that calls).
    """

    kind: WaitKind
    due_milliseconds: int
    rule: SignOffRule | None = None
    trigger: TriggerKind | None = None
    issue: str = ""
    note: object = None
    connection: str = ""


@dataclass(frozen=True, slots=True)
class PerformFlow:
    """Perform another flow as this step; the step's result is what that one gives."""

    flow: str
    inputs: Mapping[str, object]


Outcome = Done | Enter | EnterNamed | ForEach | Repeat | EnterAll | Try | PerformFlow | Park | Answer | Stop | Failure


class Tools(Protocol):
    """What a step may use besides its settings."""

    async def call(self, call: Call) -> CallAnswer | Failure:
        """Call a third party."""
        ...

    async def call_jira(self, call: Call) -> CallAnswer | Failure:
        """Call the tenant's own Jira as the app."""
        ...

    async def transfer(self, transfer: Transfer) -> Transferred | Failure:
        """Pass a file from one third party to another, in pieces."""
        ...

    async def list_field_names(self) -> FieldNames | Failure:
        """The names of the fields of the tenant's own Jira, at most ten minutes old."""
        ...

    async def mark_seen(self, key: str, days: int) -> bool | Failure:
        """Whether this step has seen the key before, in another run or turn; from now on it has, for so many days."""
        ...

    def holds(self, branch: int) -> bool:
        """Whether the condition of a branch holds (blocks only). An empty one does."""
        ...

    def has_branch(self, name: str) -> bool:
        """Whether the step has a branch of this name."""
        ...

    @property
    def branch_count(self) -> int:
        """How many branches the step has."""
        ...

    def now_milliseconds(self) -> int:
        """The time, UTC since 1970."""
        ...

    @property
    def answer(self) -> Answered | None:
        """How the wait ended that this step had asked for; None before."""
        ...

    @property
    def event(self) -> object:
        """What came for this step while it waited; None before."""
        ...

    @property
    def issue(self) -> str:
        """The id of the issue that the run is about; empty for none."""
        ...


@dataclass(frozen=True, slots=True)
class Example:
    """One example: documentation, fixture and test at once.

    Attributes:
        settings: as they are after smart values were worked out.
        gives: the outcome; a FailureCode stands for any failure with it.
        replies: what third parties answer, in order: (status, JSON body or text).
        asks: what the first call must be: (method, path or URL); empty for no call.
        holds: for blocks, which branches' conditions hold.
        seen: whether the key was seen.
        answer: how the wait ended that the step had asked for.
        named: the names of its branches; `issue`: the id of the issue that the run is about.
        field_names: by the name without case, the ids of Jira's fields.
    """

    settings: dict[str, Any]
    gives: Outcome | FailureCode
    replies: tuple[tuple[int, Any], ...] = ()
    asks: tuple[str, str] | tuple[()] = ()
    holds: tuple[bool, ...] = ()
    seen: bool = False
    answer: Answered | None = None
    named: tuple[str, ...] = ()
    issue: str = ""
    field_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KindMark:
    """What the decorator leaves on a settings class."""

    name: str
    branches: BranchRule
    names: tuple[str, ...] = ()
    waits: bool = False


_Class = TypeVar("_Class", bound=type)


def step_kind(
    name: str, *, branches: BranchRule = BranchRule.NONE, names: tuple[str, ...] = (), waits: bool = False
) -> Callable[[_Class], _Class]:
    """Mark a frozen dataclass as a step kind's settings.

    Args:
        name: lower case, at most one dot ("jira.get_issue").
        branches: whether the kind is a block.
        names: of its branches (BranchRule.NAMED only).
        waits: whether it may park the run.
    """

    def mark(settings: _Class) -> _Class:
        settings.__step_kind__ = KindMark(name, branches, names, waits)  # type: ignore[attr-defined]
        return settings

    return mark
