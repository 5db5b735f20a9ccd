"""What a flow would carry over a wait is told step by step and value by value; what carries nothing may wait."""

from blubees.flows.parking_rule import list_carried
from fakes.engine import make_plan

WAIT = "{id: pause, kind: wait, with: {days: 1}}"


def test_every_value_that_is_read_after_a_wait_is_named_with_the_step() -> None:
    plan = make_plan(f"""\
  - {{id: ask, kind: http, with: {{url: "https://a.example.com/"}}}}
  - {{id: keep, kind: set, with: {{values: {{word: "{{{{webhookData.word}}}}"}}}}}}
  - {{id: unread, kind: set, with: {{values: {{other: "{{{{webhookData.other}}}}"}}}}}}
  - {WAIT}
  - {{id: last, kind: set, with: {{values: {{all: "{{{{word}}}} {{{{steps.ask.body}}}} {{{{webhookData.person.name}}}} {{{{now}}}}"}}}}}}""")
    told = list_carried(plan)
    assert len(told) == 1
    assert told[0].startswith("step pause: would keep steps.ask, webhookData.person.name, word over the wait;")


def test_a_flow_that_reads_nothing_after_its_wait_carries_nothing() -> None:
    assert list_carried(make_plan(f"  - {WAIT}\n  - {{id: a, kind: set, with: {{values: {{b: '{{{{now}}}}'}}}}}}")) == []
    inner = f"  - {{id: p, kind: parallel, branches: [{{steps: [{WAIT}]}}, {{steps: [{{id: b, kind: stop}}]}}]}}"
    assert list_carried(make_plan(inner)) == []
