"""Adds to a receipt what explains a failure: shapes of the event, of what the failed step was given and of what it read.

Made from what is still in memory when a run has ended; a run in which nothing failed costs nothing, unless its tenant wants
all runs explained. Called by engine/runner.py.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
import orjson

from blubees.engine.names import list_names
from blubees.engine.plan import CompiledStep, Plan
from blubees.engine.shape import describe_shape
from blubees.model.call import CallAnswer
from blubees.model.ids import StepId
from blubees.model.receipt import RunReceipt
from blubees.model.shape import FIELDS_MAX, RUN_FIELDS_MAX, WHOLE_RUN_FIELDS_MAX, Field

ANSWER_MAX_BYTES: Final = 262_144  # a larger one is not read for its shape


def add_shapes(
    receipt: RunReceipt,
    plan: Plan,
    document: object,
    explained: Mapping[StepId, tuple[object, CallAnswer | None]],
    results: Mapping[str, object],
    *,
    is_whole: bool = False,
) -> RunReceipt:
    """Give the receipt with shapes, as many as a receipt may have: first what the failed steps were given and have read.

    Args:
        document: the event's body.
        explained: by step (of a failed run: those that failed), the settings that it was given, and the answer that refused it.
        results: what steps gave, by step, as far as it is known.
        is_whole: all its steps are explained, each with a fair share of the fields.
    """
    names = list_names(plan)
    left = WHOLE_RUN_FIELDS_MAX if is_whole else RUN_FIELDS_MAX
    most = min(FIELDS_MAX, max(1, left // (2 * len(receipt.steps) + 1))) if is_whole else FIELDS_MAX
    read = {name for step in _list_steps(plan.steps) if step.id in explained for name in _list_read(step)}
    given: dict[str, tuple[Field, ...]] = {}
    gave: dict[str, tuple[Field, ...]] = {}
    event: tuple[Field, ...] = ()

    def describe(value: object) -> tuple[Field, ...]:
        nonlocal left
        shape = describe_shape(value, names.numbers, min(most, left))
        left -= len(shape)
        return shape

    for step, (settings, refused) in explained.items():
        given[step] = () if settings is None else describe(settings)
        if refused is not None:
            gave[step] = describe(_read_answer(refused))
    for step in sorted(map(StepId, results), key=lambda step: step.casefold() not in read):
        if step.casefold() not in read and not event:
            event = describe(document)
        if step not in gave:
            gave[step] = describe(results[step])
    return msgspec.structs.replace(
        receipt,
        event=event or describe(document),
        names=names.checksum,
        steps=tuple(
            msgspec.structs.replace(each, input=given.get(each.step, ()), output=gave.get(each.step, ()))
            if not each.within and (each.step in given or each.step in gave)
            else each
            for each in receipt.steps
        ),
    )


def _read_answer(answer: CallAnswer) -> object:
    """Read what stood in an answer that was refused: JSON, or text."""
    if len(answer.body) <= ANSWER_MAX_BYTES:
        try:
            return {"status": answer.status, "headers": answer.headers, "body": orjson.loads(answer.body)}
        except orjson.JSONDecodeError:
            pass
    return {"status": answer.status, "headers": answer.headers, "body": answer.body.decode("utf-8", "replace")}


def _list_steps(steps: tuple[CompiledStep, ...]) -> Iterator[CompiledStep]:
    for step in steps:
        yield step
        for branch in step.branches:
            yield from _list_steps(branch.steps)


def _list_read(step: CompiledStep) -> Iterator[str]:
    for path in step.settings.paths:
        if path[0].casefold() == "steps" and len(path) > 1:
            yield path[1].casefold()
