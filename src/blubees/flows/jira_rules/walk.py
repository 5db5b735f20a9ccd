"""Goes through a rule's components and gives a flow's steps. Called by translate.py.

In the main line a condition that does not hold ends the run; in a branch it ends the turn, so what follows stands within it.
"""

from collections.abc import Iterator
from typing import Any, Final

from blubees.flows.jira_rules.build import Build, Step, UntranslatableError
from blubees.flows.jira_rules.conditions import NEVER, Condition
from blubees.flows.jira_rules.export import Component, read_text
from blubees.flows.jira_rules.note import Note
from blubees.flows.jira_rules.secrets import clean_text
from blubees.flows.jira_rules.smart import join
from blubees.flows.jira_rules.table import ACTIONS, BRANCHES, CONDITIONS, CONTAINER, GROUP, IF_BLOCKS, find_entry
from blubees.flows.jira_rules.writing import PATH

TRIED: Final = "It stands in something that could not be translated."


def is_condition(component: Component) -> bool:
    """Whether it asks something, and has nothing in it that is done."""
    if component.type in CONDITIONS:
        return True
    return component.kind == "CONDITION" and component.type != CONTAINER and not component.children


class Walker:
    """Translates the components of one rule."""

    def __init__(self, build: Build) -> None:
        self.build = build

    def walk(self, components: list[Component], *, in_turn: bool) -> list[Step]:
        """Translate components that stand one after the other."""
        steps: list[Step] = []
        waiting: list[str] = []
        for place, component in enumerate(components):
            if is_condition(component):
                condition = self.ask(component)
                steps += condition.prepare
                waiting.append(condition.expression)
                continue
            if waiting and in_turn:
                inner = self.walk(components[place:], in_turn=True)
                return [*steps, self._choose(join(waiting, "and"), inner, components[place - 1])] if inner else steps
            if waiting:
                steps.append(self._stop_unless(join(waiting, "and"), components[place - 1]))
                waiting = []
            steps += self._own(component, self.translate(component, in_turn=in_turn))
        if waiting and not in_turn:
            steps.append(self._stop_unless(join(waiting, "and"), components[-1]))
        return steps

    def ask(self, component: Component) -> Condition:
        """Translate a condition; one that can't be does not hold, and a placeholder stands before it."""
        entry = find_entry(CONDITIONS, component.type)
        note = self.build.open_note(component, entry.becomes)
        try:
            condition: Condition = entry.need()(self.build, component, note)
        except UntranslatableError as error:
            return Condition(NEVER, self._own(component, [self._hold(note, error)]))
        condition.prepare = self._own(component, condition.prepare)
        return condition

    def translate(self, component: Component, *, in_turn: bool) -> list[Step]:
        """Translate a block, a branch or an action."""
        if component.type == CONTAINER:
            return self._translate_block(component, in_turn=in_turn)
        if component.type == GROUP or (component.type in IF_BLOCKS and not component.conditions):
            self.build.open_note(component, "its steps, one after the other")
            return self.walk(component.children, in_turn=in_turn)
        is_branch = component.type in BRANCHES or (component.kind == "BRANCH" and component.type not in ACTIONS)
        entry = find_entry(BRANCHES if is_branch else ACTIONS, component.type)
        note = self.build.open_note(component, entry.becomes)
        if entry.translate is None and is_branch and "smartValue" in component.settings:
            entry, note.becomes = BRANCHES["jira.advanced.branch"], "each"
        try:
            if is_branch:
                return list(entry.need()(self.build, component, note, self._walk_turn))
            steps = list(entry.need()(self.build, component, note))
        except UntranslatableError as error:
            self._refuse_inner(component)
            return [self._hold(note, error)]
        return [*steps, *self.walk(component.children, in_turn=in_turn)]

    def _walk_turn(self, components: list[Component]) -> list[Step]:
        return self.walk(components, in_turn=True)

    def _translate_block(self, component: Component, *, in_turn: bool) -> list[Step]:
        """If, else if, else."""
        note = self.build.open_note(component, "choose")
        blocks = [each for each in component.children if each.kind == "CONDITION_BLOCK" or each.type in IF_BLOCKS]
        if not blocks:
            return self._translate_plain_block(component, note, in_turn=in_turn)
        prepare: list[Step] = []
        branches: list[dict[str, Any]] = []
        for block in blocks:
            branch, before = self._translate_if(block, in_turn=in_turn)
            prepare += before
            if branches and "when" not in branches[-1]:
                note.approximate("What follows an else is never reached, and is left out.")
                break
            branches.append(branch)
        outside = [each for each in component.children if each not in blocks]
        rest = self.walk(outside, in_turn=in_turn) if outside else []
        return [*prepare, self.build.step("choose", {}, note, wanted="choose") | {"branches": branches}, *rest]

    def _translate_plain_block(self, component: Component, note: Note, *, in_turn: bool) -> list[Step]:
        """A block whose conditions and actions stand side by side."""
        asked = [*component.conditions, *(each for each in component.children if is_condition(each))]
        conditions = [self.ask(each) for each in asked]
        inner = self._keep_issue([each for each in component.children if each not in asked], in_turn=in_turn)
        prepare = [step for each in conditions for step in each.prepare]
        if not inner:
            note.becomes = "nothing: nothing stands in it"
            return prepare
        branch: dict[str, Any] = {"steps": inner}
        if conditions:
            branch = {"when": f"{{{{{join([each.expression for each in conditions], 'and')}}}}}"} | branch
        return [*prepare, self.build.step("choose", {}, note, wanted="choose") | {"branches": [branch]}]

    def _translate_if(self, block: Component, *, in_turn: bool) -> tuple[dict[str, Any], list[Step]]:
        self.build.open_note(block, "a branch of choose")
        conditions = [self.ask(each) for each in block.conditions]
        prepare = [step for each in conditions for step in each.prepare]
        inner = self._keep_issue(block.children, in_turn=in_turn) or self._own(block, [self._do_nothing()])
        branch: dict[str, Any] = {"name": clean_text(block.name)} if block.name else {}
        if conditions:
            any_of = read_text(block.settings.get("conditionMatchType"), 10).upper() in {"ANY", "OR"}
            branch["when"] = f"{{{{{join([each.expression for each in conditions], 'or' if any_of else 'and')}}}}}"
        return branch | {"steps": inner}, prepare

    def _keep_issue(self, components: list[Component], *, in_turn: bool) -> list[Step]:
        """Translate what may not run: an issue that is asked for again in there is not known after it."""
        build = self.build
        issue, watched = build.aliases.get("issue"), build.watched
        steps = self.walk(components, in_turn=in_turn)
        build.aliases.pop("issue", None)
        build.aliases |= {"issue": issue} if issue is not None else {}
        build.watched = watched
        return steps

    def _do_nothing(self) -> Step:
        return self.build.step("set", {"values": {}}, wanted="nothing")

    def _choose(self, expression: str, inner: list[Step], component: Component) -> Step:
        step = self.build.step("choose", {}, wanted="when") | {"branches": [{"when": f"{{{{{expression}}}}}", "steps": inner}]}
        return self._own(component, [step])[0]

    def _stop_unless(self, expression: str, component: Component) -> Step:
        stop = self.build.step("stop", {}, wanted="stop")
        step = self.build.step("choose", {}, wanted="unless")
        step["branches"] = [{"when": f"{{{{not({expression})}}}}", "steps": [stop]}]
        return self._own(component, [step])[0]

    def _hold(self, note: Note, error: UntranslatableError) -> Step:
        note.refusal, note.to_do = error.reason, [error.to_do] if error.to_do else []
        return self.build.placeholder(note)

    def _refuse_inner(self, component: Component) -> None:
        for inner in (*component.conditions, *component.children):
            self.build.open_note(inner, "").refusal = TRIED
            self._refuse_inner(inner)

    def _own(self, component: Component, steps: list[Step]) -> list[Step]:
        """Write into steps, those in blocks too, which component they stand for."""
        for step in list_steps(steps):
            step.setdefault(PATH, component.path)
        return steps


def list_steps(steps: list[Step]) -> Iterator[Step]:
    """Give steps and those in their blocks."""
    for step in steps:
        yield step
        for branch in step.get("branches", ()):
            yield from list_steps(branch["steps"])
