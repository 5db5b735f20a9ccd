"""What a flow would carry over a wait is told step by step and value by value; what carries nothing may wait."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from blubees.adapters.database import Database, open_database
from blubees.engine.plan import Plan
from blubees.flows.parking_rule import ParkingRule, list_new
from blubees.flows.timetable import Timetable
from blubees.flows.versions import FlowService
from blubees.model.errors import InputError
from blubees.model.ids import FlowId, TenantId
from blubees.model.settings import Parking, TenantSettings
from blubees.steps.book import load_book
from fakes.boards import FakeBoard
from fakes.engine import TENANT, make_plan
from fakes.machine import FakeChance, FakeClock

WAIT = "{id: pause, kind: wait, with: {days: 1}}"
GET = '{id: fetch, kind: http, with: {url: "https://a.example.com/"}}'
CALL = "{id: call, kind: run_flow, with: {flow: audit}}"
NOW = "{id: fresh, kind: set, with: {values: {later: '{{now}}'}}}"
AUDIT, MAIN = FlowId("audit"), FlowId("main")


def use(words: str) -> str:
    return f'{{id: last, kind: set, with: {{values: {{all: "{words}"}}}}}}'


def plan(*steps: str, flow: str = "main", trigger: str = "webhook") -> Plan:
    return make_plan("".join(f"  - {step}\n" for step in steps), flow=flow, trigger=trigger)


def audit(*steps: str, trigger: str = "called") -> Plan:
    return plan(*steps, flow="audit", trigger=trigger)


def carried(main: Plan, *others: Plan) -> list[str]:
    told = ParkingRule({each.published.flow.id: each for each in (main, *others)}).list_carried(main.published.flow.id)
    return [line.partition(" over the wait")[0] for line in told]


def test_every_value_that_is_read_after_a_wait_is_named_with_the_step() -> None:
    keep = '{id: keep, kind: set, with: {values: {word: "{{webhookData.word}}"}}}'
    unread = '{id: unread, kind: set, with: {values: {other: "{{webhookData.other}}"}}}'
    main = plan(GET, keep, unread, WAIT, use("{{word}} {{steps.fetch.body}} {{webhookData.person.name}} {{now}}"))
    assert carried(main) == ["step pause: would keep steps.fetch, webhookData.person.name, word"]


def test_a_flow_that_reads_nothing_after_its_wait_carries_nothing() -> None:
    assert carried(plan(WAIT, use("{{now}}"))) == []
    assert (
        carried(plan(f"{{id: p, kind: parallel, branches: [{{steps: [{WAIT}]}}, {{steps: [{{id: b, kind: stop}}]}}]}}")) == []
    )
    assert carried(plan(WAIT, NOW, use("{{later}}"))) == [], "named after the wait"
    assert carried(plan(WAIT, GET, use("{{steps.fetch.body}}"))) == []
    loop = f"{{id: again, kind: repeat, branches: [{{when: '{{{{steps.fetch.body.busy}}}}', steps: [{WAIT}, {GET}]}}]}}"
    assert carried(plan(loop)) == [], "a turn does not keep what the turn before it gave"


@pytest.mark.parametrize(
    ("block", "words", "kept"),
    [
        ("{id: way, kind: choose, branches: [{steps: [IN]}]}", "{{steps.fetch.body}}", ["step pause: would keep steps.fetch"]),
        ("{id: way, kind: each, with: {items: [1]}, branches: [{steps: [PAUSE, IN]}]}", "{{steps.way.results}}",
         ["step pause: would keep steps.way"]),
        ("{id: way, kind: parallel, branches: [{steps: [PAUSE]}, {steps: [IN]}]}", "{{steps.fetch.body}}",
         ["step pause: would keep steps.fetch"]),
        ("{id: way, kind: try, branches: [{name: try, steps: [IN]}, {name: catch, steps: [PAUSE]}]}", "{{steps.fetch.body}}",
         ["step pause: would keep steps.fetch"]),
        ("{id: way, kind: wait_for, branches: [{name: arrived, steps: [PAUSE]}]}", "{{steps.way.event.body}}",
         ["step pause: would keep steps.way"]),
        ("{id: way, kind: sign_off, with: {question: Ship?, approvers: [a]}}", "x", ["step way: would keep the question"]),
    ],
)  # fmt: skip
def test_results_that_stand_in_blocks_are_found(block: str, words: str, kept: list[str]) -> None:
    after = [] if "PAUSE" in block or "sign_off" in block else [WAIT]
    main = plan(block.replace("IN", GET).replace("PAUSE", WAIT), *after, use(words))
    assert carried(main) == kept


def test_a_flow_that_performs_one_that_waits_carries_its_own_values_meanwhile() -> None:
    main = plan(GET, CALL, use("{{steps.fetch.body}} {{webhookData.word}}"))
    assert carried(main, audit(WAIT)) == ["step call (performs audit: pause): would keep steps.fetch, webhookData.word"]
    assert carried(main, audit(NOW)) == [], "it does not wait"
    assert carried(main) == [], "it is not there"
    assert carried(plan(GET, use("{{steps.fetch.body}}"), CALL.replace("call,", "then,")), audit(WAIT)) == [], (
        "all is read before"
    )
    given = CALL.replace("audit}", 'audit, inputs: {a: "{{webhookData.word}}"}}')
    assert carried(plan(given), audit(WAIT)) == ["step call (performs audit: pause): would keep webhookData.word"]
    constant = CALL.replace("audit}", "audit, inputs: {a: 1}}")
    assert carried(plan(constant), audit(WAIT, use("{{inputs.a}}"))) == [], "worked out again, of nothing that was kept"


def test_what_the_performed_flow_itself_would_keep_is_told_with_its_name_however_deep() -> None:
    inner = audit(GET, WAIT, use("{{steps.fetch.body}}"))
    assert carried(plan(CALL), inner) == ["step call (performs audit: pause): would keep steps.fetch of audit"]
    between = plan("{id: down, kind: run_flow, with: {flow: audit}}", flow="between", trigger="manual")
    main = plan(CALL.replace("audit", "between"))
    told = carried(main, between, inner)
    assert told == ["step call (performs between: down (audit: pause)): would keep steps.fetch of audit"]
    assert carried(plan(CALL.replace("audit", "'{{webhookData.which}}'")), inner) != [], "whichever it may be"


def test_flows_that_perform_each_other_have_an_end() -> None:
    one = plan(GET, CALL, use("{{steps.fetch.body}}"), trigger="called")
    other = audit("{id: back, kind: run_flow, with: {flow: main}}")
    assert carried(one, other) == []
    assert carried(one, audit("{id: back, kind: run_flow, with: {flow: main}}", WAIT)) != []


def test_only_what_publishing_would_make_worse_is_told_of_others() -> None:
    caller = plan(GET, CALL, use("{{steps.fetch.body}}"))
    plans = {MAIN: caller, AUDIT: audit(NOW)}
    (told,) = list_new(plans, audit(WAIT))
    assert told.startswith("flow main: step call (performs audit: pause): would keep steps.fetch")
    assert list_new(plans | {AUDIT: audit(WAIT)}, audit(WAIT, NOW)) == [], "it was so before"
    (own,) = list_new(plans, plan(GET, WAIT, use("{{steps.fetch.body}}")))
    assert own.startswith("step pause: ")


class Flows:
    """A flow service of a tenant that chooses, on a real database file."""

    def __init__(self, database: Database) -> None:
        self.parking, clock = Parking.REFUSE, FakeClock()
        self.service = FlowService(
            database.flows,
            FakeBoard(),
            Timetable(database.schedules, clock),
            clock,
            FakeChance(),
            load_book(),
            find_settings=self.find_settings,
        )

    async def find_settings(self, tenant: TenantId) -> TenantSettings:
        return TenantSettings(tenant=tenant, parking=self.parking)

    async def publish(self, flow: str, *steps: str, trigger: str = "webhook") -> None:
        text = f"id: {flow}\nname: F\ntrigger: {{on: {trigger}}}\nsteps:\n" + "".join(f"  - {step}\n" for step in steps)
        await self.service.save_draft(TENANT, text)
        await self.service.publish(TENANT, FlowId(flow))


@pytest.fixture
async def flows(tmp_path: Path) -> AsyncIterator[Flows]:
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'flows.sqlite3'}")
    await database.prepare()
    yield Flows(database)
    await database.close()


async def test_publishing_the_caller_is_refused_and_so_is_the_called_one_once_its_caller_is_live(flows: Flows) -> None:
    caller = (GET, CALL, use("{{steps.fetch.body}}"))
    await flows.publish("audit", WAIT, trigger="called")
    with pytest.raises(InputError) as refused:
        await flows.publish("main", *caller)
    assert refused.value.problems[0].startswith("step call (performs audit: pause): would keep steps.fetch over the wait")
    await flows.publish("audit", NOW, trigger="called")
    await flows.publish("main", *caller)
    with pytest.raises(InputError) as refused:
        await flows.publish("audit", WAIT, NOW, trigger="called")
    assert refused.value.problems[0].startswith("flow main: step call (performs audit: pause): would keep steps.fetch")
    assert (await flows.service.load(TENANT, AUDIT)).live_version == 2
    with pytest.raises(InputError):
        await flows.service.rollback(TENANT, AUDIT, 1)
    assert (await flows.service.load(TENANT, AUDIT)).live_version == 2
    await flows.service.withdraw(TENANT, MAIN)
    await flows.service.rollback(TENANT, AUDIT, 1)


async def test_what_was_published_before_parking_was_refused_is_listed(flows: Flows) -> None:
    flows.parking = Parking.ALLOW
    await flows.publish("audit", WAIT, trigger="called")
    await flows.publish("main", GET, CALL, use("{{steps.fetch.body}}"))
    flows.parking = Parking.REFUSE
    (told,) = await flows.service.list_carrying(TENANT)
    assert told.startswith("flow main: step call (performs audit: pause): would keep steps.fetch over the wait")
    await flows.publish("other", GET)
    assert await flows.service.list_carrying(TenantId("t" + "9" * 24)) == []
