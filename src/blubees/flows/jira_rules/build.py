"""What a rule's translation gathers: steps' ids, what stands for Jira's smart values, connections, findings."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from blubees.expressions.errors import TemplateError
from blubees.expressions.template import compile_template
from blubees.flows.jira_rules.export import Component, read_text
from blubees.flows.jira_rules.note import Note, comment_on, describe
from blubees.flows.jira_rules.report import NeededConnection
from blubees.flows.jira_rules.secrets import clean_strictly, clean_text
from blubees.flows.jira_rules.smart import choose_root, mask_texts, rewrite_inner, rewrite_roots, write_expression
from blubees.flows.jira_rules.writing import COMMENT

Step = dict[str, Any]
EVENT_FIELDS: Final = frozenset(
    {
        "key",
        "id",
        "self",
        "fields",
        "summary",
        "status",
        "issuetype",
        "project",
        "creator",
        "created",
        "reporter",
        "assignee",
        "updated",
    }
)
"""What Jira sends of an issue with an event; all else is asked for. Source: Atlassian's page of Jira events of Forge."""
SHARED: Final = {
    "rule": "flow",
    "userInputs": "inputs",
    "reporter": "issue.reporter",
    "assignee": "issue.assignee",
    "creator": "issue.creator",
    "project": "issue.project",
}
"""Jira's roots that stand for a part of one of ours, wherever there is that one."""
TAKEN: Final = frozenset(
    {"issue", "triggerIssue", "steps", "flow", "now", "item", "index", "inputs", "trigger", "error", "event", "callBacks"}
)
_NO_LETTERS: Final = re.compile(r"[^a-z0-9]+")
ID_MAX: Final = 50
LOOKUPS_MAX: Final = 50  # of one component: a flow has 200 steps


class UntranslatableError(Exception):
    """A component has no counterpart; the message says why, without any value of the rule."""

    def __init__(self, reason: str, to_do: str = "") -> None:
        super().__init__(reason)
        self.reason, self.to_do = reason, to_do


