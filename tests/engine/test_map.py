"""A `map` step in a run: what it gives is read by later steps, and a value that looks like a rule is a value."""

from blubees.model.failures import FailureCode
from blubees.model.receipt import RunOutcome
from fakes.world import World, http

STEPS = f"""\
  - id: fields
    kind: map
    with:
      fields:
        plain: "{{{{webhookData.value}}}}"
        points: {{from: "{{{{webhookData.points}}}}", as: number}}
  - {http("last", "{{steps.fields.plain.from}}-{{steps.fields.points.plus(1)}}-{{steps.fields.plain.other}}")}"""


async def test_a_value_that_looks_like_a_rule_is_a_value() -> None:
    world = World(STEPS, {"value": {"from": "evil", "as": "nonsense", "required": True}, "points": "3"})
    end = await world.run()
    assert end.receipt.outcome is RunOutcome.FINISHED
    assert world.asked == ["evil-4-"]


async def test_a_field_that_cant_be_is_named_in_the_receipt_without_its_value() -> None:
    world = World(STEPS, {"value": 1, "points": ["secret"]})
    failure = (await world.run()).receipt.failure
    assert failure is not None
    assert (failure.code, failure.field, failure.detail) == (FailureCode.FIELD_INVALID, "with.fields.points", "list_not_number")
    assert world.asked == []
