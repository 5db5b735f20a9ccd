"""A published flow compiled for performing: templates to closures, kinds found. Kept in a conduit's memory by PlanShelf.

Called by engine/runner.py and flows/intake.py.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from blubees.expressions.document import CompiledDocument, compile_document
from blubees.expressions.template import Template, compile_template
from blubees.model.flow import Branch, PublishedFlow, Step
from blubees.model.ids import FlowId, StepId, TenantId
from blubees.steps.book import KindEntry

VERSIONS_KEPT: Final = 5  # runs of an older version may still be under way; the broker's bucket keeps as many
COMPILED_KEPT: Final = 4_096  # plans compiled at a time; the rest stay as documents


@dataclass(frozen=True, slots=True)
class CompiledBranch:
    """A branch: its condition (None always holds) and its steps."""

    when: Template | None
    steps: tuple["CompiledStep", ...]


@dataclass(frozen=True, slots=True)
class CompiledStep:
    """A step ready to perform."""

    id: StepId
    kind: KindEntry
    settings: CompiledDocument
    branches: tuple[CompiledBranch, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A flow version ready to perform. `answers` tells whether a `respond` step stands anywhere in it."""

    published: PublishedFlow
    steps: tuple[CompiledStep, ...]
    answers: bool


def compile_plan(published: PublishedFlow, book: dict[str, KindEntry]) -> Plan:
    """Compile a published flow.

    Raises:
        KeyError: a kind is not in the book: the flow was published by a newer version than this conduit.
        TemplateError: a template is not one; publishing checks that.
    """
    steps = _compile_steps(published.flow.steps, book)
    return Plan(published=published, steps=steps, answers=_has_answer(steps))


class PlanShelf:
    """The plans that a conduit knows: the newest versions of every flow, compiled when first needed."""

    def __init__(self, book: dict[str, KindEntry]) -> None:
        self._book = book
        self._documents: dict[tuple[TenantId, FlowId], dict[int, PublishedFlow]] = {}
        self._compiled: OrderedDict[tuple[TenantId, FlowId, int], Plan] = OrderedDict()

    def put(self, tenant: TenantId, flow: FlowId, published: PublishedFlow | None) -> None:
        """Keep a version. A withdrawn flow (None) keeps its versions: runs of it may be under way."""
        if published is None:
            return
        versions = self._documents.setdefault((tenant, flow), {})
        versions.pop(published.version, None)
        versions[published.version] = published
        while len(versions) > VERSIONS_KEPT:
            del versions[next(iter(versions))]

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


def _compile_steps(steps: tuple[Step, ...], book: dict[str, KindEntry]) -> tuple[CompiledStep, ...]:
    return tuple(
        CompiledStep(
            id=step.id,
            kind=book[step.kind],
            settings=compile_document(step.settings),
            branches=tuple(_compile_branch(branch, book) for branch in step.branches),
        )
        for step in steps
    )


def _compile_branch(branch: Branch, book: dict[str, KindEntry]) -> CompiledBranch:
    when = compile_template(branch.when) if branch.when else None
    return CompiledBranch(when=when, steps=_compile_steps(branch.steps, book))


def _has_answer(steps: tuple[CompiledStep, ...]) -> bool:
    return any(step.kind.name == "respond" or any(_has_answer(branch.steps) for branch in step.branches) for step in steps)
