"""Is this flow runnable? Reports all that is wrong at once: line, column, what is allowed, the nearest right name.

Called by `blubees flow check`, the operator API and flows/versions.py. A flow that passes compiles.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import jsonschema_rs
import msgspec

from blubees.engine.scope import COMMON_ROOTS, ROOTS
from blubees.expressions.document import check_document, list_templates
from blubees.expressions.errors import TemplateError
from blubees.expressions.shapes import Shape
from blubees.expressions.template import Template, compile_template
from blubees.flows.check_action import check_action, complain_kind
from blubees.flows.check_clock import CLOCK_KINDS, check_clock, list_found_roots
from blubees.flows.check_head import HEAD, check_call, check_head, check_input_names, check_outputs
from blubees.flows.check_late import check_late, explain_unknown, list_known
from blubees.flows.check_mapping import check_mapping
from blubees.flows.check_shapes import check_known, collect_shapes, shape_trigger
from blubees.flows.check_trigger import check_trigger, is_connectors
from blubees.flows.connectors import NO_CONNECTORS, FoundConnectors
from blubees.flows.document import Place, Problem, ReadDocument, read_document
from blubees.flows.placeholders import PLACEHOLDER, STANDS_IN_THE_WAY
from blubees.flows.schema import settings_schema
from blubees.model.flow import Flow, OnDoubt, OnError, RetryOn, SignatureEncoding, SignatureScheme, TriggerKind
from blubees.model.ids import CONNECTION_PATTERN, FLOW_PATTERN, STEP_PATTERN
from blubees.steps.book import KindEntry
from blubees.steps.contract import BranchRule

STEPS_MAX: Final = 200
BLOCKS_MAX: Final = 8
NAME_MAX: Final = 200
DESCRIPTION_MAX: Final = 2_000
HANDLING: Final = ("on_doubt", "on_error", "retry", "timeout_seconds")
TIMEOUT_SECONDS: Final = (0.1, 600)
RETRY_ATTEMPTS: Final = (2, 10)
RETRY_SECONDS: Final = (0.1, 60)
_SECRET: Final = re.compile(
    r"(?i)\b(xox[abprs]-[\w-]{10}|gh[pousr]_\w{20}|github_pat_\w{20}|glpat-[\w-]{15}|AKIA[0-9A-Z]{16}|sk-[\w-]{20}|ATATT\w{10}"
    r"|(bearer|basic)\s+[\w.~+/=-]{12})"
)
_STEP_REFERENCE: Final = 2  # steps.<id>


class _Branches(NamedTuple):
    """How many branches, and how to say it."""

    least: int
    most: int
    words: str


JIRA_KINDS: Final = (TriggerKind.ISSUE_CREATED, TriggerKind.ISSUE_UPDATED, TriggerKind.ISSUE_COMMENTED)
TRIGGER_OWNERS: Final[dict[str, tuple[TriggerKind, ...]]] = {
    "from_flows": JIRA_KINDS,
    "signature": (TriggerKind.WEBHOOK,),
    "delivery_id_header": (TriggerKind.WEBHOOK,),
    "every_seconds": CLOCK_KINDS,
    "cron": (TriggerKind.SCHEDULE,),
    "time_zone": (TriggerKind.SCHEDULE,),
    "missed": (TriggerKind.SCHEDULE,),
    "jql": (TriggerKind.SCHEDULE,),
    "for_each": (TriggerKind.SCHEDULE,),
    "poll": (TriggerKind.POLL,),
}
BRANCH_RULES: Final = {
    BranchRule.CONDITIONAL: _Branches(1, 50, "a list of {when, steps}; the last may do without when"),
    BranchRule.ONE: _Branches(1, 1, "a list with one {steps}"),
    BranchRule.LOOP: _Branches(1, 1, "a list with one {when, steps}"),
    BranchRule.ALL: _Branches(2, 50, "a list of two or more {name, steps}"),
    BranchRule.NAMED: _Branches(0, 10, "a list of {name, steps}"),
    BranchRule.TRY: _Branches(2, 3, "a list of {name: try, steps}, {name: catch, steps} and perhaps {name: finally, steps}"),
}
ERROR_RULE: Final = _Branches(1, 1, "a list with one {name: error, steps}")


@dataclass(frozen=True, slots=True)
class CheckedFlow:
    """A flow when it has no errors (it may have warnings), and everything that was found."""

    flow: Flow | None
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Without the warnings."""
        return tuple(problem for problem in self.problems if problem.severity == "error")


