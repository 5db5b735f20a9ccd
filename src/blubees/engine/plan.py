"""A published flow compiled for performing: templates to closures, kinds found. Kept in a conduit's memory by PlanShelf.

Called by engine/runner.py and flows/intake.py.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from blubees.engine.inputs import split_outputs
from blubees.engine.late_names import LateNames, list_late_names
from blubees.engine.named_fields import find_issue_roots, list_event_roots, names_fields
from blubees.expressions.document import CompiledDocument, compile_document
from blubees.expressions.running import LateName
from blubees.expressions.template import Template, compile_template
from blubees.model.flow import Branch, PublishedFlow, Step
from blubees.model.ids import FlowId, StepId, TenantId
from blubees.model.rules import InputType
from blubees.steps.actions import with_actions
from blubees.steps.book import KindEntry
from blubees.steps.contract import BranchRule

VERSIONS_KEPT: Final = 5  # runs of an older version may still be under way; the broker's bucket keeps as many
COMPILED_KEPT: Final = 4_096  # plans compiled at a time; the rest stay as documents


@dataclass(frozen=True, slots=True)
class CompiledBranch:
    """A branch: its condition (None always holds) and its steps."""

    when: Template | None
    steps: tuple["CompiledStep", ...]
    name: str


@dataclass(frozen=True, slots=True)
class CompiledStep:
    """A step ready to perform.

    Attributes:
        read: makes the kind's settings of rendered ones.
        names_fields: whether its smart values may read a field of an issue by its name.
        written: as its author wrote it, for what to do when it fails.
    """

    id: StepId
    kind: KindEntry
    settings: CompiledDocument
    read: Callable[[Any], Any]
    branches: tuple[CompiledBranch, ...]
    written: Step
    names_fields: bool = False


@dataclass(frozen=True, slots=True)
class Reads:
    """What smart values read: results of steps, first names and whole paths; `all_steps` when `steps` is read as a whole."""

    steps: frozenset[str] = frozenset()
    roots: frozenset[str] = frozenset()
    paths: frozenset[tuple[str, ...]] = frozenset()
    all_steps: bool = False

    def __or__(self, other: "Reads") -> "Reads":
        return Reads(
            self.steps | other.steps, self.roots | other.roots, self.paths | other.paths, self.all_steps or other.all_steps
        )

    def keeps(self, step: str) -> bool:
        """Whether a step's result is read. Names ignore case, as looking up does."""
        return self.all_steps or step.casefold() in self.steps


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A flow version ready to perform.

    Attributes:
        answers: whether a `respond` step stands anywhere in it.
        reads_when_called: the same with what the flow's outputs read.
        gate_key: of the flow's `runs`; None for none.
        call_backs: the steps that wait for a call back.
        late: the names that its steps make, such as webhookResponse.
        names_fields: whether a field of an issue may be read by its name; `outputs_name_fields` the same of its outputs.
        reads_from: for each step, what it and all steps written after it read: what a run that stands there must still hold.
    """

    published: PublishedFlow
    steps: tuple[CompiledStep, ...]
    answers: bool
    reads_from: dict[StepId, Reads]
    reads_when_called: dict[StepId, Reads]
    outputs: CompiledDocument
    output_types: Mapping[str, InputType] = field(default_factory=dict)
    gate_key: Template | None = None
    call_backs: tuple[StepId, ...] = ()
    late: Mapping[str, LateName] = field(default_factory=dict)
    names_fields: bool = False
    outputs_name_fields: bool = False


def compile_plan(published: PublishedFlow, book: dict[str, KindEntry]) -> Plan:
    """Compile a published flow.

    Raises:
        KeyError: a kind is not in the book: the flow was published by a newer version than this conduit.
        TemplateError: a template is not one; publishing checks that.
    """
    issues = find_issue_roots(published.flow.steps, list_event_roots(published.flow.trigger))
    steps = _compile_steps(published.flow.steps, with_actions(book, published.connectors), issues)
    late = list_late_names(published.flow.steps)
    reads_from: dict[StepId, Reads] = {}
    _note_reads(steps, Reads(), reads_from, late)
    written, output_types = split_outputs(published.flow.outputs)
    outputs = compile_document(written)
    reads_when_called = reads_from
    if not outputs.is_constant:
        reads_when_called = {}
        _note_reads(steps, _sort_reads(outputs.paths, late), reads_when_called, late)
    runs = published.flow.runs
    return Plan(
        published=published,
        steps=steps,
        answers=_has_answer(steps),
        reads_from=reads_from,
        reads_when_called=reads_when_called,
        outputs=outputs,
        output_types=output_types,
        gate_key=compile_template(runs.key) if runs is not None and runs.key else None,
        call_backs=tuple(_list_call_backs(published.flow.steps)),
        late=late.values,
        names_fields=_may_name_fields(steps),
        outputs_name_fields=names_fields(written, issues),
    )


class PlanShelf:
    """The plans that a conduit knows: the newest versions of every flow, compiled when first needed."""

    def __init__(self, book: dict[str, KindEntry]) -> None:
        self._book = book
        self._documents: dict[tuple[TenantId, FlowId], dict[int, PublishedFlow]] = {}
        self._live: dict[tuple[TenantId, FlowId], PublishedFlow] = {}
        self._compiled: OrderedDict[tuple[TenantId, FlowId, int], Plan] = OrderedDict()

    def put(self, tenant: TenantId, flow: FlowId, published: PublishedFlow | None) -> None:
        """Keep a version. A withdrawn flow (None) keeps its versions: runs of it may be under way."""
        if published is None:
            self._live.pop((tenant, flow), None)
            return
        if published.is_live:
            self._live[tenant, flow] = published
        versions = self._documents.setdefault((tenant, flow), {})
        versions.pop(published.version, None)
        versions[published.version] = published
        while len(versions) > VERSIONS_KEPT:
            del versions[next(iter(versions))]

    def find_live(self, tenant: TenantId, flow: FlowId) -> PublishedFlow | None:
        """Give a flow's live version; None when it has none."""
        return self._live.get((tenant, flow))

    def get(self, tenant: TenantId, flow: FlowId, version: int) -> Plan | None:
        """Give a plan, or None when this conduit does not know the version."""
        key = (tenant, flow, version)
        plan = self._compiled.get(key)
        if plan is not None:
            self._compiled.move_to_end(key)
            return plan
        published = self._documents.get((tenant, flow), {}).get(version)
        if published is None:
            return None
        plan = compile_plan(published, self._book)
        self._compiled[key] = plan
        if len(self._compiled) > COMPILED_KEPT:
            self._compiled.popitem(last=False)
        return plan


