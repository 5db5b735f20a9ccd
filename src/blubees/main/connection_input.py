"""What `blubees connection add` is given: secrets from standard input or a prompt, settings as options. Called by the CLI."""

import getpass
import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from blubees.model.errors import InputError


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
