"""One field's rule: where its value comes from, what it is, and what happens when there is none. Called by the `map` kind.

`prepare_fields` is called once a published flow: from then on each field has a whole rule, so that nothing of the payload can
be taken for a rule.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from blubees.expressions.document import compile_document
from blubees.model.failures import Failure, FailureCode
from blubees.steps.mapping.problems import FieldError, refuse
from blubees.steps.mapping.texts import READS, Reading
from blubees.steps.mapping.types import TYPES, to_text

FIELDS_MAX: Final = 200
VALUES_MAX: Final = 1_000
ITEMS_MAX: Final = 10_000
OTHER: Final = "_other"
_READINGS: Final = {(form.value, trusted): Reading(form, trusted) for form in READS for trusted in (False, True)}

TypeName = Literal[
    "any", "text", "number", "boolean", "date", "datetime", "user", "option", "option_id", "named", "cascading",
    "rich_text", "markdown", "html", "plain_text",
]  # fmt: skip


class FieldRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a field is given.

    Attributes:
        source: (`from`) the value.
        kind: (`as`) the type that it becomes.
        many: the field is a list: each item becomes that type; one value is a list of one.
        required: without a value the step fails; else the field is left out.
        default: the value when there is none.
        clear: without a value the field is given null, which empties it.
        values: what stands for which value; `_other` for all the others. A value that is not in it fails.
        ignore_case: look `values` up without regard to case.
        reads: what a text is, for the types of rich text.
        trusted: whoever wrote the text may mention people and use extensions.
    """

    source: Any = msgspec.field(name="from")
    kind: TypeName = msgspec.field(name="as", default="any")
    many: bool = False
    required: bool = False
    default: Any = None
    clear: bool = False
    values: Annotated[dict[str, Any], msgspec.Meta(max_length=VALUES_MAX)] | None = None
    ignore_case: bool = False
    reads: Literal["text", "markdown", "html"] = "text"
    trusted: bool = False


def prepare_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Give each field a whole rule: `summary: "{{…}}"` is short for `summary: {from: "{{…}}"}`."""
    return {name: rule if isinstance(rule, dict) else {"from": rule} for name, rule in fields.items()}


def fields_schema() -> dict[str, Any]:
    """Make the JSON Schema of fields as an author writes them: short, or as a rule."""
    _, components = msgspec.json.schema_components([FieldRule])
    rule = dict(components["FieldRule"])
    short = {"type": ["string", "number", "boolean", "array", "null"]}
    return {"type": "object", "minProperties": 1, "maxProperties": FIELDS_MAX, "additionalProperties": {"anyOf": [short, rule]}}


BoundRule = tuple[FieldRule, Any]
"""A rule that was read when its flow was published, and the value that it is given now."""


def bind_rules(fields: Mapping[str, Any]) -> dict[str, FieldRule]:
    """Read the rules that are the same whatever the payload: in all but `from` stands no smart value."""
    constant = {name: rule for name, rule in fields.items() if _is_constant(rule)}
    return {name: msgspec.convert({**rule, "from": None}, FieldRule) for name, rule in constant.items()}


def map_fields(rules: Mapping[str, FieldRule | BoundRule], place: str) -> dict[str, Any] | Failure:
    """Give the fields that have a value, each as its rule says.

    Args:
        place: where the rules stand, for failures ("with.fields").
    """
    mapped: dict[str, Any] = {}
    for name, each in rules.items():
        rule, source = each if isinstance(each, tuple) else (each, each.source)
        try:
            value = map_field(rule, source)
        except FieldError as error:
            return Failure(code=FailureCode.FIELD_INVALID, field=f"{place}.{name}{error.path}", detail=error.detail)
        if value is not None or rule.clear:
            mapped[name] = value
    return mapped


def map_field(rule: FieldRule, value: Any) -> Any:  # noqa: ANN401 - any value
    """Give a field's value; None when there is none.

    Args:
        value: what the rule's `from` came to.

    Raises:
        FieldError: it can't be what the rule says.
    """
    if rule.many:
        return _map_items(rule, value)
    if not _is_missing(value) and rule.values is not None:
        value = _look_up(rule, value)
    if _is_missing(value):
        return _stand_in(rule)
    return TYPES[rule.kind].convert(value, _reading(rule))


def _is_constant(rule: Any) -> bool:  # noqa: ANN401 - JSON
    return isinstance(rule, dict) and compile_document({**rule, "from": None}).is_constant


def _map_items(rule: FieldRule, value: Any) -> Any:  # noqa: ANN401 - see above
    items = value if isinstance(value, list) else [value]
    if len(items) > ITEMS_MAX:
        raise FieldError("too_many_items")
    made = []
    for number, item in enumerate(items):
        try:
            found = _look_up(rule, item) if rule.values is not None and not _is_missing(item) else item
            if not _is_missing(found):
                made.append(TYPES[rule.kind].convert(found, _reading(rule)))
        except FieldError as error:
            raise FieldError(error.detail, f"[{number}]") from None
    return made or _stand_in(rule)


def _stand_in(rule: FieldRule) -> Any:  # noqa: ANN401 - see above
    """What stands for a value that is not there."""
    if not _is_missing(rule.default):
        given = rule.default if isinstance(rule.default, list) or not rule.many else [rule.default]
        if rule.many:
            return [TYPES[rule.kind].convert(each, _reading(rule)) for each in given]
        return TYPES[rule.kind].convert(given, _reading(rule))
    if rule.required:
        raise FieldError("missing")
    return None


def _look_up(rule: FieldRule, value: Any) -> Any:  # noqa: ANN401 - see above
    values = rule.values or {}
    if isinstance(value, list | dict):
        raise refuse(value, "text")
    key = to_text(value, Reading())
    if key in values and key != OTHER:
        return values[key]
    if rule.ignore_case:
        folded = key.casefold()
        for name, found in values.items():
            if name.casefold() == folded and name != OTHER:
                return found
    if OTHER in values:
        return values[OTHER]
    raise FieldError("not_in_values")


def _reading(rule: FieldRule) -> Reading:
    return _READINGS[rule.reads, rule.trusted]


def _is_missing(value: object) -> bool:
    return value is None or value in ("", [])
