"""Writes the catalogue's pages for people: docs/connectors.md, and one for each connector. Called by `make connector-pages`.

A test compares them with what is written now: they are never older than the files.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import orjson

from blubees.connectors.actions.perform import needs_connection
from blubees.connectors.contract.check_action import list_page_inputs
from blubees.connectors.contract.grade import CHECKS, grade_connector, tell_lacks
from blubees.model.action import Action, ActionExample, ActionInput
from blubees.model.call import Effect
from blubees.model.connector import Connector, ConnectorTrigger, TriggerSort

MADE: Final = "<!-- Made by `make connector-pages` of src/blubees/connectors/catalog; not to be changed by hand. -->\n"
EFFECTS: Final = {
    Effect.READ: "reads",
    Effect.IDEMPOTENT: "may be done twice",
    Effect.KEYED: "done once, by its key",
    Effect.UNSAFE: "not done twice",
}
MANY: Final = 100
"""A connector with more actions shows each example in a line: its page would be of no use, and too long to be shown."""


def write_index(connectors: Iterable[Connector]) -> str:
    """Write the page of the catalogue."""
    rows = [_write_row(each) for each in sorted(connectors, key=lambda each: each.title.casefold())]
    checks = "\n".join(f"| `{name}` | {check.grade} | {check.asks} |" for name, check in CHECKS.items())
    return f"""{MADE}# Connectors
A connector is a type of third party; an action of one is a step of a flow: `kind: slack.post_message`. Its page shows each action with its
inputs, what it gives, and an example. A tenant's own connectors, imported from a document (OpenAPI, GraphQL, MCP), are used the same way.

| connector | grade | actions | triggers | authorisation |
|---|---|---|---|---|
{chr(10).join(rows)}

## Grades
Nobody gives a grade: it is computed from checks of the connector's file, whose examples are performed by the tests. **draft**: the file is
sound. **tested**: all checks of `tested` pass. **trusted**: all checks pass. A check that a vendor can't pass is exempted in the file, with
the reason, which its page shows.

| check | for | what it asks |
|---|---|---|
{checks}

## In a flow
```yaml
- id: say
  kind: slack.post_message
  with:
    connection: team-slack
    channel: C0123456789
    text: "{{{{issue.key}}}} is done"
  retry: {{attempts: 3}}
```
`connection` names a connection of the tenant's; the flow's check tells which inputs there are, which lack, and which have the wrong type.
Inputs become what the vendor asks for where nothing is lost: `"5"` becomes 5 where a number is asked for, 5 becomes `"5"` where a text is.
An action whose list comes in pages has the input `limit`: how many items in all, 1,000 unless it says otherwise, 10,000 at most.
A failure has one of five meanings: `busy`, `credential_refused`, `not_found`, `request_refused`, `vendor_broken`; `retry` and `on_error` go by them.
Where the vendor says when to come back, nothing is asked before.

