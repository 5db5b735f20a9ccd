"""A connector is cut down to what a flow needs of it."""

from blubees.connectors.trimming import pin_connector, trim_connector
from blubees.model.action import Action, ActionExample, ActionInput, Answer, Place
from blubees.model.call import Effect
from blubees.model.connector import Connector, ConnectorTrigger, Hook, Trial, TriggerSort


def make_action(target: str) -> Action:
    return Action(
        effect=Effect.READ,
        answer=Answer(schema={"$ref": f"#/schemas/{target}"}),
        inputs={"q": ActionInput(schema={"type": "string"}, place=Place.QUERY, at=("q",))},
        examples=(ActionExample(),),
    )


CONNECTOR = Connector(
    name="acme",
    title="Acme",
    base_url="https://acme.example",
    trial=Trial(action="a"),
    actions={"a": make_action("A"), "b": make_action("B"), "register": make_action("B")},
    triggers={
        "t": ConnectorTrigger(
            title="T", sort=TriggerSort.WEBHOOK, hook=Hook(register="register"), schema={"$ref": "#/schemas/E"}
        )
    },
    schemas={
        "A": {"properties": {"next": {"$ref": "#/schemas/A"}, "other": {"items": {"$ref": "#/schemas/C"}}}},
        "B": {"type": "string"},
        "C": {"type": "integer"},
        "E": {"type": "object"},
        "D": {"type": "null"},
    },
)


def test_only_what_is_asked_for_stays_with_the_forms_that_it_reaches() -> None:
    kept = trim_connector(CONNECTOR, ["a", "gone"])
    assert list(kept.actions) == ["a"]
    assert list(kept.schemas) == ["A", "C"]
    assert kept.actions["a"].examples == ()
    assert kept.triggers == {}
    assert kept.trial == CONNECTOR.trial, "a connection is tested by it"
    assert pin_connector(kept).trial is None


def test_a_trigger_brings_the_actions_that_it_uses() -> None:
    kept = trim_connector(CONNECTOR, [], ["t"])
    assert list(kept.actions) == ["register"]
    assert list(kept.schemas) == ["B", "E"]
