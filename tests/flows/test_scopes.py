"""The least scopes: those of the actions that live flows use with a connection, wherever in the flow they stand."""

from blubees.flows.scopes import list_least_scopes
from blubees.model.action import Action
from blubees.model.call import Effect
from blubees.model.connector import Connector, ConnectorTrigger, Hook, PollRule, TriggerSort
from blubees.model.flow import Branch, Flow, PublishedFlow, Step, Trigger, TriggerKind
from blubees.model.ids import FlowId, StepId, TenantId

CHAT = Connector(
    name="chat",
    title="Chat",
    actions={
        "post": Action(effect=Effect.UNSAFE, scopes=("chat:write",)),
        "list": Action(effect=Effect.READ, scopes=("channels:read", "users:read")),
        "test": Action(effect=Effect.READ),
        "get_file": Action(effect=Effect.READ, scopes=("files:read",)),
        "register": Action(effect=Effect.UNSAFE, scopes=("hooks:write",)),
        "unregister": Action(effect=Effect.IDEMPOTENT, scopes=("hooks:delete",)),
    },
    triggers={
        "message": ConnectorTrigger(
            title="M", sort=TriggerSort.WEBHOOK, hook=Hook(by_hand="There."), scopes=("channels:history",)
        ),
        "made": ConnectorTrigger(
            title="R",
            sort=TriggerSort.WEBHOOK,
            hook=Hook(register="register", unregister="unregister"),
            scopes=("things:read",),
        ),
        "listed": ConnectorTrigger(
            title="P", sort=TriggerSort.POLL, poll=PollRule(action="list", taken_by="unregister", id_at=("id",))
        ),
    },
)


def step(name: str, kind: str, connection: str, *inside: Step) -> Step:
    branches = (Branch(steps=inside),) if inside else ()
    return Step(id=StepId(name), kind=kind, settings={"connection": connection}, branches=branches)


def plan(*steps: Step, on: str = "", connection: str = "") -> PublishedFlow:
    trigger = Trigger(on=TriggerKind.WEBHOOK if on else TriggerKind.MANUAL, connector=on, connection=connection)
    flow = Flow(id=FlowId("f"), name="F", trigger=trigger, steps=steps)
    return PublishedFlow(tenant=TenantId("t" + "a" * 24), version=1, flow=flow, connectors=(CHAT,))


def test_only_what_is_used_with_the_connection_is_asked_for() -> None:
    one = plan(step("a", "choose", "", step("b", "chat.post", "team")), step("c", "chat.test", "team"))
    other = plan(step("a", "chat.list", "elsewhere"), step("b", "chat.list", "{{x}}"), step("c", "http", "team"))
    assert list_least_scopes([one, other], "team") == ("chat:write",)
    assert list_least_scopes([one, other], "elsewhere") == ("channels:read", "users:read")
    assert list_least_scopes([one, other], "none") == ()
    assert list_least_scopes([one, plan(step("a", "chat.list", "team"))], "team") == (
        "channels:read",
        "chat:write",
        "users:read",
    )


def test_what_a_trigger_needs_counts_too_and_what_registers_it_or_asks_for_it() -> None:
    made, listed = plan(on="chat.made", connection="team"), plan(on="chat.listed", connection="team")
    assert list_least_scopes([made], "team") == ("hooks:delete", "hooks:write", "things:read")
    assert list_least_scopes([listed], "team") == ("channels:read", "hooks:delete", "users:read")
    assert list_least_scopes([made, listed], "other", "chat") == ()
    assert (
        list_least_scopes([plan(on="chat.unknown", connection="team"), plan(on="none.made", connection="team")], "team") == ()
    )


def test_a_trigger_that_a_person_sets_up_counts_for_each_connection_of_its_connector() -> None:
    by_hand = plan(on="chat.message")
    assert list_least_scopes([by_hand], "team", "chat") == ("channels:history",)
    assert list_least_scopes([by_hand], "team", "mail") == ()
    assert list_least_scopes([by_hand], "team") == ()


def test_what_a_file_comes_from_counts_for_its_own_connection() -> None:
    given = {"connection": "team", "file": {"from": "chat.get_file", "with": {"connection": "elsewhere", "id": "1"}}}
    copying = plan(Step(id=StepId("a"), kind="chat.post", settings=given))
    assert list_least_scopes([copying], "team") == ("chat:write",)
    assert list_least_scopes([copying], "elsewhere") == ("files:read",)
