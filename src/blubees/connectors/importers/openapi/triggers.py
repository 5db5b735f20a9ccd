"""`webhooks` and callbacks of a document as triggers. Used by connectors/importers/openapi/reader.py."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from blubees.connectors.importers.names import to_name, to_text, to_title
from blubees.connectors.importers.openapi.bodies import choose_media_type
from blubees.connectors.importers.openapi.parameters import Reading, find_example
from blubees.model.action import Action, Content, Place
from blubees.model.connector import ConnectorTrigger, Hook, TriggerSort

TRIGGERS_MAX: Final = 2_000
_IN_REQUEST: Final = re.compile(r"\{\$request\.(?:body#/([^/{}]+)|query\.([^{}]+))\}")
_BY_HAND: Final = "Make a webhook flow's address known to the third party, where it says how."


def read_webhooks(
    reading: Reading, webhooks: Mapping[str, Any], taken: Mapping[str, ConnectorTrigger]
) -> dict[str, ConnectorTrigger]:
    """Read the webhooks of a document (OpenAPI 3.1; GitHub's and others' `x-webhooks`)."""
    made: dict[str, ConnectorTrigger] = {}
    for event, item in webhooks.items():
        for operation, file in _list_operations(reading, item):
            if len(made) + len(taken) >= TRIGGERS_MAX:
                reading.notes.tell("", f"Of the webhooks the first {TRIGGERS_MAX:,} are taken.")
                return made
            name = _choose_name(str(event), made, taken)
            event_header, delivery_header, value = _find_headers(reading, operation, file)
            hook = Hook(event_header=event_header, delivery_header=delivery_header, by_hand=_BY_HAND)
            events = (value or str(event)[:200],) if event_header else ()
            made[name] = _make_trigger(reading, name, operation, file, hook, events)
    return made


def read_callbacks(
    reading: Reading, operation: Mapping[str, Any], file: str, name: str, action: Action
) -> Iterator[tuple[str, ConnectorTrigger]]:
    """Read the callbacks of an operation: the action that registers our address is that operation, where it takes no more."""
    callbacks = operation.get("callbacks")
    for title, given in callbacks.items() if isinstance(callbacks, dict) else ():
        callback, inner_file = reading.files.resolve(given, file)
        for expression, item in callback.items():
            for inner, its_file in _list_operations(reading, item, inner_file):
                target = _find_target(str(expression), action)
                others = [each for each, value in action.inputs.items() if value.is_required and each != target]
                if target and not others:
                    hook = Hook(register=name, register_inputs={target: "$url"})
                elif target:
                    hook = Hook(by_hand=f"Perform the action {name} once, with a webhook flow's address as its input {target}.")
                else:
                    hook = Hook(by_hand=f"Perform the action {name} so that it names a webhook flow's address.")
                made = to_name(f"{name}_{title}")
                yield made, _make_trigger(reading, made, inner, its_file, hook, ())


def _list_operations(reading: Reading, item: object, file: str = "") -> Iterator[tuple[Mapping[str, Any], str]]:
    given, where = reading.files.resolve(item, file or reading.files.main)
    for method in ("post", "put", "get"):
        if isinstance(given.get(method), dict):
            yield given[method], where
            return


def _choose_name(event: str, *taken: Mapping[str, ConnectorTrigger]) -> str:
    name = to_name(event) or "event"
    number = 2
    chosen = name
    while any(chosen in each for each in taken):
        chosen = f"{name[:58]}_{number}"
        number += 1
    return chosen


def _make_trigger(
    reading: Reading, name: str, operation: Mapping[str, Any], file: str, hook: Hook, events: tuple[str, ...]
) -> ConnectorTrigger:
    body, body_file = reading.files.resolve(operation.get("requestBody"), file)
    content = body.get("content")
    schema: dict[str, Any] = {}
    sample = None
    if isinstance(content, dict) and content:
        media_type, kind = choose_media_type(content)
        media, media_file = reading.files.resolve(content[media_type], body_file)
        if kind in {Content.JSON, Content.FORM}:
            schema = reading.forms.convert(media.get("schema"), media_file)
            sample = find_example(reading, media, media.get("schema"), media_file)
    return ConnectorTrigger(
        title=to_title(operation.get("summary"), name),
        description=to_text(operation.get("description")),
        sort=TriggerSort.WEBHOOK,
        events=events,
        hook=hook,
        schema=schema,
        sample=sample,
        docs_url=find_docs(operation),
    )


def find_docs(operation: Mapping[str, Any]) -> str:
    """Give the vendor's page about it; empty for none."""
    docs = operation.get("externalDocs")
    url = docs.get("url") if isinstance(docs, dict) else None
    return url[:500] if isinstance(url, str) and re.match(r"https?://[^\s]+$", url) else ""


def _find_headers(reading: Reading, operation: Mapping[str, Any], file: str) -> tuple[str, str, str]:
    """The headers that name the event and the delivery, and the event's name where the document has it."""
    event_header = delivery_header = value = ""
    parameters = operation.get("parameters")
    for given in parameters if isinstance(parameters, list) else ():
        parameter, _ = reading.files.resolve(given, file)
        name = parameter.get("name")
        if parameter.get("in") != "header" or not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", name):
            continue
        words = set(to_name(name).split("_"))
        if "event" in words and not event_header:
            event_header = name
            example = parameter.get("example")
            value = example[:200] if isinstance(example, str) else ""
        elif words & {"delivery", "guid"} and not delivery_header:
            delivery_header = name
    return event_header, delivery_header, value


def _find_target(expression: str, action: Action) -> str:
    """The input that carries our address, where the callback's address is nothing but one of the request's values."""
    found = _IN_REQUEST.fullmatch(expression)
    if not found:
        return ""
    place, at = (Place.BODY, found[1]) if found[1] else (Place.QUERY, found[2])
    return next((name for name, each in action.inputs.items() if each.place is place and each.at == (at,)), "")
