"""Checks what a flow says of itself besides its steps: inputs, outputs, runs, error_flow. Called by flows/check.py."""

import re
from typing import Any, Final, Protocol

from blubees.engine.inputs import CALLABLE, convert_value, is_typed
from blubees.engine.named_fields import names_fields
from blubees.expressions.template import Template
from blubees.flows.document import Place, ReadDocument
from blubees.model.flow import TriggerKind
from blubees.model.ids import FLOW_PATTERN
from blubees.model.rules import InputType, RunMode

HEAD: Final = ("inputs", "outputs", "runs", "error_flow")
INPUTS_MAX: Final = 50
DESCRIPTION_MAX: Final = 2_000
MOST: Final = (1, 1_000)
WAITING: Final = (0, 1_000)
RATE_COUNT: Final = (1, 100_000)
RATE_SECONDS: Final = (1, 86_400)
KEY_ROOTS: Final = frozenset({"issue", "triggerissue"})
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")


class Checker(Protocol):
    """What is used of flows/check.py."""

    read: ReadDocument

    def expect_names(self, place: Place, data: dict[str, Any], needed: tuple[str, ...], allowed: tuple[str, ...]) -> None:
        """Expect these names and no others."""
        ...

    def expect_text(self, place: Place, data: dict[str, Any], pattern: str, allowed: str) -> None:
        """Expect a text of a form, where there is one."""
        ...

    def expect_length(self, place: Place, data: dict[str, Any], least: int, most: int) -> None:
        """Expect a text of a length, where there is one."""
        ...

    def expect_choice(self, place: Place, data: dict[str, Any], choices: Any) -> Any:  # noqa: ANN401 - an enum and its member
        """Expect one of an enum's words."""
        ...

    def expect_number(self, place: Place, data: dict[str, Any], bounds: tuple[float, float], *, whole: bool = False) -> None:
        """Expect a number within bounds, where there is one."""
        ...

    def check_templates(self, document: object, place: Place, done: set[str]) -> None:
        """Check every template."""
        ...


def check_head(checker: Checker, data: dict[str, Any], trigger: TriggerKind | None) -> None:
    """Check all but outputs, which read the steps."""
    for name in ("inputs", "outputs"):
        if name in data and trigger is not None and trigger not in CALLABLE:
            words = " or ".join(each.value for each in CALLABLE)
            checker.read.complain((name,), f"`{name}` belongs to flows that are started by {words}. Remove it.")
    if "inputs" in data:
        _check_inputs(checker, data["inputs"])
    if "runs" in data:
        _check_runs(checker, data["runs"], answers=_has_answer(data.get("steps")))
    checker.expect_text(("error_flow",), data, FLOW_PATTERN, "the id of a flow")
    if "error_flow" in data and data["error_flow"] == data.get("id"):
        checker.read.complain(("error_flow",), "A flow can't be its own error flow. Name another one.")


def check_outputs(checker: Checker, data: dict[str, Any], done: set[str]) -> None:
    """Check what a flow gives to the one that calls it."""
    outputs = data.get("outputs", {})
    if not isinstance(outputs, dict):
        checker.read.complain(("outputs",), "`outputs` is a mapping of names to smart values.")
        return
    _check_count(checker, ("outputs",), outputs)
    for name, written in outputs.items():
        place: Place = ("outputs", name)
        if is_typed(written):
            checker.expect_choice((*place, "type"), written, InputType)
            checker.check_templates(written["value"], (*place, "value"), done)
        else:
            checker.check_templates(written, place, done)


def check_call(checker: Checker, step: dict[str, Any], settings: dict[str, Any], here: Place) -> None:
    """Check a step that performs another flow."""
    for word in ("retry", "timeout_seconds", "on_doubt"):
        if word in step:
            checker.read.complain(
                (*here, word), f"run_flow has no `{word}`. Give it to the steps of the flow that it performs."
            )
    data = checker.read.data
    if isinstance(data, dict) and isinstance(settings.get("flow"), str) and settings["flow"] == data.get("id"):
        message = "The flow performs itself: more than 5 deep, the run fails. Make sure that it ends before."
        checker.read.complain((*here, "with", "flow"), message, severity="warning")


