"""What a flow is given is converted to what it says it takes, or refused by name and type, without a value."""

from datetime import UTC, datetime

import pytest

from blubees.engine.inputs import convert_inputs
from blubees.model.failures import Failure, FailureCode
from blubees.model.rules import Input, InputType

SECRET = "canary-8823"
ANY = {"a": Input()}


@pytest.mark.parametrize(
    ("wanted", "given", "expected"),
    [
        (InputType.TEXT, "x", "x"),
        (InputType.TEXT, 3, "3"),
        (InputType.TEXT, 2.5, "2.5"),
        (InputType.TEXT, True, "true"),
        (InputType.TEXT, datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
        (InputType.NUMBER, " -3 ", -3),
        (InputType.NUMBER, "2.5e1", 25.0),
        (InputType.NUMBER, 7, 7),
        (InputType.BOOLEAN, "False", False),
        (InputType.BOOLEAN, True, True),
        (InputType.LIST, [1], [1]),
        (InputType.OBJECT, {"k": 1}, {"k": 1}),
        (InputType.ANY, [{"k": 1}], [{"k": 1}]),
    ],
)
def test_a_value_is_converted(wanted: InputType, given: object, expected: object) -> None:
    converted = convert_inputs({"a": Input(type=wanted)}, {"a": given})
    assert isinstance(converted, dict)
    assert (converted["a"], type(converted["a"])) == (expected, type(expected))


@pytest.mark.parametrize(
    ("wanted", "given", "detail"),
    [
        (InputType.NUMBER, SECRET, "text_not_number"),
        (InputType.NUMBER, "1e999", "text_not_number"),
        (InputType.NUMBER, True, "boolean_not_number"),
        (InputType.BOOLEAN, 1, "number_not_boolean"),
        (InputType.BOOLEAN, SECRET, "text_not_boolean"),
        (InputType.TEXT, [SECRET], "list_not_text"),
        (InputType.LIST, SECRET, "text_not_list"),
        (InputType.OBJECT, [SECRET], "list_not_object"),
    ],
)
def test_a_wrong_type_is_told_without_the_value(wanted: InputType, given: object, detail: str) -> None:
    failure = convert_inputs({"a": Input(type=wanted)}, {"a": given}, "with.inputs")
    assert failure == Failure(code=FailureCode.INPUT_INVALID, field="with.inputs.a", detail=detail)
    assert SECRET not in repr(failure)


def test_what_is_missing_has_its_default_or_is_told() -> None:
    declared = {"a": Input(required=True), "b": Input(default=3), "c": Input()}
    assert convert_inputs(declared, {"a": 1}) == {"a": 1, "b": 3, "c": None}
    assert convert_inputs(declared, {"a": 1, "b": None}) == {"a": 1, "b": 3, "c": None}
    assert convert_inputs(declared, None) == Failure(code=FailureCode.INPUT_INVALID, field="inputs.a", detail="missing")


def test_a_name_that_is_not_declared_is_refused_and_not_repeated() -> None:
    failure = convert_inputs(ANY, {"a": 1, SECRET: 2})
    assert isinstance(failure, Failure)
    assert (failure.detail, SECRET in repr(failure)) == ("unknown_input", False)


def test_a_flow_that_declares_nothing_takes_any_mapping_and_nothing_else() -> None:
    assert convert_inputs({}, {"x": 1}) == {"x": 1}
    assert convert_inputs({}, [1]) == Failure(code=FailureCode.INPUT_INVALID, field="inputs", detail="list_not_object")
