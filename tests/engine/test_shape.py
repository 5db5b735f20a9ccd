"""Shapes: what a failed run tells of the data that it held, and what it can't tell."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blubees.engine.names import list_names
from blubees.engine.runner import Ended, Runner
from blubees.engine.shape import describe_shape
from blubees.engine.surroundings import Surroundings
from blubees.model.call import Call, CallAnswer
from blubees.model.receipt import RunReceipt
from blubees.model.shape import DEPTH_MAX, FIELDS_MAX, RUN_FIELDS_MAX, WHOLE_RUN_FIELDS_MAX, Field, name_fields
from fakes.engine import FakeLine, make_message, make_plan
from fakes.machine import FakeClock

CANARY = "canary-q81kdmqzpwo"
FLOW = """\
  - {id: get, kind: http, with: {url: "https://a.example.com/get"}}
  - {id: other, kind: set, with: {values: {word: "{{webhookData.customer.name}}"}}}
  - {id: send, kind: http, with: {method: PUT, url: "https://a.example.com/send", json: {total: "{{steps.get.body.sum}}", all: "{{webhookData}}"}}}"""
EVENT = {"customer": {"name": CANARY, CANARY: 1}, CANARY: [CANARY], "n": None}
ANSWER = {"sum": 7, CANARY: {CANARY: CANARY}, "items": [{"id": CANARY}, {}]}


async def perform(steps: str = FLOW, event: Any = EVENT, status: int = 422, *, explains: bool = False) -> RunReceipt:
    def answer(call: Call) -> CallAnswer:
        is_send = call.method == "PUT"
        body = {"errors": [CANARY], CANARY: 1} if is_send else ANSWER
        return CallAnswer(
            status=status if is_send else 200, headers={"content-type": "application/json"}, body=json.dumps(body).encode()
        )

    around = Surroundings(explains=lambda _tenant: explains)
    end = await Runner(FakeClock(), lambda _tenant: FakeLine(answer), around=around).perform(
        make_plan(steps), make_message(json.dumps(event).encode())
    )
    assert isinstance(end, Ended)
    return end.receipt


def read(receipt: RunReceipt, shape: tuple[Field, ...], steps: str = FLOW) -> dict[str, tuple[str, int, int]]:
    names = list_names(make_plan(steps))
    assert names.checksum == receipt.names
    return {each.path: (each.type.value, each.size, each.unnamed) for each in name_fields(shape, names.own)}


async def test_a_failed_run_tells_the_shapes_of_what_it_held() -> None:
    receipt = await perform()
    steps = {each.step: each for each in receipt.steps}
    given = read(receipt, steps["send"].input)
    assert given[""] == ("object", 3, 0)
    assert given["json.total"] == ("number", 0, 0)
    assert given["json.all.customer.name"] == ("text", len(CANARY), 0)
    assert given["json.all.customer"] == ("object", 2, 1)
    assert given["url"] == ("text", 26, 0)
    refused = read(receipt, steps["send"].output)
    assert refused["body"] == ("object", 2, 1)
    assert refused["body.errors[0]"] == ("text", len(CANARY), 0)
    gave = read(receipt, steps["get"].output)
    assert gave["body.sum"] == ("number", 0, 0)
    assert gave["body.items"] == ("list", 2, 0)
    assert gave["body.items[0].id"] == ("text", len(CANARY), 0)
    assert read(receipt, steps["other"].output) == {"": ("object", 1, 0), "word": ("text", len(CANARY), 0)}
    assert read(receipt, receipt.event)[""] == ("object", 3, 2)
    assert steps["get"].input == ()


async def test_a_name_from_the_wire_is_nowhere() -> None:
    written = msgspec.json.encode(await perform()) + msgspec.msgpack.encode(await perform())
    assert CANARY.encode() not in written


async def test_a_run_in_which_nothing_failed_has_no_shapes() -> None:
    receipt = await perform(status=200)
    assert receipt.event == ()
    assert receipt.names == 0
    assert {(each.input, each.output) for each in receipt.steps} == {((), ())}


async def test_a_tenant_may_have_each_step_of_each_run_explained() -> None:
    receipt = await perform(status=200, explains=True)
    assert receipt.outcome.value == "finished"
    assert receipt.event
    steps = {each.step: each for each in receipt.steps}
    assert all(each.input and each.output for each in receipt.steps)
    assert read(receipt, steps["get"].input)["url"] == ("text", 25, 0)
    assert read(receipt, steps["send"].input)["json.all.customer.name"] == ("text", len(CANARY), 0)
    assert read(receipt, steps["send"].output)["body.errors[0]"] == ("text", len(CANARY), 0)
    assert CANARY.encode() not in msgspec.json.encode(receipt)
    many = "\n".join(f'  - {{id: s{n}, kind: set, with: {{values: "{{{{webhookData}}}}"}}}}' for n in range(40))
    receipt = await perform(many, {f"field{n}": n for n in range(200)}, explains=True)
    assert all(each.input and each.output for each in receipt.steps), "each has its share"
    shapes = [receipt.event, *(each.output for each in receipt.steps), *(each.input for each in receipt.steps)]
    assert sum(map(len, shapes)) <= WHOLE_RUN_FIELDS_MAX


async def test_a_failure_that_the_run_goes_on_after_is_explained_too() -> None:
    receipt = await perform(FLOW.replace("id: send,", "id: send, on_error: continue,"))
    assert receipt.outcome.value == "finished"
    assert receipt.steps[-1].input
    assert receipt.steps[-1].output


@pytest.mark.parametrize("explains", [False, True])
async def test_of_a_step_that_fails_again_and_again_the_first_failure_is_explained(explains: bool) -> None:
    item = '{id: send, kind: http, on_error: continue, with: {method: "{{item.method}}", url: "https://a.example.com/{{item.word}}"}}'
    steps = f'  - {{id: loop, kind: each, with: {{items: "{{{{webhookData}}}}"}}, branches: [{{steps: [{item}]}}]}}'
    turns = [("GET", "1"), ("PUT", "22"), ("PUT", "4444")]
    receipt = await perform(steps, [{"method": method, "word": word} for method, word in turns], explains=explains)
    given = next(each for each in receipt.steps if each.step == "send").input
    assert read(receipt, given, steps)["url"] == ("text", len("https://a.example.com/22"), 0)


async def test_a_receipt_stays_small_and_is_taken() -> None:
    steps = "\n".join(f'  - {{id: s{n}, kind: set, with: {{values: "{{{{webhookData}}}}"}}}}' for n in range(40))
    fields = "".join(f"{{{{webhookData.field{n}}}}}" for n in range(200))
    steps += f'\n  - {{id: x, kind: fail}}\n  - {{id: never, kind: set, with: {{values: {{a: "{fields}"}}}}}}'
    receipt = await perform(steps, {f"field{n}": {"id": "x" * 500} for n in range(200)})
    shapes = [receipt.event, *(each.output for each in receipt.steps), *(each.input for each in receipt.steps)]
    assert sum(map(len, shapes)) == RUN_FIELDS_MAX
    assert (
        len(msgspec.json.encode(receipt))
        < 4_096 + len(msgspec.json.encode(msgspec.structs.replace(receipt, steps=()))) + 40 * 140
    )
    assert msgspec.json.decode(msgspec.json.encode(receipt), type=RunReceipt) == receipt


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text() | st.sampled_from(["id", "Body", "ITEMS"]), inner, max_size=30)
    ),
)


@given(JSON, st.integers(1, FIELDS_MAX))
def test_any_value_has_a_bounded_shape_of_known_names(value: Any, limit: int) -> None:
    shape = describe_shape(value, {"id": 8, "body": 2, "items": 40}, limit)
    assert 1 <= len(shape) <= limit
    assert all(len(field.path) <= DEPTH_MAX and set(field.path) <= {-1, 2, 8, 40} for field in shape)
    assert len({field.path for field in shape}) == len(shape)
    assert msgspec.json.decode(msgspec.json.encode(shape), type=tuple[Field, ...]) == shape


@pytest.mark.parametrize("names", [None, ()])
def test_names_that_are_not_known_any_more_are_told_as_numbers(names: tuple[str, ...] | None) -> None:
    field = msgspec.json.decode(b'[[2,1003,-1,8],"text",5,0]', type=Field)
    assert name_fields([field], names)[0].path == "body.name 1003[0].id"


@pytest.mark.parametrize("text", ['[["mail"],"text",5,0]', '[[99999],"text",5,0]', '[[1],"mail",5,0]', '[[1],"text",5,0,"mail"]', '[[1,1,1,1,1,1,1],"text"]'])  # fmt: skip
def test_what_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=Field)
