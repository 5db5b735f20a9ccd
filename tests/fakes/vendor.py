"""A made-up vendor with triggers of every sort."""

from typing import Any

from blubees.model.action import Action, ActionInput, Answer, Content, Place, Request
from blubees.model.call import Effect
from blubees.model.connector import AuthScheme, Connector, ConnectorTrigger, Hook, PollRule, TriggerSort

TEXT: dict[str, Any] = {"type": "string"}


def take(place: Place, *, is_required: bool = True, at: str = "") -> ActionInput:
    return ActionInput(schema=TEXT, place=place, at=(at,) if at else (), is_required=is_required)


ACME = Connector(
    name="acme",
    title="Acme",
    base_url="https://acme.example/v1",
    auth={"main": AuthScheme(kind="bearer")},
    source="openapi",
    actions={
        "list": Action(
            effect=Effect.READ,
            request=Request(path="/{project}/things"),
            inputs={
                "project": take(Place.PATH, at="project"),
                "since": take(Place.QUERY, at="since", is_required=False),
            },
            answer=Answer(at=("things",)),
        ),
        "register": Action(
            effect=Effect.UNSAFE,
            request=Request(method="POST", path="/{project}/hooks", content=Content.JSON),
            inputs={
                "project": take(Place.PATH, at="project"),
                "url": take(Place.BODY, at="url"),
                "secret": take(Place.BODY, at="secret"),
                "events": ActionInput(schema={"type": "array"}, place=Place.BODY, at=("events",)),
            },
        ),
        "unregister": Action(
            effect=Effect.IDEMPOTENT,
            request=Request(method="DELETE", path="/{project}/hooks/{id}"),
            inputs={"project": take(Place.PATH, at="project"), "id": take(Place.PATH, at="id")},
        ),
    },
    triggers={
        "posted": ConnectorTrigger(
            title="Posted",
            sort=TriggerSort.WEBHOOK,
            events=("posted", "edited"),
            hook=Hook(
                scheme="github",
                event_at=("event", "type"),
                delivery_at=("id",),
                challenge_at=("challenge",),
                challenge_query="token",
                by_hand="In the settings.",
            ),
            schema={"type": "object", "properties": {"kind": TEXT}},
            sample={"id": "1", "event": {"type": "posted"}, "kind": "a"},
        ),
        "made": ConnectorTrigger(
            title="Made",
            sort=TriggerSort.WEBHOOK,
            events=("thing.made",),
            hook=Hook(
                scheme="hmac_sha256",
                header="X-Sign",
                event_header="X-Event",
                delivery_header="X-Id",
                register="register",
                register_inputs={"url": "$url", "secret": "$secret", "events": "$events"},
                unregister="unregister",
            ),
        ),
        "changed": ConnectorTrigger(
            title="Changed",
            sort=TriggerSort.POLL,
            poll=PollRule(action="list", since_input="since", cursor_at=("at",), id_at=("id",)),
        ),
    },
)
