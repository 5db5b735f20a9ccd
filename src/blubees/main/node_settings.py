"""Settings of `blubees broker`, from BLUBEES_NODE_… variables. Called by the CLI."""

import os
from pathlib import Path

from blubees.main.broker_node import NodeSettings
from blubees.main.cluster_keys import USERS
from blubees.model.errors import InputError


def read_node_settings() -> NodeSettings:
    """Read them.

    Raises:
        InputError: one is missing, or not what it may be.
    """
    routes = tuple(part.strip() for part in _need("ROUTES").split(",") if part.strip())
    conduit, control = (_need(f"{user.upper()}_PUBLIC_KEY") for user in USERS)
    return NodeSettings(
        name=_need("NAME"),
        host=os.environ.get("BLUBEES_NODE_HOST", "0.0.0.0"),
        port=_number("PORT", 4222, 65_535),
        cluster_port=_number("CLUSTER_PORT", 6222, 65_535),
        routes=routes,
        certificate=Path(_need("CERTIFICATE_FILE")),
        key=Path(_need("KEY_FILE")),
        authority=Path(_need("AUTHORITY_FILE")),
        conduit_public_key=conduit,
        control_public_key=control,
        store=Path(os.environ.get("BLUBEES_NODE_STORE", "/dev/shm/blubees")),  # noqa: S108 - memory, made with 0700
        memory_bytes=_number("MEMORY_BYTES", 4_294_967_296, 2**40),
    )


def _need(name: str) -> str:
    text = os.environ.get(f"BLUBEES_NODE_{name}", "").strip()
    if not text:
        raise InputError(f"BLUBEES_NODE_{name} is not set; docs/cluster.md tells each setting of a node.")
    return text


def _number(name: str, default: int, high: int) -> int:
    text = os.environ.get(f"BLUBEES_NODE_{name}", str(default))
    if not text.isdecimal() or not 0 < int(text) <= high:
        raise InputError(f"BLUBEES_NODE_{name}: {text!r} is not a whole number from 1 to {high}.")
    return int(text)
