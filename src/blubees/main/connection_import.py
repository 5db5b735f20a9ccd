"""Reads a secret that `blubees connection import` takes over: a variable of the environment, or AWS Secrets Manager's. Once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from blubees.adapters.secrets_manager import read_aws_secret
from blubees.model.authorisation import KINDS, list_leased, write_settings
from blubees.model.connection import ConnectionKind
from blubees.model.errors import InputError

_OTHER_NAMES: Final = {"username": "user_name", "user": "user_name"}  # as AWS writes them for databases


@dataclass(frozen=True, slots=True)
class Found:
    """What was read: secrets and settings by field, and the names of what is neither."""

    secrets: Mapping[str, str] = field(repr=False)
    settings: dict[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


def read_source(origin: str, source: str, kind: str, *, pick: str = "", region: str = "") -> Found:
    """Read it.

    Args:
        origin: env or aws-secrets-manager.
        pick: of a JSON object, the entry that is the kind's main secret; empty: entries are taken by their names.

    Raises:
        InputError: there is nothing, or not what the kind needs; what was read is never told.
    """
    if kind not in set(ConnectionKind):
        raise InputError(f"--kind {kind}: there is no such kind. Known are {', '.join(ConnectionKind)}.")
    text = os.environ.get(source, "") if origin == "env" else read_aws_secret(source, region=region)
    if not text:
        raise InputError(f"{source}: is not set, or empty.")
    return sort_out(text.rstrip("\r\n"), ConnectionKind(kind), source, pick)


def sort_out(text: str, kind: ConnectionKind, source: str, pick: str = "") -> Found:
    """Sort a secret's text into fields. Raises InputError."""
    document = _read_object(text)
    main = list_leased(kind)[0]
    if pick:
        if document is None or not isinstance(document.get(pick), str):
            raise InputError(f"{source}: is no JSON object that has a text as {pick}.")
        return Found({main: str(document[pick])})
    if document is None:
        return Found({main: text})
    secrets, settings, left_out = dict[str, str](), dict[str, Any](), list[str]()
    known = {each.name for each in KINDS[kind].settings}
    for name, value in document.items():
        meant = _OTHER_NAMES.get(name, name)
        if KINDS[kind].find_secret(meant) is not None and isinstance(value, str):
            secrets[meant] = value
        elif meant in known:
            settings[meant] = value
        else:
            left_out.append(name)
    if not secrets:
        names = ", ".join(each.name for each in KINDS[kind].secrets)
        raise InputError(f"{source}: is a JSON object without a secret of {kind.value} ({names}). Say which one: --pick NAME.")
    return Found(secrets, write_settings(settings), tuple(left_out))


def _read_object(text: str) -> dict[str, Any] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    return found if isinstance(found, dict) else None
