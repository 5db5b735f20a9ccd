"""Starts a trial and shows what happens in it, as it happens. Used by main/cli.py (`flow test`, `runs watch`).

The ticket comes from the control plane; the event goes to a conduit, and the values come from it, over one connection.
"""

import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from rich.console import Console
from rich.text import Text

from blubees.main.operator_client import OperatorClient
from blubees.main.run_view import style_of
from blubees.model.errors import InputError, UnavailableError

QUIET_SECONDS: Final = 30.0  # a conduit says something every 10 s
TRIES: Final = 20
OK: Final = 200
LOST: Final = "The connection to the conduit was lost. `runs list` shows what became of the run."
SHOWN_CHARACTERS: Final = 2_000  # of one value, on a terminal

Event = tuple[str, Mapping[str, Any]]


def watch_trial(client: OperatorClient, tenant: str, flow: str, event: bytes, door: str, *, is_dry: bool) -> Iterator[Event]:
    """Start a trial of a flow's live version, and give its events until it ends; as `watch_ticket`."""

    def give() -> Mapping[str, Any]:
        path = f"/tenants/{tenant}/flows/{flow}/trial-ticket?trial={'dry_run' if is_dry else 'test'}"
        return {"flow": flow, **client.post(path)}

    return watch_ticket(give, tenant, event, door)


def watch_ticket(give: Callable[[], Mapping[str, Any]], tenant: str, event: bytes, door: str) -> Iterator[Event]:
    """Start the trial that a ticket is for, and give its events until it ends.

    Args:
        give: gives a ticket, its flow and the conduits' address.
        event: what starts the flow, as JSON; it goes to the conduit only.
        door: the conduits' address; empty: as the control plane says.

    Raises:
        InputError: the conduit refused the event. UnavailableError: no conduit took it, or the connection was lost.
    """
    for number in range(TRIES):  # the version may be on its way to the conduits
        given = give()
        parts = urlsplit(door or given["door"])
        if parts.scheme not in {"http", "https"}:
            raise InputError("Where the conduits are is not known here. Name their address: --door https://…")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=QUIET_SECONDS)
        try:
            headers = {"Authorization": f"Ticket {given['ticket']}", "Content-Type": "application/json"}
            connection.request("POST", f"/live/{tenant}/{given['flow']}", event, headers)
            response = connection.getresponse()
            if response.status == OK:
                yield from _read_events(response)
                return
            answer = json.loads(response.read() or b"{}")
        except OSError as error:
            raise UnavailableError(
                "The connection to the conduit was lost. `runs list` shows what became of the run."
            ) from error
        finally:
            connection.close()
        if response.status not in {429, 503} or number == TRIES - 1:
            raise InputError(str(answer.get("message", f"The conduit refused it ({response.status}).")))
        time.sleep(0.5)


def _read_events(response: http.client.HTTPResponse) -> Iterator[Event]:
    name = ""
    for raw in response:
        line = raw.decode("utf-8", "replace").rstrip("\n")
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))
    if name not in {"run_ends", "dropped"}:
        raise UnavailableError(LOST)


class Teller:
    """Writes events to a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def tell(self, event: Event) -> None:
        """Write one."""
        name, facts = event
        depth = str(facts.get("step", "")).count("/") + (0 if name.startswith("run_") else 1)
        head = Text(f"{facts.get('at_milliseconds', 0):>7} ms " + "  " * depth)
        head.append_text(_write_head(name, facts))
        self._console.print(head)
        for label in ("event", "settings", "query", "headers", "body", "result", "answer"):
            if facts.get(label) not in (None, [], {}, ""):
                self._say(depth, label, facts[label])
        if "what" in facts:
            self._say(depth, "what", facts["what"])
            self._say(depth, "to do", facts["what_to_do"])

    def _say(self, depth: int, label: str, value: object) -> None:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if isinstance(value, dict) and value.get("cut") is True:
            text = f"{value.get('start')} … ({value.get('bytes'):,} bytes in all)"
        if len(text) > SHOWN_CHARACTERS:
            text = text[:SHOWN_CHARACTERS] + f" … ({len(text):,} characters in all; --json shows more)"
        line = Text(" " * 11 + "  " * (depth + 1) + f"{label:9}", style="dim")
        line.append(_make_printable(text), style="")
        self._console.print(line)


def _write_head(name: str, facts: Mapping[str, Any]) -> Text:
    step = _make_printable(str(facts.get("step", "")))
    if name == "run_begins":
        return Text.assemble(
            (f"{facts['trial'].replace('_', ' ')} ", "cyan"), f"{facts['flow']} v{facts['version']}  {facts['run']}"
        )
    if name == "run_ends":
        return Text.assemble((str(facts["outcome"]), style_of(str(facts["outcome"]))), f"  {facts['run']}")
    if name in {"call_begins", "call_would_begin"}:
        words = "calls" if name == "call_begins" else "would call"
        shown = f"{facts['method']} {facts['url']} ({facts['effect']}, {facts['bytes']:,} bytes)"
        return Text.assemble((words, "" if name == "call_begins" else "bold cyan"), " ", _make_printable(shown))
    if name == "call_ends":
        return Text(f"answered {facts['status']} after {facts['milliseconds']} ms, {facts['bytes']:,} bytes")
    if name in {"step_fails", "call_fails"}:
        failure = facts["failure"]
        more = " ".join(str(failure[key]) for key in ("field", "http_status", "detail") if failure.get(key))
        return Text.assemble((f"{step} {failure['code']}", "bold red"), f" {more}")
    words = name.replace("_", " ")
    extra = " ".join(str(facts[key]) for key in ("kind", "branch", "turns") if key in facts)
    return Text.assemble((step, "bold"), f" {words} {extra}")


def _make_printable(text: str) -> str:
    """Values come from outside: a terminal must not obey them."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in text)
