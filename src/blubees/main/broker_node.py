"""`blubees broker`: one node of the broker's cluster, which can write nowhere but in memory. Called by the CLI.

In a cluster, nats-server wants to write: which nodes there are and what they voted for (its Raft files). No message, no subject
and no message id is in them (tests/main/test_broker_node.py looks), but RLIMIT_FSIZE can't be 0 as on one machine. Instead its
folder must lie on tmpfs, and Landlock refuses every write elsewhere. Source: docs/decisions/0015-cluster.md.
"""

import os
import re
import resource
from pathlib import Path
from typing import Final

import msgspec

from blubees.adapters.lockdown import LockdownError, lies_in_memory, restrict_writing_to
from blubees.adapters.machine import EventLog
from blubees.main.broker_child import find_nats_server
from blubees.main.broker_permissions import CONDUIT, CONTROL
from blubees.model.errors import InputError

CONFIGURATION: Final = """\
server_name: "{node.name}"
listen: "{node.host}:{node.port}"
max_payload: 8MB
max_pending: 64MB
jetstream: {{ store_dir: "{node.store}", max_memory_store: {node.memory_bytes}, max_file_store: 0 }}
tls: {{ {tls} }}
cluster: {{
  name: blubees
  listen: "{node.host}:{node.cluster_port}"
  no_advertise: true
  routes: [{routes}]
  tls: {{ {tls}, verify: true }}
}}
authorization: {{
  users: [
    {{ nkey: {node.conduit_public_key}, permissions: {{ {conduit} }} }},
    {{ nkey: {node.control_public_key}, permissions: {{ {control} }} }}
  ]
}}
"""
_TLS: Final = 'cert_file: "{node.certificate}", key_file: "{node.key}", ca_file: "{node.authority}", min_version: "1.3"'
_PUBLIC_KEY: Final = re.compile(r"U[A-Z2-7]{55}")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:\[\]-]+")  # goes into the configuration between quotes


class NodeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one node.

    Attributes:
        name: its own name among the nodes; stays the same over restarts.
        host, port: where conduits and control planes come.
        cluster_port: where the other nodes come.
        routes: host:port of the other nodes (its own may be among them).
        certificate, key, authority: PEM files; other nodes must show a certificate of the same authority.
        conduit_public_key, control_public_key: the two users' public nkeys (U…).
        store: a folder on tmpfs; keep it over a restart of the node, so that it remembers what it voted for.
        memory_bytes: for all messages of this node.
    """

    name: str
    host: str
    port: int
    cluster_port: int
    routes: tuple[str, ...]
    certificate: Path
    key: Path
    authority: Path
    conduit_public_key: str
    control_public_key: str
    store: Path
    memory_bytes: int = 4_294_967_296


def describe_node(node: NodeSettings) -> str:
    """Give the configuration in nats-server's words: what `blubees broker --show` prints for the official image.

    Raises:
        InputError: a setting would not mean in it what it says.
    """
    plain = (node.name, node.host, str(node.certificate), str(node.key), str(node.authority), str(node.store), *node.routes)
    for text in plain:
        if not _PLAIN.fullmatch(text):
            raise InputError("A node's names, addresses and paths are letters, digits and _./:[]- only.")
    for key in (node.conduit_public_key, node.control_public_key):
        if not _PUBLIC_KEY.fullmatch(key):
            raise InputError("A user's public nkey is U and 55 letters or digits. `blubees keys` makes a pair.")
    routes = ", ".join(f'"tls://{each}"' for each in node.routes)
    return CONFIGURATION.format(node=node, tls=_TLS.format(node=node), routes=routes, conduit=CONDUIT, control=CONTROL)


def run_node(node: NodeSettings, *, require_lockdown: bool, events: EventLog) -> None:
    """Become nats-server; does not return.

    Raises:
        LockdownError: the store is not in memory, or the kernel has no Landlock and `require_lockdown` is set.
        InputError: see describe_node.
    """
    text = describe_node(node)
    node.store.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not lies_in_memory(node.store):
        raise LockdownError(
            f"{node.store}: is not on tmpfs: a broker writes nothing to a disk. Name a folder beneath /dev/shm."
        )
    configuration = node.store / "nats.conf"
    configuration.write_text(text)
    program = find_nats_server()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    landlock = restrict_writing_to(node.store)
    if require_lockdown and not landlock:
        raise LockdownError("this kernel lacks Landlock, and BLUBEES_REQUIRE_LOCKDOWN=1 asks for it.")
    events("broker_node_starting", node=node.name, store="tmpfs", landlock=landlock)
    os.execve(program, [program, "-c", str(configuration)], {"GOMEMLIMIT": str(node.memory_bytes * 3 // 4)})  # noqa: S606 - found above
