"""The least scopes: those of the actions that live flows use with a connection, wherever in the flow they stand."""

from blubees.flows.scopes import list_least_scopes
from blubees.model.action import Action
from blubees.model.call import Effect
from blubees.model.connector import Connector
from blubees.model.flow import Branch, Flow, PublishedFlow, Step, Trigger, TriggerKind
from blubees.model.ids import FlowId, StepId, TenantId

CHAT = Connector(
    name="chat",
    title="Chat",
    actions={
        "post": Action(effect=Effect.UNSAFE, scopes=("chat:write",)),
        "list": Action(effect=Effect.READ, scopes=("channels:read", "users:read")),
        "test": Action(effect=Effect.READ),
    },
)


def step(name: str, kind: str, connection: str, *inside: Step) -> Step:
    branches = (Branch(steps=inside),) if inside else ()
    return Step(id=StepId(name), kind=kind, settings={"connection": connection}, branches=branches)


def plan(*steps: Step) -> PublishedFlow:
    flow = Flow(id=FlowId("f"), name="F", trigger=Trigger(on=TriggerKind.MANUAL), steps=steps)
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
