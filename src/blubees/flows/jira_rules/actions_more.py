"""Actions beyond an issue's fields: web requests, messages, variables, work logs, versions. Called by table.py's entries."""

from typing import Any, Final

import orjson

from blubees.flows.jira_rules.actions import KEY_OF_ISSUE
from blubees.flows.jira_rules.build import Build, Step, UntranslatableError
from blubees.flows.jira_rules.export import Component, read_text
from blubees.flows.jira_rules.fields import account_of, list_references, read_reference, write_adf
from blubees.flows.jira_rules.note import Note
from blubees.flows.jira_rules.report import NeededConnection
from blubees.flows.jira_rules.secrets import clean_tree

_UNITS: Final = {"S": "seconds", "MI": "minutes", "H": "hours", "D": "days"}


def send_slack(build: Build, component: Component, note: Note) -> list[Step]:
    """Write to a channel of Slack."""
    settings = component.settings
    prepare: list[Step] = []
    text = build.text(read_reference(settings.get("message", settings.get("text", settings.get("body"))))[1], note, prepare)
    channel = build.text(read_reference(settings.get("channel", settings.get("channelOrUser")))[1], note, prepare)
    needed = NeededConnection(
        name="slack",
        kind="bearer",
        hosts=("slack.com",),
        needs="A bot token of a Slack app that may chat:write, and is in the channel.",
    )
    name = build.connect(needed, note)
    note.approximate("It is sent by Slack's API as a bot: an incoming webhook's address is itself a secret.")
    if not channel:
        channel = "#REPLACE-ME"
        note.ask("Name the channel in the step: the rule had it in its address.")
    made = {
        "url": "https://slack.com/api/chat.postMessage",
        "method": "POST",
        "connection": name,
        "json": {"channel": channel, "text": text},
    }
    return [*prepare, build.step("http", made, note, wanted="slack")]


def send_email(build: Build, component: Component, note: Note) -> list[Step]:
    """Send a mail to users of Jira by Jira's own notification of an issue."""
    settings = component.settings
    prepare: list[Step] = []
    to: dict[str, Any] = {}
    given = [each for word in ("to", "cc", "bcc") for each in list_references(settings.get(word))]
    left_out = 0
    for kind, text in given:
        plain = text.casefold()
        if plain in {"reporter", "assignee", "watchers", "voters"}:
            to[plain] = True
        elif kind == "GROUP":
            to.setdefault("groups", []).append({"name": build.text(text, note, prepare)})
        elif kind in {"ID", "USER", "ACCOUNT_ID"} and "@" not in text:
            to.setdefault("users", []).append({"accountId": account_of(build.text(text, note, prepare))})
        else:
            left_out += 1
    if not to:
        raise UntranslatableError(
            "It goes to addresses, and there is no mail server here.", "Call a mail service by an http step with a connection."
        )
    note.approximate("Jira sends it as a notification of the issue, with its own frame and sender.")
    if left_out:
        note.approximate(
            f"{left_out} of its receivers are addresses or smart values, and are left out.",
            "Name them as users or groups in the step.",
        )
    body = build.text(settings.get("body"), note, prepare)
    is_html = "html" in read_text(settings.get("mimeType"), 40)
    json = {
        "subject": build.text(settings.get("subject"), note, prepare),
        "htmlBody" if is_html else "textBody": body,
        "to": to,
    }
    issue = {"issue": f"{{{{{build.path(KEY_OF_ISSUE)}}}}}"}
    made = {"method": "POST", "path": "/rest/api/3/issue/{issue}/notify", "parts": issue, "json": json}
    return [*prepare, build.step("jira.request", made, note, wanted="notify")]


def create_variable(build: Build, component: Component, note: Note) -> list[Step]:
    """Name a value."""
    settings = component.settings
    prepare: list[Step] = []
    _, name = read_reference(settings.get("name", settings.get("variableName")))
    given = settings.get("query", settings.get("smartValue", settings.get("variableValue", settings.get("value"))))
    value = build.text(read_reference(given)[1], note, prepare)
    if not name.strip():
        raise UntranslatableError("It has no name.", "Write a set step by hand.")
    own = build.take_variable(name.strip(), note)
    if own != name.strip():
        note.approximate("The variable has another name here, in all smart values too.")
    return [*prepare, build.step("set", {"values": {own: value}}, note, wanted=f"set_{own}")]


def create_table(build: Build, component: Component, note: Note) -> list[Step]:
    """Keep a lookup table; `lookup` steps ask it where it is read."""
    settings = component.settings
    prepare: list[Step] = []
    _, name = read_reference(settings.get("name", settings.get("tableName")))
    rows = settings.get("mappings", settings.get("rows", settings.get("entries")))
    pairs = [each for each in rows if isinstance(each, dict)] if isinstance(rows, list) else []
    table = {
        build.clean(read_text(read_reference(each.get("key"))[1], 500), note): build.text(
            read_reference(each.get("value"))[1], note, prepare
        )
        for each in pairs[:1_000]
    }
    if not name.strip() or not table:
        raise UntranslatableError("It has no name or no rows in a form that is known.", "Write a lookup step by hand.")
    own = build.take_variable(name.strip(), note)
    build.tables[name.strip()] = table
    return [*prepare, build.step("set", {"values": {own: table}}, note, wanted=f"set_{own}")]


