"""Give fields their values, each as the type that it must be."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from blubees.model.failures import Failure, FailureCode
from blubees.steps.contract import Done, Example, Outcome, Tools, step_kind
from blubees.steps.mapping.rule import FIELDS_MAX, FieldRule, bind_rules, map_fields, prepare_fields


@step_kind("map")
@dataclass(frozen=True, slots=True)
class Map:
    """Give fields their values, each as its type: later steps read `{{steps.<id>}}`, all fields, or one of them.

    `fields` says for each target field where its value comes from: `summary: "{{issue.summary}}"`, or with a type, a table of
    values and what happens when there is none: `priority: {from: "{{…}}", as: named, values: {P1: Highest, _other: Low}}`.
    A field without a value is left out, unless it is `required`. See mappings.md.
    """

    fields: Annotated[dict[str, Any], Meta(min_length=1, max_length=FIELDS_MAX)]

    @staticmethod
    def prepare(settings: dict[str, Any]) -> dict[str, Any]:
        """Write each field's rule out, once a published flow."""
        fields = settings.get("fields")
        return {**settings, "fields": prepare_fields(fields)} if isinstance(fields, dict) else settings

    @staticmethod
    def bind(prepared: dict[str, Any]) -> Callable[[Any], "Map"]:
        """Read the rules once a published flow: what a payload can change of them is the value only."""
        fields = prepared.get("fields")
        bound = bind_rules(fields) if isinstance(fields, dict) else {}

        def read(rendered: Any) -> Map:  # noqa: ANN401 - JSON
            given = rendered["fields"] if isinstance(fields, dict) else msgspec.convert(rendered, Map).fields
            if len(bound) == len(given):
                return Map({name: (rule, given[name]["from"]) for name, rule in bound.items()})
            return Map({name: (bound[name], each["from"]) if name in bound else each for name, each in given.items()})

        return read

    async def perform(self, _tools: Tools) -> Outcome:
        """Convert."""
        try:
            rules = {
                name: each if isinstance(each, tuple) else msgspec.convert(each, FieldRule)
                for name, each in self.fields.items()
            }
        except msgspec.ValidationError:
            return Failure(code=FailureCode.SETTING_INVALID, field="with.fields", detail="no_rule")
        mapped = map_fields(rules, "with.fields")
        return mapped if isinstance(mapped, Failure) else Done(mapped)


EXAMPLES = (
    Example(
        {
            "fields": {
                "summary": {"from": "Broken"},
                "points": {"from": "3", "as": "number"},
                "due": {"from": None, "as": "date"},
            }
        },
        Done({"summary": "Broken", "points": 3}),
    ),
    Example(
        {
            "fields": {
                "priority": {"from": "p1", "as": "named", "values": {"P1": "Highest", "_other": "Low"}, "ignore_case": True}
            }
        },
        Done({"priority": {"name": "Highest"}}),
    ),
    Example({"fields": {"labels": {"from": ["a", None, 3], "as": "text", "many": True}}}, Done({"labels": ["a", "3"]})),
    Example({"fields": {"due": {"from": "", "clear": True}}}, Done({"due": None})),
    Example({"fields": {"points": {"from": ["3"], "as": "number"}}}, FailureCode.FIELD_INVALID),
    Example({"fields": {"summary": {"from": "", "required": True}}}, FailureCode.FIELD_INVALID),
)
