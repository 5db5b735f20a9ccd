"""Shows connectors, their actions and what an import changes on a terminal. Used by main/cli_connectors.py.

Texts of documents come from strangers: whatever a terminal would obey is made visible.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from blubees.connectors.differences import list_given, name_form
from blubees.model.action import Action, ActionInput, Schema
from blubees.model.connector import Connector

NOTES_SHOWN: Final = 20
CHANGES_SHOWN: Final = 40
CHOICES_SHOWN: Final = 12
VALUE_MAX: Final = 200
_SORTS: Final = {
    "added": "new action",
    "removed": "action removed",
    "input_added": "new input",
    "input_required": "input is required now",
    "input_optional": "input may be left out now",
    "input_removed": "input removed",
    "input_type": "input has another type",
    "output_added": "new output",
    "output_removed": "output removed",
    "output_type": "output has another type",
    "effect": "effect",
    "auth": "authorisation",
    "request": "request",
    "pages": "pages",
    "tool": "the tool is defined otherwise: publish the flows that use it again, until then it is not called",
    "deprecated": "deprecated now",
    "trigger_added": "new trigger",
    "trigger_removed": "trigger removed",
}


def tell_import(report: Mapping[str, Any], *, is_dry: bool) -> None:
    """Tell what an import gave, or would give."""
    if report["needs"]:
        _say(f"{report['name']}: files are missing: {', '.join(report['needs'][:5])}")
        return
    verb = "would have" if is_dry else "has" if report["is_kept"] else "would have"
    counts = f"{report['actions']:,} actions, {report['triggers']:,} triggers"
    left = f", {report['left_out']:,} operations left out" if report["left_out"] else ""
    _say(f"{report['name']} (“{_clean(report['title'])}”), import {report['revision']}: {verb} {counts}{left}")
    notes = report["notes"]
    for note in notes[:NOTES_SHOWN]:
        _say(f"  note: {_clean(note)}")
    if len(notes) > NOTES_SHOWN:
        _say(f"  … {len(notes) - NOTES_SHOWN} notes more (--json shows all)")
    tell_changes(report["changes"], report["changes_in_all"])
    tell_breaks(report["breaks"])
    if report["breaks"] and not report["is_kept"] and not is_dry:
        sys.stderr.write("Nothing was changed. To import it all the same: --yes. What is published goes on as it is.\n")
    elif report["is_kept"]:
        _say(f"Look at it: blubees connector show {report['name']}")


def tell_changes(changes: Sequence[Mapping[str, Any]], count: int) -> None:
    """Tell what is other than at the last import."""
    for each in changes[:CHANGES_SHOWN]:
        what = _SORTS.get(each["sort"], each["sort"])
        name = f" {_clean(each['name'])}" if each.get("name") else ""
        between = (
            f": {_clean(each.get('old', ''))} → {_clean(each.get('new', ''))}" if each.get("old") and each.get("new") else ""
        )
        _say(f"  {each['action']}: {what}{name}{between}")
    if count > CHANGES_SHOWN:
        _say(f"  … {count - CHANGES_SHOWN:,} changes more (--json shows more)")


def tell_breaks(breaks: Sequence[Mapping[str, Any]]) -> None:
    """Tell which flows break."""
    for each in breaks:
        version = f"version {each['version']}" if each["version"] else "draft"
        where = f", step {each['step']}" if each["step"] else ""
        name = f" {_clean(each['name'])}" if each["name"] else ""
        what = _SORTS.get(each["sort"], each["sort"])
        sys.stderr.write(f"  breaks {each['flow']} ({version}{where}): {each['action']}: {what}{name}\n")


def tell_connectors(found: Iterable[Mapping[str, Any]]) -> None:
    """List connectors."""
    rows = [
        [
            each["name"],
            _clean(each["title"]),
            each["source"],
            f"{each['actions']:,}",
            str(each["triggers"]),
            str(each["revision"] or ""),
        ]
        for each in found
    ]
    _table(["connector", "title", "from", "actions", "triggers", "import"], rows)


def tell_connector(found: Mapping[str, Any]) -> None:
    """Show a connector and a page of its actions."""
    row, connector = found["row"], msgspec.convert(found["connector"], Connector)
    _say(f"{connector.name}: {_clean(connector.title)}")
    if connector.description:
        _say(_clean(connector.description.partition("\n\n")[0]))
    facts = [
        ["address", connector.base_url],
        ["from", f"{row['source']} {row['origin']}".strip()],
        ["version", row["source_version"]],
    ]
    facts += [[f"parameter {name}", each.description or each.title] for name, each in connector.parameters.items()]
    facts += [[f"auth {name}", each.kind] for name, each in connector.auth.items()]
    facts += [[f"trigger {name}", each.title] for name, each in connector.triggers.items()][:50]
    _table(["", ""], [[name, _clean(text)] for name, text in facts if text], has_head=False)
    rows = [[each["name"], _clean(each["title"]), _clean(each["group"]), each["effect"]] for each in found["actions"]]
    _table(["action", "title", "group", "effect"], rows)
    if row["actions"] > len(rows):
        _say(f"… {row['actions'] - len(rows):,} actions more: blubees connector search WORDS --connector {connector.name}")


def tell_found(found: Sequence[Mapping[str, Any]]) -> None:
    """List what a search found."""
    if not found:
        sys.stderr.write("Nothing was found. Try fewer words.\n")
        return
    rows = [
        [f"{each['connector']}.{each['name']}", _clean(each["title"]), _clean(each["group"]), each["effect"]] for each in found
    ]
    _table(["action", "title", "group", "effect"], rows)


def tell_action(found: Mapping[str, Any], name: str) -> None:
    """Show one action: what it takes and gives, and a step to paste."""
    connector = msgspec.convert(found, Connector)
    action = connector.actions[name]
    _say(f"{connector.name}.{name}: {_clean(action.title)}" + (" (deprecated)" if action.is_deprecated else ""))
    if action.description:
        _say(_clean(action.description))
    request = f"{action.request.method} {action.request.base_url or connector.base_url}{action.request.path}"
    facts = [["request", request], ["effect", action.effect.value], ["authorisation", write_auth(connector, action)]]
    if action.scopes:
        facts.append(["scopes", " ".join(action.scopes)])
    if action.pages is not None:
        facts.append(["pages", f"{action.pages.kind.value}; `limit` says how many items in all"])
    facts.append(["page", action.docs_url])
    _table(["", ""], [[label, _clean(text)] for label, text in facts if text], has_head=False)
    rows = [_input_row(title, each, connector) for title, each in action.inputs.items()]
    _table(["input", "type", "", "where", "description"], rows)
    outputs = list(_list_outputs(action, connector))
    _table(["gives", "type", "description"], outputs)
    _say("\n" + write_step(connector, name))


def write_auth(connector: Connector, action: Action) -> str:
    """Tell what authorises a call, for people."""
    alternatives = action.auth or connector.default_auth or tuple((each,) for each in connector.auth)
    words = [" and ".join(f"{each} ({connector.auth[each].kind})" for each in names) or "none" for names in alternatives]
    return " or ".join(words) or "none that the document tells; a connection may be given"


def write_step(connector: Connector, name: str) -> str:
    """Write a step that performs an action, with what must be given, to be pasted into a flow."""
    action = connector.actions[name]
    given: dict[str, Any] = {}
    if action.auth != ((),):
        given["connection"] = f"my-{connector.name.replace('_', '-')}"
    given |= {title: _make_value(each, connector) for title, each in action.inputs.items() if each.is_required}
    step = {"id": name[:40].strip("_"), "kind": f"{connector.name}.{name}"} | ({"with": given} if given else {})
    text: str = yaml.safe_dump([step], sort_keys=False, allow_unicode=True, width=120)
    return text.rstrip()


def _make_value(each: ActionInput, connector: Connector) -> Any:  # noqa: ANN401 - JSON
    if each.example is not None and not each.is_secret:
        return each.example
    kind = name_form(each.schema, connector.schemas)
    choices = each.schema.get("enum")
    if isinstance(choices, list) and choices:
        return choices[0]
    if kind.startswith("list"):
        return []
    return {"integer": 1, "number": 1, "boolean": True, "object": {}, "nothing": None}.get(kind, "…")


def _input_row(name: str, each: ActionInput, connector: Connector) -> list[str]:
    kind = name_form(each.schema, connector.schemas)
    choices = each.schema.get("enum")
    words = each.description
    if isinstance(choices, list) and choices:
        shown = ", ".join(str(choice) for choice in choices[:CHOICES_SHOWN])
        words = f"{words} One of: {shown}{', …' if len(choices) > CHOICES_SHOWN else ''}".strip()
    if "default" in each.schema:
        words = f"{words} (if left out: {each.schema['default']})".strip()
    where = each.place.value if each.place.value != "body" or each.at else "body, whole"
    need = "required" if each.is_required else "deprecated" if each.is_deprecated else ""
    return [name, kind, need, where, _clean(words)]


def _list_outputs(action: Action, connector: Connector) -> Iterable[list[str]]:
    if action.answer.outputs:
        for name, each in action.answer.outputs.items():
            yield [name, name_form(each.schema, connector.schemas), _clean(each.description)]
        return
    schema: Schema = action.answer.schema
    yield ["(the whole)", "file" if action.answer.is_file else name_form(schema, connector.schemas), ""]
    for name, form in list_given(action, connector.schemas).items():
        yield [name, name_form(form, connector.schemas), _clean(str(form.get("description", "")))]


def _table(columns: list[str], rows: Iterable[list[str]], *, has_head: bool = True) -> None:
    rows = list(rows)
    if not rows:
        return
    table = Table(box=None, pad_edge=False, show_header=has_head)
    for number, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=number == 0 and max(len(row[0]) for row in rows) < 50)  # noqa: PLR2004
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def _say(text: str) -> None:
    Console().print(Text(text), soft_wrap=True)


def _clean(text: str) -> str:
    """Cut a stranger's text, and make visible what a terminal would obey."""
    line = " ".join(str(text).split())
    line = line if len(line) <= VALUE_MAX * 2 else line[: VALUE_MAX * 2 - 1] + "…"
    return "".join(each if each.isprintable() else "\ufffd" for each in line)