@dataclass(slots=True)
class Build:
    """One rule on its way to a flow.

    Attributes:
        aliases: what stands for a root of Jira's here: a branch has its own.
        reads: fields that are read of the issue that the event brought.
        tables: lookup tables by name; `variables`: names that `set` steps gave.
        created: ids of the steps that made issues, in order.
        shared: connections of the rules before.
        watched: roots, in small letters, that stand for the event's issue.
    """

    aliases: dict[str, str] = field(default_factory=dict)
    reads: set[str] = field(default_factory=set)
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    variables: set[str] = field(default_factory=set)
    created: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    notes: dict[str, Note] = field(default_factory=dict)
    connections: dict[str, NeededConnection] = field(default_factory=dict)
    shared: dict[str, NeededConnection] = field(default_factory=dict)
    watched: frozenset[str] = frozenset()

    def take_id(self, wanted: str) -> str:
        """A step id that is not taken."""
        base = _NO_LETTERS.sub("_", wanted.lower()).strip("_")[:ID_MAX] or "step"
        base = base if base[0].isalpha() else f"step_{base}"
        number, chosen = 1, base
        while chosen in self.ids:
            number += 1
            chosen = f"{base}_{number}"
        self.ids.add(chosen)
        return chosen

    def step(
        self, kind: str, settings: Mapping[str, Any], note: Note | None = None, *, name: str = "", wanted: str = ""
    ) -> Step:
        """Make a step; with a note, it is the one that stands for the component, with its name and comment."""
        made: Step = {"id": self.take_id(wanted or kind.rpartition(".")[2]), "kind": kind}
        if note is not None:
            note.step = made["id"]
            name = clean_text(note.component.name)[:200] or name
            made = {COMMENT: comment_on(note.component)} | made
        if name:
            made["name"] = name
        return made | ({"with": dict(settings)} if settings else {})

    def placeholder(self, note: Note) -> Step:
        """Hold the place of a component, with how it stood in the rule as a comment."""
        name = clean_text(note.component.name) or f"To do: {clean_strictly(note.component.type)}"
        settings = {"note": note.refusal.replace("{{", "{ {")}
        step = self.step("placeholder", settings, note, name=name[:200], wanted="to_do")
        step[COMMENT] = [*step[COMMENT], *describe(note.component)]
        return step

    def open_note(self, component: Component, becomes: str) -> Note:
        """Begin to say what becomes of a component."""
        note = self.notes[component.path] = Note(component, becomes)
        return note

    def text(self, value: object, note: Note, prepare: list[Step]) -> str:
        """A text of the rule as ours: secrets out, smart values in our names; steps that must come before go to `prepare`."""
        text = self.clean(read_text(value), note)
        try:
            compile_template(text)
        except TemplateError as error:
            raise UntranslatableError(
                f"A smart value can't be read: {clean_strictly(error.message)} (character {error.position + 1} of its text)",
                clean_strictly(error.hint) or "Write it anew.",
            ) from None
        return self.rename(self.look_up(text, note, prepare))

    def clean(self, text: str, note: Note) -> str:
        """Take secrets out of a text, and say so."""
        cleaned = clean_text(text)
        if cleaned != text:
            note.approximate("What looked like a secret was removed from a text.", "Give it back by a connection.")
        return cleaned

    def rename(self, text: str) -> str:
        """Exchange the roots of its smart values."""
        return rewrite_roots(text, self.give_root)

    def path(self, path: str) -> str:
        """The same for one expression, such as issue.status.id."""
        return rewrite_inner(path, self.give_root)

    def give_root(self, name: str, follows: str) -> str | None:
        """What stands for a root here, and None where it stays; remembers what is read of the event's issue."""
        root = name
        other = choose_root(self.aliases, name)
        if other is None and (shared := choose_root(SHARED, name)) and name not in self.variables:
            head, _, part = shared.partition(".")
            other = ".".join(filter(None, (self.aliases.get(head, head), part)))
            root, follows = head, part or follows
        if root.casefold() in self.watched:
            self.reads.add(follows.casefold() if follows != "fields" else "*")
        return other

    def look_up(self, text: str, note: Note, prepare: list[Step]) -> str:
        """Put a `lookup` step before each `table.get(key)`, and its value in its place."""
        for name in self.tables:
            while (found := re.search(rf"(?<![\w.]){re.escape(name)}\.get\(", mask_texts(text))) is not None:
                end = _find_close(mask_texts(text), found.end())
                if end is None:
                    break
                if len(prepare) >= LOOKUPS_MAX:
                    raise UntranslatableError(
                        f"It asks lookup tables more than {LOOKUPS_MAX} times.", "Split it into several steps."
                    )
                key = self.rename("{{" + text[found.end() : end] + "}}")
                step = self.step("lookup", {"table": self.tables[name], "key": key}, wanted=f"look_up_{name}")
                prepare.append(step)
                text = f"{text[: found.start()]}steps.{step['id']}.value{text[end + 1 :]}"
                note.approximate("The lookup table is asked by a lookup step before.")
        return text

    def expression(self, text: object, note: Note, prepare: list[Step]) -> str:
        """A template as one expression; where the language can't say it, a `set` step before names it."""
        template = self.text(text, note, prepare)
        written = write_expression(template)
        if written is not None:
            return written
        name = self.take_id("value")
        prepare.append(self.step("set", {"values": {name: template}}, wanted=f"set_{name}"))
        return name

    def take_variable(self, name: str, note: Note) -> str:
        """The name under which a variable can be set: ours, where Jira's is taken or holds what names may not."""
        chosen = re.sub(r"[^A-Za-z0-9_]", "_", self.clean(name, note)).strip("_") or "value"
        if chosen in TAKEN or choose_root(SHARED, chosen) or not chosen[0].isalpha():
            chosen = f"my_{chosen}"
        self.variables.add(name)
        self.aliases.pop(name, None)
        if chosen != name:
            self.aliases[name] = chosen
        return chosen

    def connect(self, needed: NeededConnection, note: Note) -> str:
        """List a connection to make, once for all that need the same; gives its name."""
        path = note.component.path
        hosts = tuple(host for host in needed.hosts if clean_text(host) == host)
        needed = msgspec.structs.replace(needed, hosts=hosts, name=needed.name if hosts == needed.hosts else "web-request")
        number, name = 1, needed.name
        while not all(_is_same(needed, each.get(name, needed)) for each in (self.connections, self.shared)):
            number += 1
            name = f"{needed.name}-{number}"
        known = self.connections.get(name)
        users = tuple(dict.fromkeys((*(known.used_by if known else ()), path)))
        self.connections[name] = msgspec.structs.replace(needed, name=name, used_by=users)
        note.ask(f"Make the connection {name}.")
        return name

    @contextmanager
    def branch(self, **aliases: str | None) -> Iterator[None]:
        """Names that hold within a branch only; None takes an alias away."""
        before, created, watched = dict(self.aliases), list(self.created), self.watched
        self.watched -= {"issue"} if "issue" in aliases else set()
        for name, other in aliases.items():
            self.aliases.pop(name, None)
            if other is not None:
                self.aliases[name] = other
        yield
        self.aliases, self.created, self.watched = before, created, watched


def host_name(host: str) -> str:
    """A connection's name made of a host."""
    plain = re.sub(r"\{\{.*?\}\}|\ue000\d+\ue001", "", host).partition(":")[0]
    name = _NO_LETTERS.sub("-", plain.lower()).strip("-")[:50].strip("-")
    return name or "web-request"


def _is_same(one: NeededConnection, two: NeededConnection) -> bool:
    return (one.kind, one.hosts, one.parameter) == (two.kind, two.hosts, two.parameter)


def _find_close(masked: str, start: int) -> int | None:
    depth = 1
    for position in range(start, len(masked)):
        depth += {"(": 1, ")": -1}.get(masked[position], 0)
        if depth == 0:
            return position
    return None
