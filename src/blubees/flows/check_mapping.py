"""Checks the fields of a `map` step: names, types, and that values which stand in the flow are of their type.

Called by flows/check.py.
"""

from collections.abc import Iterable
from typing import Any, Final, Protocol, get_args

import msgspec

from blubees.expressions.document import list_templates
from blubees.flows.document import Place, ReadDocument
from blubees.steps.mapping.problems import FieldError
from blubees.steps.mapping.rule import FIELDS_MAX, OTHER, VALUES_MAX, FieldRule, TypeName, map_field
from blubees.steps.mapping.texts import READS

_TYPES: Final = get_args(TypeName)
_RICH: Final = frozenset({"rich_text", "markdown", "html", "plain_text"})
_ALLOWED: Final = ("as", "many", "required", "default", "clear", "values", "ignore_case", "reads", "trusted")
_SWITCHES: Final = ("many", "required", "clear", "ignore_case", "trusted")
_NAME_MAX: Final = 255


class Checker(Protocol):
    """What is used of flows/check.py."""

    read: ReadDocument

    def expect_names(self, place: Place, data: dict[str, Any], needed: tuple[str, ...], allowed: tuple[str, ...]) -> None:
        """Expect these names and no others."""
        ...

    def complain_name(self, place: Place, message: str, name: object, known: Iterable[str]) -> None:
        """Complain about a name and suggest the nearest right one."""
        ...


def check_mapping(checker: Checker, settings: dict[str, Any], place: Place) -> None:
    """Check the settings of a `map` step."""
    fields = settings.get("fields")
    here: Place = (*place, "fields")
    if isinstance(fields, str):
        checker.read.complain(here, "The fields of a mapping are written out: name each, with where its value comes from.")
    if not isinstance(fields, dict):
        return  # told by the kind's schema
    if not 1 <= len(fields) <= FIELDS_MAX:
        checker.read.complain(here, f"There are {len(fields)} fields, allowed are 1 to {FIELDS_MAX}. Split the mapping.")
    for name, rule in fields.items():
        if not 1 <= len(name) <= _NAME_MAX:
            checker.read.complain((*here, name), f"A field's name has {len(name)} characters, allowed are 1 to {_NAME_MAX}.")
        if isinstance(rule, dict):
            _check_rule(checker, rule, (*here, name))


def _check_rule(checker: Checker, rule: dict[str, Any], here: Place) -> None:
    found = len(checker.read.problems)
    checker.expect_names(here, rule, ("from",), _ALLOWED)
    _check_word(checker, rule, "as", _TYPES, here)
    _check_word(checker, rule, "reads", [form.value for form in READS], here)
    for name in _SWITCHES:
        if name in rule and not isinstance(rule[name], bool):
            checker.read.complain((*here, name), f"`{name}` is true or false, written here: it can't come from a smart value.")
    for name in ("reads", "trusted"):
        if name in rule and rule.get("as") not in _RICH:
            checker.read.complain((*here, name), f"`{name}` belongs to the types {', '.join(sorted(_RICH))} only. Remove it.")
    if "ignore_case" in rule and "values" not in rule:
        checker.read.complain((*here, "ignore_case"), "`ignore_case` belongs to `values`. Remove it.")
    if rule.get("required") is True and ("default" in rule or rule.get("clear") is True):
        other = "default" if "default" in rule else "clear"
        checker.read.complain((*here, "required"), f"A field with `{other}` is never missing. Remove `required` or `{other}`.")
    values = rule.get("values")
    if "values" in rule and (not isinstance(values, dict) or not 1 <= len(values) <= VALUES_MAX):
        checker.read.complain((*here, "values"), f"`values` is a mapping of 1 to {VALUES_MAX} values to what stands for them.")
    if len(checker.read.problems) == found:
        _check_constants(checker, rule, here)


def _check_word(checker: Checker, rule: dict[str, Any], name: str, words: Iterable[str], here: Place) -> None:
    if name in rule and rule[name] not in words:
        given = f"`{rule[name][:60]}`" if isinstance(rule[name], str) else "What is given"
        checker.complain_name((*here, name), f"{given} is not one of: {', '.join(words)}.", rule[name], words)


def _check_constants(checker: Checker, rule: dict[str, Any], here: Place) -> None:
    """Convert what stands in the flow itself, so that a wrong type shows now and not in a run."""
    checked = rule["values"].items() if "values" in rule else []
    for name, value in [*checked, ("default", rule.get("default")), *([] if "values" in rule else [("from", rule["from"])])]:
        spot: Place = (*here, "values", name) if (name, value) in checked else (*here, name)
        if value in (None, "", []) or any(not template.is_constant for _, template in list_templates(value)):
            continue
        try:
            many = rule.get("many", False) and not (name in rule.get("values", {}) or name == OTHER)
            map_field(msgspec.convert({**rule, "values": None, "default": None, "many": many}, FieldRule), value)
        except FieldError as error:
            given, _, wanted = error.detail.partition("_not_")
            article = "an" if given[0] in "aeo" else "a"
            message = (
                f"This is {article} {given}, and can't be {wanted}."
                if wanted
                else f"This can't be {rule['as']}: {error.detail}."
            )
            checker.read.complain(spot, message)
