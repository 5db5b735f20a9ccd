"""What `blubees connector serve-stdio` reads and tells; the serving is stdio_bridge.py. Called by the CLI."""

import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from blubees.model.errors import InputError

TOKEN_VARIABLE: Final = "BLUBEES_BRIDGE_TOKEN"  # noqa: S105 - a name
TOKEN_BYTES: Final = 32
TOKEN_MIN_CHARACTERS: Final = 32
NOT_INSTALLED: Final = "The MCP SDK is not installed here: pip install 'blubees[bridge]'."
OUTSIDE: Final = "This program is none of BluBees' processes: what flows give it, it may keep, and send where it likes."


def serve_program(
    command: Sequence[str],
    *,
    host: str,
    port: int,
    given: Sequence[str],
    hosts: tuple[str, ...],
    certificate: Path | None,
    key: Path | None,
) -> bool:
    """Serve a program until a signal (true) or its end (false). Raises InputError."""
    try:
        from blubees.main.stdio_bridge import Bridge, run_bridge  # noqa: PLC0415 - the extra `bridge` may not be there
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"mcp", "mcp_types", "anyio"}:
            raise
        raise InputError(NOT_INSTALLED) from None
    if not command:
        raise InputError("Say which program is to be served: blubees connector serve-stdio -- COMMAND ARGUMENTS…")
    if (certificate is None) != (key is None):
        raise InputError("--certificate and --key go together; one of them is missing.")
    token, is_new = read_token(os.environ)
    bridge = Bridge(
        command=command,
        token=token,
        host=host,
        port=port,
        environment=read_environment(given, os.environ),
        hosts=hosts,
        certificate=certificate,
        key=key,
    )
    _tell(OUTSIDE)
    if is_new:
        print(f"token (shown once): {token}", flush=True)  # noqa: T201 - the command's answer
    return run_bridge(bridge, _tell)


def read_token(environment: Mapping[str, str]) -> tuple[str, bool]:
    """Give the token, and whether it was made now. Raises InputError: the one that is given is too easily guessed."""
    token = environment.get(TOKEN_VARIABLE, "")
    if not token:
        return secrets.token_urlsafe(TOKEN_BYTES), True
    if len(token) < TOKEN_MIN_CHARACTERS or not token.isascii() or not token.isprintable() or " " in token:
        raise InputError(
            f"{TOKEN_VARIABLE}: has {len(token)} characters; {TOKEN_MIN_CHARACTERS} or more of ASCII without spaces are needed."
        )
    return token, False


def read_environment(given: Sequence[str], ours: Mapping[str, str]) -> dict[str, str]:
    """Read NAME (taken from ours) and NAME=VALUE. Raises InputError; values are not told."""
    found = {}
    for number, each in enumerate(given, 1):
        name, sign, value = each.partition("=")
        if not name or (not sign and name not in ours):
            raise InputError(f"--env: number {number} is neither NAME=VALUE nor the name of a variable that is set here.")
        if name == TOKEN_VARIABLE:
            raise InputError(f"--env: {TOKEN_VARIABLE} is not for the program.")
        found[name] = value if sign else ours[name]
    return found


def _tell(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()
