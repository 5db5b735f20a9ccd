"""Which hosts a tenant's rules permit, and what publishing says of those written into a flow."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from blubees.adapters.database import open_database
from blubees.connectors.catalogue import load_connector
from blubees.flows.check import check_flow
from blubees.flows.host_rules import list_unreachable
from blubees.flows.timetable import Timetable
from blubees.flows.versions import FlowService
from blubees.model.connector import AuthScheme, Connector, Parameter
from blubees.model.egress import HostJudge, read_host_rule
from blubees.model.errors import InputError
from blubees.model.ids import FlowId, TenantId
from blubees.model.settings import SettingsShelf, TenantSettings
from blubees.steps.actions import with_actions
from blubees.steps.book import load_book
from fakes.boards import FakeBoard
from fakes.engine import TENANT
from fakes.machine import FakeChance, FakeClock


@pytest.mark.parametrize(
    ("allow", "deny", "good", "bad"),
    [
        ([], [], ["example.com", "1.2.3.4"], []),
        (["example.com"], [], ["example.com", "example.com."], ["a.example.com", "example.org", "notexample.com"]),
        (
            ["*.example.com"],
            [],
            ["a.example.com", "b.a.example.com"],
            ["example.com", "notexample.com", "example.com.evil.org"],
        ),
        ([], ["example.com"], ["a.example.com"], ["example.com", "example.com."]),
        (["*.example.com"], ["*.secret.example.com"], ["secret.example.com"], ["x.secret.example.com"]),
        (["example.com"], ["example.com"], [], ["example.com"]),
        (["com"], [], [], ["example.com"]),
        (["*.com"], [], ["example.com"], ["com"]),
    ],
)
def test_who_is_permitted(allow: list[str], deny: list[str], good: list[str], bad: list[str]) -> None:
    judge = HostJudge(allow, deny)
    assert {host: judge.permits(host) for host in (*good, *bad)} == dict.fromkeys(good, True) | dict.fromkeys(bad, False)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (" Example.COM. ", "example.com"),
        ("*.Example.com", "*.example.com"),
        ("1.2.3.4", "1.2.3.4"),
        ("xn--r8jz45g.jp", "xn--r8jz45g.jp"),
        ("例え.jp", None),
        ("", None),
        ("*", None),
        ("*.", None),
        ("a.*.com", None),
        ("*example.com", None),
        ("https://example.com", None),
        ("example.com/x", None),
        ("example.com:443", None),
        ("a..b", None),
        (".example.com", None),
        ("a b", None),
        ("a\n", "a"),
        ("x" * 254, None),
        ("a-" * 60_000, None),
    ],
)
def test_a_rule_is_a_host_and_nothing_else(text: str, rule: str | None) -> None:
    assert read_host_rule(text) == rule


def test_the_newest_rules_count_and_each_tenants_are_its_own() -> None:
    shelf, other = SettingsShelf(), TenantId("t" + "9" * 24)
    shelf.learn(TenantSettings(tenant=TENANT, egress_deny=("example.com",)))
    judge = shelf.find_judge(TENANT)
    assert judge is not None
    assert not judge.permits("example.com")
    assert shelf.find_judge(other) is None
    shelf.learn(TenantSettings(tenant=TENANT))
    assert shelf.find_judge(TENANT) is None


class Flows:
    """A flow service of a tenant with rules, on a real database file."""

    def __init__(self, service: FlowService) -> None:
        self.service = service
        self.deny: tuple[str, ...] = ()

    async def publish(self, url: str) -> None:
        call = f"{{id: call, kind: http, with: {{url: '{url}'}}}}"
        inner = f"{{id: several, kind: parallel, branches: [{{steps: [{call}]}}, {{steps: [{{id: end, kind: stop}}]}}]}}"
        text = f"id: main\nname: M\ntrigger: {{on: webhook}}\nsteps:\n  - {inner}\n"
        await self.service.save_draft(TENANT, text)
        await self.service.publish(TENANT, FlowId("main"))


@pytest.fixture
async def flows(tmp_path: Path) -> AsyncIterator[Flows]:
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'flows.sqlite3'}")
    await database.prepare()
    clock = FakeClock()

    async def find_settings(tenant: TenantId) -> TenantSettings:
        return TenantSettings(tenant=tenant, egress_deny=made.deny)

    timetable = Timetable(database.schedules, clock)
    service = FlowService(database.flows, FakeBoard(), timetable, clock, FakeChance(), load_book(), find_settings=find_settings)
    made = Flows(service)
    yield made
    await database.close()


@pytest.mark.parametrize(
    "url", ["https://evil.example/x", "HTTPS://EVIL.example:8443", "https://evil.example./{{webhookData.key}}"]
)
async def test_a_host_that_may_not_be_called_is_told_when_the_flow_is_published(flows: Flows, url: str) -> None:
    await flows.publish(url)
    assert await flows.service.list_unreachable(TENANT) == []
    flows.deny = ("evil.example",)
    (told,) = await flows.service.list_unreachable(TENANT)
    assert told.startswith("flow main: step call: with.url leads to evil.example, which this tenant's settings do not permit")
    with pytest.raises(InputError) as refused:
        await flows.publish(url + "?other")
    assert refused.value.problems[0].startswith("step call: with.url leads to evil.example")
    with pytest.raises(InputError):
        await flows.service.rollback(TENANT, FlowId("main"), 1)


@pytest.mark.parametrize(
    "url",
    ["https://{{webhookData.host}}/", "https://a.{{webhookData.x}}.example/", "https://good.example/", "{{webhookData.x}}"],
)
async def test_what_is_permitted_or_not_yet_known_is_published(flows: Flows, url: str) -> None:
    flows.deny = ("evil.example", "*.evil.example")
    await flows.publish(url)


def check_step(kind: str, settings: dict[str, str], connectors: tuple[Connector, ...] = ()) -> list[str]:
    step = {"id": "call", "kind": kind, "with": settings}
    text = json.dumps({"id": "main", "name": "M", "trigger": {"on": "manual"}, "steps": [step]})
    checked = check_flow(text, with_actions(load_book(), connectors))
    assert checked.flow is not None, checked.problems
    return list_unreachable(checked.flow, TenantSettings(tenant=TENANT, egress_allow=("good.example",)), connectors)


def test_both_ends_of_a_transfer_are_judged() -> None:
    told = check_step("transfer_file", {"from_url": "https://good.example/", "to_url": "https://other.example/"})
    assert [line.partition(" leads")[0] for line in told] == ["step call: with.to_url"]


def test_an_action_calls_its_connectors_host() -> None:
    slack = load_connector("slack")
    assert slack is not None
    settings = {"connection": "c", "channel": "C1", "text": "x"}
    (told,) = check_step("slack.post_message", settings, (slack,))
    assert told.startswith("step call: kind leads to slack.com, which")
    moved = msgspec.structs.replace(slack, base_url="https://good.example/api")
    assert check_step("slack.post_message", settings, (moved,)) == []
    own = msgspec.structs.replace(slack, auth={"app": AuthScheme(kind="jira_app")}, default_auth=(("app",),))
    assert check_step("slack.post_message", {"channel": "C1", "text": "x"}, (own,)) == [], "the tenant's own Jira"
    assert check_step("slack.post_message", settings, (own,)) != []
    by_connection = msgspec.structs.replace(slack, base_url="https://{site}.slack.com/api", parameters={"site": Parameter()})
    assert check_step("slack.post_message", settings, (by_connection,)) == [], "only the connection knows"