def _compile_steps(steps: tuple[Step, ...], book: dict[str, KindEntry], issues: frozenset[str]) -> tuple[CompiledStep, ...]:
    return tuple(_compile_step(step, book, issues) for step in steps)


def _compile_step(step: Step, book: dict[str, KindEntry], issues: frozenset[str]) -> CompiledStep:
    kind = book[step.kind]
    prepared = kind.prepare(step.settings)
    return CompiledStep(
        id=step.id,
        kind=kind,
        settings=compile_document(prepared),
        read=kind.make_reader(prepared),
        branches=tuple(_compile_branch(branch, book, issues) for branch in step.branches),
        written=step,
        names_fields=names_fields([step.settings, *(branch.when for branch in step.branches)], issues),
    )


def _compile_branch(branch: Branch, book: dict[str, KindEntry], issues: frozenset[str]) -> CompiledBranch:
    when = compile_template(branch.when) if branch.when else None
    return CompiledBranch(when=when, steps=_compile_steps(branch.steps, book, issues), name=branch.name)


def _may_name_fields(steps: tuple[CompiledStep, ...]) -> bool:
    return any(step.names_fields or any(_may_name_fields(branch.steps) for branch in step.branches) for step in steps)


def _list_call_backs(steps: tuple[Step, ...]) -> Iterator[StepId]:
    for step in steps:
        if step.kind == "wait_for" and step.settings.get("event", "call_back") == "call_back":
            yield step.id
        for branch in step.branches:
            yield from _list_call_backs(branch.steps)


def _has_answer(steps: tuple[CompiledStep, ...]) -> bool:
    return any(step.kind.name == "respond" or any(_has_answer(branch.steps) for branch in step.branches) for step in steps)


def _note_reads(steps: tuple[CompiledStep, ...], later: Reads, found: dict[StepId, Reads], late: LateNames) -> Reads:
    """Note, from the last step to the first, what is read from each step on; gives what the whole block and `later` read."""
    for step in reversed(steps):
        block = later | _sort_reads(step.settings.paths, late)
        for branch in step.branches:
            block |= _sort_reads(branch.when.paths, late) if branch.when is not None else Reads()
            block |= _note_reads(branch.steps, later, found, late)
        if step.kind.branches not in {
            BranchRule.CONDITIONAL,
            BranchRule.NONE,
        }:  # other branches, and other turns, are still to come
            for branch in step.branches:
                _note_reads(branch.steps, block, found, late)
        later = found[step.id] = block
    return later


def _sort_reads(paths: frozenset[tuple[str, ...]], late: LateNames) -> Reads:
    """Sort paths. A late name reads the steps that it may stand for."""
    behind = [late.reads[path[0].casefold()] for path in paths if path[0].casefold() in late.reads]
    steps = [path for path in paths if path[0].casefold() == "steps"]
    return Reads(
        steps=frozenset(path[1].casefold() for path in steps if len(path) > 1).union(*behind),
        roots=frozenset(path[0].casefold() for path in paths),
        paths=paths - frozenset(steps),
        all_steps=any(len(path) == 1 for path in steps),
    )