def check_flow(text: str, book: Mapping[str, KindEntry], found: FoundConnectors = NO_CONNECTORS) -> CheckedFlow:
    """Check a flow's text. Never raises for what stands in it.

    Args:
        book: the step kinds that are no actions.
        found: what find_connectors() gives of the text.
    """
    read = read_document(text)
    checker = _Checker(read, found.extend(book), found)
    if not read.problems or isinstance(read.data, dict):
        checker.check()
    problems = tuple(sorted(read.problems, key=lambda each: (each.line, each.column, each.path)))
    if any(problem.severity == "error" for problem in problems):
        return CheckedFlow(None, problems)
    data = read.data if checker.trigger is None else {**read.data, "trigger": checker.trigger}
    return CheckedFlow(msgspec.convert(data, Flow), problems)


@dataclass(slots=True)
class _Checker:
    """Walks one document."""

    read: ReadDocument
    book: Mapping[str, KindEntry]
    found: FoundConnectors
    steps: dict[str, Place] = field(default_factory=dict)
    sure: set[str] = field(default_factory=set)
    maybe: set[str] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)
    kinds: dict[str, str] = field(default_factory=dict)
    roots: tuple[str, ...] = ()
    inputs: object = None
    shapes: dict[str, Shape] = field(default_factory=dict)
    count: int = 0
    trigger: dict[str, Any] | None = None

    def check(self) -> None:
        """Check all."""
        data = self.read.data
        if not isinstance(data, dict):
            self.read.complain((), f"A flow is a mapping with id, name, trigger and steps; this is {_name_type(data)}.")
            return
        self.expect_names((), data, ("id", "name", "trigger", "steps"), ("description", *HEAD))
        self.expect_text(("id",), data, FLOW_PATTERN, "1 to 63 lower-case letters, digits and hyphens")
        self.expect_length(("name",), data, 1, NAME_MAX)
        self.expect_length(("description",), data, 0, DESCRIPTION_MAX)
        kind = self.check_trigger(data["trigger"]) if "trigger" in data else None
        self.inputs = data.get("inputs")
        self.list_ids(data.get("steps"), ("steps",), 0)
        self.shapes = collect_shapes(data, kind, self.book) | shape_trigger(self.found, self.trigger)
        check_head(self, data, kind)
        if self.count > STEPS_MAX:
            self.read.complain(("steps",), f"The flow has {self.count} steps, allowed are {STEPS_MAX}. Split it.")
        if "steps" in data:
            self.check_steps(data["steps"], ("steps",), self.sure)
        check_outputs(self, data, self.sure)

    def check_trigger(self, trigger: object) -> TriggerKind | None:
        """Check the trigger and set which first names there are."""
        place: Place = ("trigger",)
        if not isinstance(trigger, dict):
            self.read.complain(place, f"A trigger is a mapping with `on`; this is {_name_type(trigger)}.")
            return None
        if is_connectors(trigger.get("on")):
            return self.check_connectors_trigger(trigger, place)
        self.expect_names(place, trigger, ("on",), ("where", *TRIGGER_OWNERS))
        kind: TriggerKind | None = self.expect_choice((*place, "on"), trigger, TriggerKind)
        self.roots = (*ROOTS[kind], *list_found_roots(trigger), *COMMON_ROOTS) if kind else ()
        if "where" in trigger:
            self.check_condition((*place, "where"), trigger["where"])
        for name, owners in TRIGGER_OWNERS.items():
            if name in trigger and kind and kind not in owners:
                words = " and ".join(each.value for each in owners)
                self.read.complain((*place, name), f"`{name}` belongs to the trigger {words} only. Remove it.")
        if type(trigger.get("from_flows", False)) is not bool:
            self.read.complain((*place, "from_flows"), "`from_flows` is true or false.")
        if kind in CLOCK_KINDS:
            check_clock(self, trigger, kind)
        if kind is TriggerKind.WEBHOOK:
            self.check_signature(trigger.get("signature"), trigger)
        return kind

    def check_connectors_trigger(self, trigger: dict[str, Any], place: Place) -> TriggerKind | None:
        """Check a trigger of a connector: what it is written out as is what conduits get."""
        data = self.read.data
        self.trigger = check_trigger(self, trigger, data.get("id") if isinstance(data, dict) else None)
        kind = TriggerKind(self.trigger["on"]) if self.trigger is not None else None
        self.roots = (*ROOTS[kind], *COMMON_ROOTS) if kind is not None else ()
        if "where" in trigger:
            self.check_condition((*place, "where"), trigger["where"])
        return kind

    def check_signature(self, signature: object, trigger: Mapping[str, Any]) -> None:
        """Check how the sender is recognised."""
        place: Place = ("trigger", "signature")
        header = trigger.get("delivery_id_header", "")
        if not isinstance(header, str) or not re.fullmatch(r"[A-Za-z0-9-]{0,100}", header):
            self.read.complain(("trigger", "delivery_id_header"), "This must be a header's name.")
        if signature is None:
            return
        if not isinstance(signature, dict):
            self.read.complain(place, f"A signature is a mapping with `scheme`; this is {_name_type(signature)}.")
            return
        self.expect_names(place, signature, ("scheme",), ("connection", "header", "prefix", "encoding"))
        scheme = self.expect_choice((*place, "scheme"), signature, SignatureScheme)
        if scheme in {SignatureScheme.HOOK, SignatureScheme.HMAC, SignatureScheme.TOKEN}:
            self.read.complain((*place, "scheme"), "This scheme belongs to triggers of connectors (`on: slack.message`).")
        if "encoding" in signature:
            self.expect_choice((*place, "encoding"), signature, SignatureEncoding)
        if scheme and scheme is not SignatureScheme.NONE:
            self.expect_text(
                (*place, "connection"), signature, CONNECTION_PATTERN, "the name of a connection of kind signing_secret"
            )
        if scheme is SignatureScheme.HMAC_SHA256:
            self.expect_text((*place, "header"), signature, r"[A-Za-z0-9-]{1,100}", "the header that carries the signature")
        for name in ("header", "prefix", "encoding"):
            if name in signature and scheme and scheme is not SignatureScheme.HMAC_SHA256:
                self.read.complain((*place, name), f"`{name}` belongs to the scheme hmac_sha256 only. Remove it.")

    def list_ids(self, steps: object, place: Place, depth: int) -> None:
        """Collect every step's id first, so that a reference to a later one can be told from one to none."""
        for number, step in enumerate(steps) if isinstance(steps, list) and depth <= BLOCKS_MAX else ():
            self.count += 1
            here: Place = (*place, number)
            if not isinstance(step, dict):
                continue
            identity = step.get("id")
            if isinstance(identity, str):
                if identity in self.steps:
                    line = self.read.places.get(self.steps[identity], (0, 0))[0]
                    self.read.complain(
                        (*here, "id"), f"The id {identity[:60]} is taken by the step in line {line}. Choose another."
                    )
                self.steps.setdefault(identity, here)
                self.kinds.setdefault(identity, str(step.get("kind")))
            branches = step.get("branches")
            for index, branch in enumerate(branches) if isinstance(branches, list) else ():
                if isinstance(branch, dict):
                    self.list_ids(branch.get("steps"), (*here, "branches", index, "steps"), depth + 1)

    def check_steps(self, steps: object, place: Place, done: set[str]) -> None:
        """Check steps in order; `done` holds the ids that have run for sure before."""
        if not isinstance(steps, list) or not steps:
            self.read.complain(place, "Steps are a list with at least one step.")
            return
        if sum(1 for part in place if part == "branches") > BLOCKS_MAX:
            self.read.complain(place, f"Blocks are nested deeper than {BLOCKS_MAX}. Split the flow.")
            return
        for number, step in enumerate(steps):
            here: Place = (*place, number)
            if not isinstance(step, dict):
                self.read.complain(here, f"A step is a mapping with id and kind; this is {_name_type(step)}.")
                continue
            self.check_step(step, here, done)
            if isinstance(step.get("id"), str):
                done.add(step["id"])

    def check_step(self, step: dict[str, Any], here: Place, done: set[str]) -> None:
        """Check one step."""
        self.expect_names(here, step, ("id", "kind"), ("name", "with", "branches", *HANDLING))
        self.check_handling(step, here)
        self.expect_text((*here, "id"), step, STEP_PATTERN, "1 to 63 lower-case letters, digits and _, starting with a letter")
        self.expect_length((*here, "name"), step, 0, NAME_MAX)
        settings = step.get("with", {})
        name = step.get("kind")
        entry = self.book.get(name) if isinstance(name, str) else None
        if "kind" in step and entry is None:
            complain_kind(self, (*here, "kind"), name)
        if not isinstance(settings, dict):
            self.read.complain((*here, "with"), f"`with` is a mapping of settings; this is {_name_type(settings)}.")
            settings = {}
        if entry is not None:
            self.check_settings(entry, settings, (*here, "with"))
            if entry.name == "wait_for":  # what came is there when `where` is asked
                self.variables.add("event")
            if entry.branches is BranchRule.ONE:  # a loop over items gives the item a name
                self.variables |= {str(settings.get("name", "item")), "index"}
            if entry.branches in {BranchRule.ONE, BranchRule.LOOP, BranchRule.ALL}:
                for number, branch in enumerate(step["branches"]) if isinstance(step.get("branches"), list) else ():
                    inner = branch.get("steps") if isinstance(branch, dict) else None
                    self.forbid_answers(inner, (*here, "branches", number, "steps"), entry.name)
            self.check_branches(entry, step, here, done)
            for word in HANDLING if entry.branches is not BranchRule.NONE else ():
                if word in step:
                    self.read.complain(
                        (*here, word), f"{entry.name} is a block and has no `{word}`. Give it to the steps in it, or use try."
                    )
        if name == PLACEHOLDER:
            self.read.complain(here, STANDS_IN_THE_WAY, severity="warning")
        if name == "run_flow":
            check_call(self, step, settings, here)
        self.check_templates(settings, (*here, "with"), done)
        if name == "set" and isinstance(settings.get("values"), dict):
            self.take_variables(settings["values"], (*here, "with", "values"))

    def check_handling(self, step: dict[str, Any], here: Place) -> None:
        """Check what a step says about its failures."""
        for name, words in (("on_doubt", OnDoubt), ("on_error", OnError)):
            if name in step:
                self.expect_choice((*here, name), step, words)
        self.expect_number((*here, "timeout_seconds"), step, TIMEOUT_SECONDS)
        retry = step.get("retry")
        if retry is None:
            return
        place: Place = (*here, "retry")
        if not isinstance(retry, dict):
            self.read.complain(place, f"`retry` is a mapping with attempts, seconds and on; this is {_name_type(retry)}.")
            return
        self.expect_names(place, retry, ("attempts",), ("seconds", "on"))
        self.expect_number((*place, "attempts"), retry, RETRY_ATTEMPTS, whole=True)
        self.expect_number((*place, "seconds"), retry, RETRY_SECONDS)
        chosen, known = retry.get("on"), [each.value for each in RetryOn]
        if chosen is not None and (not isinstance(chosen, list) or not chosen or any(each not in known for each in chosen)):
            self.read.complain((*place, "on"), f"`on` is a list of: {', '.join(known)}.")

    def expect_number(self, place: Place, data: dict[str, Any], bounds: tuple[float, float], *, whole: bool = False) -> None:
        """Expect a number within bounds, where there is one."""
        name, kinds = str(place[-1]), (int,) if whole else (int, float)
        if name in data and not (type(data[name]) in kinds and bounds[0] <= data[name] <= bounds[1]):
            what = "a whole number" if whole else "a number"
            self.read.complain(
                place, f"`{name}` is {_name_type(data[name])}, allowed is {what} from {bounds[0]} to {bounds[1]}."
            )

    def check_settings(self, entry: KindEntry, settings: dict[str, Any], place: Place) -> None:
        """Check the settings against the kind's schema."""
        if entry.action is not None:
            check_action(self, entry.action, settings, place)
            return
        schema = settings_schema(entry)
        known = schema["properties"]
        for name in settings:
            if name not in known:
                self.complain_name((*place, name), f"{entry.name} has no setting {_quote(name)}.", name, known)
        for name in schema["required"]:
            if name not in settings:
                self.read.complain(place, f"{entry.name} needs the setting `{name}`.")
        for name, value in settings.items():
            if name in known and not jsonschema_rs.is_valid(known[name], value):
                allowed = _describe(known[name])
                self.read.complain((*place, name), f"{entry.name}: `{name}` is {_name_type(value)}, allowed is {allowed}.")
        if entry.name == "map":
            check_mapping(self, settings, place)

    def check_branches(self, entry: KindEntry, step: dict[str, Any], here: Place, done: set[str]) -> None:
        """Check a block's branches: what runs in one of them may not have run after it."""
        place: Place = (*here, "branches")
        branches = step.get("branches")
        is_step = entry.branches is BranchRule.NONE
        if is_step and step.get("on_error") != OnError.BRANCH:
            if branches is not None:
                hint = " They are for on_error: branch." if step.get("on_error") is None else ""
                self.read.complain(place, f"{entry.name} has no branches. Remove them.{hint}")
            return
        rule = ERROR_RULE if is_step else BRANCH_RULES[entry.branches]
        if branches is None and not rule.least:
            return
        if not isinstance(branches, list) or not rule.least <= len(branches) <= rule.most:
            self.read.complain(place, f"{'on_error: branch' if is_step else entry.name} needs `branches`: {rule.words}.")
            return
        if is_step:
            self.check_error_branch(branches, place)
        if entry.branches is BranchRule.TRY:
            self.check_try(branches, place)
        if entry.branches is BranchRule.NAMED:
            self.check_named(entry, branches, place)
        inner: set[str] = set()
        for number, branch in enumerate(branches):
            spot: Place = (*place, number)
            if not isinstance(branch, dict):
                self.read.complain(spot, f"A branch is a mapping with when and steps; this is {_name_type(branch)}.")
                continue
            self.expect_names(
                spot, branch, ("steps", "when") if entry.branches is BranchRule.LOOP else ("steps",), ("when", "name")
            )
            self.check_when(entry, branch, spot, done, is_last=number == len(branches) - 1)
            within = set(done)
            if entry.branches is BranchRule.NAMED and isinstance(step.get("id"), str):
                within.add(step["id"])  # its result can be read in its branches already
            self.check_steps(branch.get("steps"), (*spot, "steps"), within)
            inner |= within - done
        if entry.branches is BranchRule.ALL:
            done |= inner
        else:
            self.maybe |= inner

    def check_when(self, entry: KindEntry, branch: dict[str, Any], spot: Place, done: set[str], *, is_last: bool) -> None:
        """Check a branch's condition: some kinds need one, some have no use for it."""
        rule = entry.branches
        if branch.get("when"):
            if rule in {BranchRule.CONDITIONAL, BranchRule.LOOP}:
                own = {
                    step["id"]
                    for step in branch.get("steps") or ()
                    if isinstance(step, dict) and isinstance(step.get("id"), str)
                }
                self.check_condition((*spot, "when"), branch["when"], done | own if rule is BranchRule.LOOP else done)
            else:
                self.read.complain((*spot, "when"), f"A branch of {entry.name} has no `when`. Remove it.")
        elif rule is BranchRule.CONDITIONAL and not is_last:
            self.read.complain(spot, "Only the last branch may do without `when`: those after it would never be taken.")

    def check_try(self, branches: list[Any], place: Place) -> None:
        """Check the names of a `try` block's branches."""
        names = [branch.get("name") if isinstance(branch, dict) else None for branch in branches]
        if names not in (["try", "catch"], ["try", "catch", "finally"]):
            self.read.complain(place, "The branches of try are named try, catch and, if there is one, finally: in this order.")
        self.variables.add("error")

    def check_named(self, entry: KindEntry, branches: list[Any], place: Place) -> None:
        """Check that each branch has one of the kind's own names, and each name is there once."""
        names = [branch.get("name") if isinstance(branch, dict) else None for branch in branches]
        for number, name in enumerate(names):
            if name not in entry.names or name in names[:number]:
                words = " or ".join(entry.names)
                self.read.complain((*place, number), f"A branch of {entry.name} is named {words}, each once at most.")

    def check_error_branch(self, branches: list[Any], place: Place) -> None:
        """Check the name of the branch that is taken when a step fails."""
        if isinstance(branches[0], dict) and branches[0].get("name") != "error":
            self.read.complain((*place, 0), "The branch that is taken when the step fails is named error.")
        self.variables.add("error")

    def forbid_answers(self, steps: object, place: Place, block: str) -> None:
        """A caller is answered once: no `respond` where things happen several times or at a time."""
        for number, step in enumerate(steps) if isinstance(steps, list) else ():
            if not isinstance(step, dict):
                continue
            if step.get("kind") == "respond":
                self.read.complain((*place, number), f"respond can't stand in {block}: a caller is answered once. Move it out.")
            branches = step.get("branches")
            for index, branch in enumerate(branches) if isinstance(branches, list) else ():
                if isinstance(branch, dict):
                    self.forbid_answers(branch.get("steps"), (*place, number, "branches", index, "steps"), block)

    def check_condition(self, place: Place, condition: object, done: Iterable[str] = ()) -> None:
        """Check a condition: one smart value and nothing around it."""
        if not isinstance(condition, str):
            self.read.complain(
                place, f'A condition is a smart value such as "{{{{issue.key}}}}"; this is {_name_type(condition)}.'
            )
            return
        self.check_templates(condition, place, set(done))
        try:
            if not compile_template(condition).is_single_expression:
                self.read.complain(place, "A condition is exactly one smart value, with nothing before or behind it.")
        except TemplateError:
            return  # told by check_templates

    def check_templates(self, document: object, place: Place, done: set[str]) -> None:
        """Check every template: its text, the names it starts from, the steps it reads; and that no secret is typed in."""
        for spot, error in check_document(document, place):
            self.read.complain(spot, f"{error.message} (character {error.position + 1})", nearest=error.hint)
        for spot, template in list_templates(document, place):
            if _SECRET.search(template.source):
                self.read.complain(spot, "This looks like a secret. Keep secrets in a connection: flows are stored as typed.")
            self.check_roots(spot, template)
            self.check_references(spot, template, done)
            check_late(self, spot, template, done, self.variables)
            check_input_names(self, spot, template, self.inputs)
            check_known(self.read, spot, template, self.shapes, self.variables)

    def check_roots(self, spot: Place, template: Template) -> None:
        """Check the first names."""
        if not self.roots:
            return
        known = {*self.roots, *self.variables, *list_known(self.kinds.values())}
        folded = {name.casefold() for name in known}
        for root in sorted(template.outer_roots):
            if root.casefold() not in folded:
                missing = explain_unknown(root)
                self.complain_name(spot, missing or f"Nothing is called {_quote(root)} here.", "" if missing else root, known)

    def check_references(self, spot: Place, template: Template, done: set[str]) -> None:
        """Check `steps.<id>`: there, before, and sure to have run."""
        for path in sorted(template.paths):
            if path[0] != "steps" or len(path) < _STEP_REFERENCE:
                continue
            if path[1] not in self.steps:
                self.complain_name(spot, f"There is no step {_quote(path[1])}.", path[1], self.steps)
            elif path[1] not in done and path[1] in self.maybe:
                message = f"The step {_quote(path[1])} stands in a branch that may not have run; then this is empty."
                self.read.complain(spot, message, severity="warning")
            elif path[1] not in done:
                self.read.complain(spot, f"The step {_quote(path[1])} runs later. Move it before this one.")

    def take_variables(self, values: dict[str, Any], place: Place) -> None:
        """Take the names that a `set` step gives."""
        for name in values:
            if name in {*self.roots, *COMMON_ROOTS}:
                self.read.complain((*place, name), f"{_quote(name)} is the name of something else here. Choose another.")
            self.variables.add(name)

    def expect_names(self, place: Place, data: Mapping[str, Any], needed: tuple[str, ...], allowed: tuple[str, ...]) -> None:
        """Expect these names and no others."""
        for name in data:
            if name not in needed and name not in allowed:
                self.complain_name((*place, name), f"{_quote(name)} is not known here.", name, (*needed, *allowed))
        for name in needed:
            if name not in data:
                self.read.complain(place, f"`{name}` is missing.")

    def expect_text(self, place: Place, data: Mapping[str, Any], pattern: str, allowed: str) -> None:
        """Expect a text of a form, where there is one."""
        value = data.get(str(place[-1]))
        if str(place[-1]) in data and not (isinstance(value, str) and re.fullmatch(pattern.strip("^$"), value)):
            self.read.complain(place, f"`{place[-1]}` is {_name_type(value)}, allowed is {allowed}.")
        elif str(place[-1]) not in data and place[-1] in {"connection", "header"}:
            self.read.complain(place[:-1], f"`{place[-1]}` is missing: {allowed}.")

    def expect_length(self, place: Place, data: Mapping[str, Any], least: int, most: int) -> None:
        """Expect a text of a length, where there is one."""
        name = str(place[-1])
        value = data.get(name, " ")
        if not isinstance(value, str) or not least <= len(value) <= most:
            self.read.complain(place, f"`{name}` is {_name_type(value)}, allowed is a text of {least} to {most} characters.")

    def expect_choice(self, place: Place, data: Mapping[str, Any], choices: Any) -> Any:  # noqa: ANN401 - an enum class and its member
        """Expect one of an enum's words."""
        value = data.get(str(place[-1]))
        if value in [each.value for each in choices]:
            return choices(value)
        if str(place[-1]) in data:
            words = [each.value for each in choices]
            self.complain_name(place, f"{_quote(value)} is not one of: {', '.join(words)}.", value, words)
        return None

    def complain_name(self, place: Place, message: str, name: object, known: Iterable[str]) -> None:
        """Complain about a name and suggest the nearest right one."""
        near = difflib.get_close_matches(name, list(known), n=1) if isinstance(name, str) else []
        self.read.complain(place, message, nearest=near[0] if near else "")


def _quote(value: object) -> str:
    return f"`{value[:60]}`" if isinstance(value, str) else _name_type(value)


def _name_type(value: object) -> str:
    names = {dict: "a mapping", list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}
    return f"a text of {len(value)} characters" if isinstance(value, str) else names.get(type(value), "nothing")


def _describe(rule: Any) -> str:  # noqa: ANN401 - a JSON Schema
    """Say what a schema allows, in words."""
    if not isinstance(rule, dict) or not rule:
        return "anything"
    if "anyOf" in rule:
        return " or ".join(dict.fromkeys(_describe(each) for each in rule["anyOf"]))
    if "enum" in rule:
        return "one of " + ", ".join(str(each) for each in rule["enum"])
    if rule.get("pattern") == r"\{\{":
        return "a smart value"
    words = {"object": "a mapping", "array": "a list", "string": "a text", "boolean": "true or false", "null": "null"}
    text = words.get(rule.get("type", ""), "a whole number" if rule.get("type") == "integer" else "a number")
    bounds = [rule.get("minimum"), rule.get("maximum")]
    return text + (f" from {bounds[0]} to {bounds[1]}" if bounds[0] is not None and bounds[1] is not None else "")
