"""What `blubees connection` is given and shows: secrets from standard input or a prompt, settings as options."""

import getpass
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from blubees.model.errors import InputError

CONNECTION_COLUMNS: Final = ["connection", "kind", "hosts", "flows", "secrets", "changed (UTC)", "used (UTC)"]


def read_secrets(*, is_object: bool) -> dict[str, Any]:
    """Read the secrets, as the operator API takes them.

    Args:
        is_object: all of standard input is a JSON object of secrets by field; else it is one secret, on one line.

    Raises:
        InputError: it is not such an object; what was read is not told.
    """
    if not is_object:
        text = getpass.getpass("secret: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
        return {"secret": text}
    try:
        return {"secrets": msgspec.json.decode(sys.stdin.buffer.read(), type=dict[str, str])}
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InputError("--fields: standard input must be a JSON object whose values are texts.") from None


def read_settings(pairs: Sequence[str]) -> dict[str, str]:
    """Read name=value pairs. Raises InputError."""
    settings = {}
    for number, pair in enumerate(pairs, 1):
        name, sign, value = pair.partition("=")
        if not sign:
            raise InputError(f"--setting: number {number} is not name=value.")
        settings[name] = value
    return settings


def write_row(connection: dict[str, Any]) -> list[str]:
    """Write a connection as a row: what may be known of its secrets."""
    fields = [
        f"{fact['field']} {fact['fingerprint']}" + (f" …{fact['last_four']}" if fact["last_four"] else "")
        for fact in connection["fields"]
    ]
    return [
        connection["name"],
        connection["kind"],
        " ".join(connection["hosts"]),
        " ".join(connection["flows"]) or "every",
        "\n".join(fields),
        _write_time(connection["changed_at_milliseconds"] or connection["created_at_milliseconds"]),
        _write_time(connection["used_at_milliseconds"]),
    ]


def _write_time(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M}" if milliseconds else "never"


def tell_test(found: Mapping[str, Any]) -> str:
    """Tell what a test of a connection came to."""
    if "failure" not in found:
        return f"{found['connection']}: good ({found['connector']}.{found['action']})"
    failure = found["failure"]
    status = f", HTTP {failure['http_status']}" if failure.get("http_status") else ""
    return f"{found['connection']}: {failure['code']}{status}. {found['what']} {found['what_to_do']}"