A file as a value is `{{name, media_type, base64}}`, or `text` instead of `base64`; a text alone is a file of that text.
Where a connector has parameters (`https://{{site}}.zendesk.com`), the connection tells them: `connection add … --setting param_site=acme`.
"""


def write_page(connector: Connector) -> str:
    """Write the page of one connector."""
    graded = grade_connector(connector)
    parts = [
        f"{MADE}# {connector.title}\n{connector.description}\n",
        f"Grade: **{graded.grade}**. Base URL: `{connector.base_url or 'told by each action'}`."
        + (f" [The vendor's documentation]({connector.docs_url})." if connector.docs_url else ""),
        *(f"- {line}" for line in tell_lacks(graded)),
        *(f"- Exempt from `{name}`: {why}" for name, why in graded.exempted.items()),
        "",
        *_write_connection(connector),
    ]
    if connector.triggers:
        parts += ["## Triggers", *(_write_trigger(connector, name, each) for name, each in connector.triggers.items())]
    parts.append("## Actions")
    if len(connector.actions) > MANY:
        parts.append("Each example is the step, and below what it gives. `blubees connector search` finds actions by words.\n")
    for group in dict.fromkeys(action.group for action in connector.actions.values()):
        if group:
            parts.append(f"### {group}")
        parts += [_write_action(connector, name, each) for name, each in connector.actions.items() if each.group == group]
    return "\n".join(parts).rstrip() + "\n"


def _write_row(connector: Connector) -> str:
    graded = grade_connector(connector)
    kinds = ", ".join(dict.fromkeys(each.kind for each in connector.auth.values())) or "none"
    name = f"[{connector.title}](connectors/{connector.name}.md) `{connector.name}`"
    is_told = not connector.triggers and "triggers" in connector.exemptions
    triggers = f"[see there](connectors/{connector.name}.md)" if is_told else str(len(connector.triggers))
    return f"| {name} | {graded.grade} | {len(connector.actions)} | {triggers} | {kinds} |"


def _write_connection(connector: Connector) -> Iterator[str]:
    if not connector.auth:
        return
    yield "## Connection"
    for name, scheme in connector.auth.items():
        scopes = (
            f" Scopes: {', '.join(f'`{scope}` ({_line(what)})' for scope, what in scheme.scopes.items())}."
            if scheme.scopes
            else ""
        )
        yield f"- **{_line(scheme.title) or name}** (`{scheme.kind}`). {_line(scheme.docs)}{scopes}"
    for name, parameter in connector.parameters.items():
        told = _line(parameter.description or parameter.title)
        yield f"- `param_{name}`: {told or 'of the base URL'}, such as `{parameter.example or parameter.default}`."
    if connector.trial is not None:
        yield f"\nA connection is tested by `{connector.trial.action}`."
    yield ""


def _write_trigger(connector: Connector, name: str, trigger: ConnectorTrigger) -> str:
    how = "is called by the vendor" if trigger.sort is TriggerSort.WEBHOOK else "asks the vendor at intervals"
    needs = f" Needs {', '.join(f'`{scope}`' for scope in trigger.scopes)}." if trigger.scopes else ""
    lines = [f"### {trigger.title}\n`on: {connector.name}.{name}`, {how}.{needs} {_line(trigger.description)}".rstrip()]
    if trigger.hook is not None and trigger.hook.by_hand:
        lines.append(f"\n{_line(trigger.hook.by_hand)}")
    if trigger.sample is not None:
        lines.append(f"\n```json\n{_json(trigger.sample)}\n```")
    return "\n".join(lines) + "\n"


def _write_action(connector: Connector, name: str, action: Action) -> str:
    link = f" [The vendor's page]({action.docs_url})." if action.docs_url else ""
    scopes = f" Needs {', '.join(f'`{scope}`' for scope in action.scopes)}." if action.scopes else ""
    head = f"#### {action.title}\n`{connector.name}.{name}`: {EFFECTS[action.effect]}.{scopes}{link}"
    lines = [head, f"\n{_line(action.description)}" if action.description else ""]
    hidden = list_page_inputs(action)
    rows = [_write_input(key, each) for key, each in action.inputs.items() if key not in hidden]
    if action.pages is not None:
        rows.append("| `limit` | whole number | how many items in all |")
    if rows:
        lines.append("\n| input | type | |\n|---|---|---|\n" + "\n".join(rows))
    gives = _write_result(action)
    lines.append(f"\nGives {gives}." if gives else "")
    shown = next((each for each in action.examples if not each.fails), None)
    if shown is not None:
        lines.append(_write_example(connector, name, shown))
    return "\n".join(line for line in lines if line) + "\n"


def _write_input(name: str, each: ActionInput) -> str:
    told = _line(each.description)
    example = "" if each.example is None or each.is_secret else f"such as `{_cell(_plain(each.example))}`"
    mark = "" if each.is_required else ", may be left out"
    return f"| `{name}` | {_name_form(each.schema)}{mark} | {_cell(', '.join(filter(None, (told, example))))} |"


def _write_result(action: Action) -> str:
    if action.answer.outputs:
        return ", ".join(f"`{name}` ({_name_form(each.schema)})" for name, each in action.answer.outputs.items())
    if action.answer.is_file:
        return "a file"
    return f"{'a list' if action.pages is not None else _name_form(action.answer.schema)}" if action.answer.schema else ""


def _write_example(connector: Connector, name: str, example: ActionExample) -> str:
    given = dict(example.inputs)
    if needs_connection(connector, name):
        given = {"connection": "my-" + connector.name.replace("_", "-"), **given}
    step = {"id": "step", "kind": f"{connector.name}.{name}", "with": given}
    if len(connector.actions) > MANY:
        return f"\n```json\n{_plain(step)}\n{_plain(example.gives)}\n```"
    gives = f"gives\n```json\n{_json(example.gives)}\n```" if example.gives is not None else "gives nothing."
    return f"\n```json\n{_json(step)}\n```\n{gives}"


def _name_form(schema: dict[str, Any]) -> str:
    kinds = schema.get("type")
    named = [kind for kind in kinds if kind != "null"] if isinstance(kinds, list) else [kinds]
    words = {"string": "text", "integer": "whole number", "array": "list", "boolean": "true or false"}
    formats = {"date": "date", "date-time": "date and time", "binary": "file", "email": "e-mail address", "uri": "URL"}
    if len(named) != 1 or not isinstance(named[0], str):
        return "anything"
    text = formats.get(str(schema.get("format")), words.get(named[0], named[0]))
    choices = schema.get("enum")
    return f"{text}: {', '.join(f'`{_cell(_plain(each))}`' for each in choices)}" if isinstance(choices, list) else text


def _plain(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _json(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def _line(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
