"""`blubees connector try`: performs one action in a conduit, and shows it as it happens. Called by main/cli_connectors.py."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from blubees.main.live_view import Teller, watch_ticket
from blubees.main.operator_client import OperatorClient
from blubees.model.errors import InputError

TEXTS: Final = frozenset({"string"})


def run_trial(
    client: OperatorClient,
    tenant: str,
    action: tuple[str, str],
    given: Sequence[str],
    order: Mapping[str, Any],
    *,
    door: str,
    is_json: bool,
) -> bool:
    """Perform an action once; gives whether all went well.

    Args:
        action: the connector's name and the action's.
        given: inputs, `NAME=VALUE` each.
        order: connection, base URL and which kind of trial; the inputs' names are added.
    """
    path = f"/tenants/{tenant}/connectors/{action[0]}/actions/{action[1]}"
    known = client.get(path)["actions"][action[1]].get("inputs", {})
    values = read_inputs(given, known)

    def give() -> Mapping[str, Any]:
        answer: Mapping[str, Any] = client.post(f"{path}/trial-ticket", {**order, "inputs": sorted(values)})
        return answer

    teller = Teller(Console(soft_wrap=True))
    is_good = False
    for event in watch_ticket(give, tenant, json.dumps(values).encode(), door):
        if is_json:
            print(json.dumps({"event": event[0], **event[1]}, ensure_ascii=False))  # noqa: T201 - the command's answer
        elif event[0] not in {"run_begins", "step_begins"}:
            teller.tell(event)
        is_good = event[0] == "run_ends" and event[1]["outcome"] == "finished"
    return is_good


def read_inputs(given: Sequence[str], known: Mapping[str, Any]) -> dict[str, Any]:
    """Read `NAME=VALUE` of each input: texts as they are, else JSON. Raises InputError."""
    values: dict[str, Any] = {}
    for each in given:
        name, sign, text = each.partition("=")
        if not sign or not name:
            raise InputError(f"--input {each[:40]}: write NAME=VALUE.")
        if text.startswith("@"):
            try:
                text = Path(text[1:]).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                raise InputError(f"--input {name}: the file can't be read as a text.") from None
        values[name] = _read_value(text, known.get(name, {}).get("schema", {}))
    return values


def _read_value(text: str, schema: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
    kind = schema.get("type")
    if kind in TEXTS or (isinstance(kind, list) and TEXTS & set(kind)):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