def write_log(build: Build, component: Component, note: Note) -> list[Step]:
    """Write a line into the audit log: here nothing is logged, and a watched trial shows the text."""
    prepare: list[Step] = []
    given = (
        component.value
        if isinstance(component.value, str)
        else component.settings.get("message", component.settings.get("log"))
    )
    text = build.text(read_reference(given)[1], note, prepare)
    note.approximate("Nothing of a run is logged here: a watched trial shows the text.")
    step = build.step("set", {}, note, wanted="log")
    return [*prepare, step | {"with": {"values": {step["id"]: text}}}]


def wait(build: Build, component: Component, note: Note) -> list[Step]:
    """Wait before what comes next."""
    settings = component.settings
    inner = settings.get("delay", settings.get("duration", settings))
    inner = inner if isinstance(inner, dict) else {**settings, "value": inner}
    _, number = read_reference(inner.get("value", inner.get("amount", inner.get("time"))))
    unit = read_text(inner.get("unit", inner.get("timeUnit", inner.get("units"))), 20).upper()
    word = next((name for start, name in _UNITS.items() if unit.startswith(start)), "")
    if not number.isdecimal() or not word or not int(number[:9]):
        raise UntranslatableError("It does not say how long in a form that is known.", "Write a wait step by hand.")
    return [build.step("wait", {word: int(number[:9])}, note, wanted="wait")]


def log_work(build: Build, component: Component, note: Note) -> list[Step]:
    """Log work on the issue."""
    settings = component.settings
    prepare: list[Step] = []
    spent = build.text(
        read_reference(settings.get("timeSpent", settings.get("duration", settings.get("time"))))[1], note, prepare
    )
    if not spent.strip():
        raise UntranslatableError("It does not say how much time in a form that is known.", "Write the step by hand.")
    json: dict[str, Any] = {"timeSpent": spent}
    comment = build.text(read_reference(settings.get("comment", settings.get("description")))[1], note, prepare)
    json |= {"comment": write_adf(comment)} if comment else {}
    if read_reference(settings.get("dateStarted", settings.get("startDate", settings.get("started"))))[1] not in {
        "",
        "{{now}}",
    }:
        note.approximate("It starts now, and not at the time that the rule says.", "Add `started` to the step's json.")
    if read_text(settings.get("adjustEstimate"), 40) not in {"", "ADJUST_AUTOMATICALLY"}:
        note.approximate("The remaining estimate is adjusted by Jira itself.", "Add `adjustEstimate` to the step's query.")
    return [*prepare, _request(build, note, "POST", "worklog", json, wanted="log_work")]


def change_watchers(build: Build, component: Component, note: Note) -> list[Step]:
    """Add or remove watchers of the issue."""
    settings = component.settings
    prepare: list[Step] = []
    added = [each for word in ("addWatchers", "watchers", "users", "add") for each in list_references(settings.get(word))]
    removed = [each for word in ("removeWatchers", "remove") for each in list_references(settings.get(word))]
    if settings.get("removeAll") is True:
        raise UntranslatableError("It removes all watchers.", "Get them by a jira.request step, and remove each.")
    steps = []
    for word, users in (("POST", added), ("DELETE", removed)):
        for kind, text in users:
            role = text.casefold() in {"reporter", "assignee", "creator"}
            account = (
                f"{{{{{build.path(f'issue.{text.casefold()}.accountId')}}}}}"
                if role
                else account_of(build.text(text, note, prepare))
            )
            if kind in {"GROUP", "ROLE"}:
                raise UntranslatableError("It adds a group or a role, and watchers are users.", "Name the users in the step.")
            query = {"query": {"accountId": account}} if word == "DELETE" else {}
            steps.append(_request(build, note, word, "watchers", account if word == "POST" else None, wanted="watcher") | {})
            steps[-1]["with"] |= query
    if not steps:
        raise UntranslatableError("It names no users in a form that is known.", "Write the step by hand.")
    return [*prepare, *steps]


def set_property(build: Build, component: Component, note: Note) -> list[Step]:
    """Set a property of the issue."""
    settings = component.settings
    prepare: list[Step] = []
    entity = read_text(settings.get("entityType", settings.get("entity")), 40).casefold() or "issue"
    key = build.text(read_reference(settings.get("propertyKey", settings.get("key")))[1], note, prepare)
    raw = build.text(read_reference(settings.get("propertyValue", settings.get("value")))[1], note, prepare)
    if entity != "issue" or not key:
        raise UntranslatableError("It sets a property of something other than an issue.", "Write a jira.request step by hand.")
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        value = raw
        if "{{" in raw and raw.lstrip().startswith(("{", "[")) and not raw.lstrip().startswith("{{"):
            note.approximate(
                "The value is JSON only once the smart values are worked out: it is set as a text.", "Write the value's parts."
            )
    settings = {"issue": f"{{{{{build.path(KEY_OF_ISSUE)}}}}}", "key": key, "value": clean_tree(value)}
    return [*prepare, build.step("jira.set_property", settings, note, wanted="property")]


def _request(build: Build, note: Note, method: str, rest: str, json: object, *, wanted: str) -> Step:
    settings: dict[str, Any] = {"method": method, "path": f"/rest/api/3/issue/{{issue}}/{rest}"}
    settings["parts"] = {"issue": f"{{{{{build.path(KEY_OF_ISSUE)}}}}}"}
    return build.step("jira.request", settings | ({"json": json} if json is not None else {}), note, wanted=wanted)