def check_input_names(checker: Checker, spot: Place, template: Template, inputs: object) -> None:
    """Check `inputs.<name>` where the flow says which inputs it takes."""
    if not isinstance(inputs, dict) or not inputs:
        return
    known = {str(name).casefold() for name in inputs}
    for path in sorted(template.paths):
        if path[0].casefold() == "inputs" and len(path) > 1 and path[1].casefold() not in known:
            checker.read.complain(spot, f"The flow has no input `{path[1][:60]}`. Add it to `inputs`.")


def _check_inputs(checker: Checker, inputs: object) -> None:
    if not isinstance(inputs, dict):
        checker.read.complain(("inputs",), "`inputs` is a mapping of names to {type, required, default, description}.")
        return
    _check_count(checker, ("inputs",), inputs)
    for name, given in inputs.items():
        place: Place = ("inputs", name)
        if not _NAME.fullmatch(str(name)):
            checker.read.complain(place, "An input's name has 1 to 63 letters, digits and _, starting with a letter.")
        if not isinstance(given, dict):
            checker.read.complain(
                place, "An input is a mapping with type, required, default and description; {} takes anything."
            )
            continue
        checker.expect_names(place, given, (), ("type", "required", "default", "description"))
        checker.expect_length((*place, "description"), given, 0, DESCRIPTION_MAX)
        kind = checker.expect_choice((*place, "type"), given, InputType) or InputType.ANY
        if type(given.get("required", False)) is not bool:
            checker.read.complain((*place, "required"), "`required` is true or false.")
        default = given.get("default")
        if default is not None and convert_value(kind, default) != (default, True):
            checker.read.complain((*place, "default"), f"The default is not of the type {kind.value}.")
        if isinstance(default, str) and "{{" in default:
            checker.read.complain((*place, "default"), "A default is a plain value: smart values are not worked out in it.")


def _check_runs(checker: Checker, runs: object, *, answers: bool) -> None:
    place: Place = ("runs",)
    if not isinstance(runs, dict):
        checker.read.complain(place, "`runs` is a mapping with mode, key, most, waiting and rate.")
        return
    checker.expect_names(place, runs, (), ("mode", "key", "most", "waiting", "rate"))
    mode = checker.expect_choice((*place, "mode"), runs, RunMode) or RunMode.PARALLEL
    checker.expect_number((*place, "most"), runs, MOST, whole=True)
    checker.expect_number((*place, "waiting"), runs, WAITING, whole=True)
    if "most" in runs and mode not in {RunMode.PARALLEL, RunMode.QUEUED}:
        checker.read.complain((*place, "most"), f"In the mode {mode.value} one run is performed at a time. Remove `most`.")
    key = runs.get("key", "")
    if not isinstance(key, str):
        checker.read.complain((*place, "key"), 'A key is a text such as "{{issue.key}}".')
    checker.check_templates(key, (*place, "key"), set())
    if names_fields(key, KEY_ROOTS):
        checker.read.complain((*place, "key"), "A key can't name a field of an issue: write its id, such as customfield_10042.")
    if mode is RunMode.PARALLEL and "most" not in runs and ("key" in runs or "waiting" in runs):
        checker.read.complain(place, "Without `most`, nothing waits in the mode parallel: `key` and `waiting` have no use.")
    if "rate" in runs:
        rate = runs["rate"]
        if isinstance(rate, dict):
            checker.expect_names((*place, "rate"), rate, ("count", "per_seconds"), ())
            checker.expect_number((*place, "rate", "count"), rate, RATE_COUNT, whole=True)
            checker.expect_number((*place, "rate", "per_seconds"), rate, RATE_SECONDS)
        else:
            checker.read.complain((*place, "rate"), "`rate` is a mapping with count and per_seconds.")
    if answers:
        checker.read.complain(
            place, "A flow that answers its caller can't let it wait for its turn. Remove `runs` or `respond`."
        )


def _check_count(checker: Checker, place: Place, data: dict[str, Any]) -> None:
    if len(data) > INPUTS_MAX:
        checker.read.complain(place, f"There are {len(data)}, allowed are {INPUTS_MAX}.")


def _has_answer(steps: object) -> bool:
    """Whether a `respond` stands anywhere; whatever the text holds, the reader has bounded its depth."""
    if isinstance(steps, dict):
        return steps.get("kind") == "respond" or any(_has_answer(steps.get(name)) for name in ("steps", "branches"))
    return isinstance(steps, list) and any(_has_answer(each) for each in steps)
