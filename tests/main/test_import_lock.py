"""The process that reads a stranger's document reaches nothing: what an attacker tries from inside it is refused."""

import resource
import subprocess
import sys
from pathlib import Path

import msgspec
import orjson
import pytest
import yaml

from blubees.adapters import lockdown
from blubees.main import import_worker
from blubees.main.import_bench import NOT_LOCKED, ProcessBench
from blubees.model.errors import UnavailableError
from blubees.ports import ImportMade, ImportOrder, ImportRefusal
from fakes.openapi import answer, json_body, make_document

FROM_INSIDE = r"""
import ctypes, errno, os, resource, signal, socket, subprocess, sys, tempfile, threading
from pathlib import Path
from blubees.main import import_worker
from blubees.ports import ImportRefusal
folder = Path(sys.argv[1])
ours, parent, libc = os.getpid(), os.getppid(), ctypes.CDLL(None, use_errno=True)
socket.getaddrinfo  # imported before the lock, as an attacker's code would find it
def ptrace():  # of nobody: without the lock it would be ESRCH
    libc.ptrace(1, 0, 0, 0)
    if ctypes.get_errno() == errno.EPERM: raise OSError(errno.EPERM, "ptrace")
def execute():  # with no addresses at all: without the lock it would be EFAULT
    libc.execve(None, None, None)
    if ctypes.get_errno() == errno.EPERM: raise OSError(errno.EPERM, "execve")
ATTEMPTS = {
    "socket": lambda: socket.socket(), "datagram": lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM),
    "unix socket": lambda: socket.socket(socket.AF_UNIX), "socket pair": lambda: socket.socketpair(),
    "create": lambda: (folder / "new").write_text("x"), "append": lambda: (folder / "there").open("ab"),
    "read": lambda: (folder / "there").read_bytes(), "list": lambda: os.listdir(folder), "environment": lambda: open("/proc/self/environ", "rb"),
    "make a folder": lambda: os.mkdir(folder / "sub"), "remove": lambda: os.unlink(folder / "there"), "temporary": lambda: tempfile.TemporaryFile(),
    "memory file": lambda: os.memfd_create("x"), "program": lambda: subprocess.run(["/bin/true"]), "exec": execute,
    "fork": lambda: os.fork() or os._exit(0), "spawn": lambda: os.posix_spawn("/bin/true", ["true"], {}), "thread": lambda: threading.Thread(target=int).start(), "ptrace": ptrace,
    "kill": lambda: os.kill(parent, 0), "limits of others": lambda: resource.prlimit(parent, resource.RLIMIT_CPU), "priority": lambda: os.setpriority(os.PRIO_PROCESS, parent, 5),
    "core": lambda: resource.setrlimit(resource.RLIMIT_CORE, (1, 1)), "pipe": lambda: os.pipe(),
}
def make(order):
    allowed = []
    for name, attempt in ATTEMPTS.items():
        try:
            attempt(); allowed.append(name)
        except (OSError, RuntimeError, ValueError):
            pass
    return ImportRefusal(sentence=",".join(allowed))
import_worker.make = make
sys.exit(import_worker.main())
"""
SDL = b"type Query { pet(id: ID!): Pet pets(first: Int): [Pet!]! }\ntype Pet { id: ID! name: String age: Int }\n"


def break_out(folder: Path) -> set[str]:
    """Gives what the worker could do, by name."""
    (folder / "there").write_text("x")
    order = msgspec.msgpack.encode(ImportOrder(name="things", document=b"{}"))
    done = subprocess.run([sys.executable, "-B", "-c", FROM_INSIDE, str(folder)], input=order, capture_output=True, check=False)
    assert done.stdout, done.stderr.decode()
    return set(filter(None, msgspec.msgpack.decode(done.stdout, type=ImportRefusal).sentence.split(",")))


def test_from_inside_nothing_can_be_reached(tmp_path: Path) -> None:
    if not is_locking():
        pytest.skip("this kernel lacks a lock")
    assert break_out(tmp_path) == set()
    assert [each.name for each in tmp_path.iterdir()] == ["there"]


def is_locking() -> bool:
    code = "from blubees.adapters.lockdown import lock_process; import sys; sys.exit(not lock_process().complete)"
    return subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0


def wide() -> dict[str, object]:
    """A document of 300 operations with forms that refer to each other in a circle."""
    forms: dict[str, object] = {
        f"F{n}": {"properties": {"next": {"$ref": f"#/components/schemas/F{(n + 1) % 200}"}}} for n in range(200)
    }
    paths = {
        f"/things{n}": {
            "post": json_body({"$ref": f"#/components/schemas/F{n % 200}"}) | answer({"$ref": "#/components/schemas/F0"})
        }
        for n in range(300)
    }
    return make_document(components={"schemas": forms}) | {"paths": paths}


SWAGGER = {
    "swagger": "2.0",
    "info": {"title": "Old", "version": "1"},
    "host": "old.example.com",
    "schemes": ["https"],
    "paths": {
        "/pets": {
            "get": {"operationId": "listPets", "produces": ["application/json"], "responses": {"200": {"description": "good"}}}
        }
    },
}
TOOLS = {
    "tools": [{"name": "look", "inputSchema": {"type": "object", "properties": {"at": {"type": "string", "pattern": "^a+$"}}}}]
}


@pytest.mark.parametrize(
    ("order", "actions"),
    [
        (ImportOrder(name="things", document=orjson.dumps(wide())), 300),
        (ImportOrder(name="things", document=yaml.safe_dump(wide()).encode()), 300),
        (ImportOrder(name="things", document=yaml.safe_dump(SWAGGER).encode()), 1),
        (ImportOrder(name="things", document=SDL, url="https://graph.example.com/", base_url="https://graph.example.com/"), 2),
        (ImportOrder(name="things", document=orjson.dumps(TOOLS), url="https://mcp.example.com/mcp", sort="mcp"), 1),
    ],
    ids=["openapi", "openapi in YAML", "swagger", "graphql", "mcp"],
)
async def test_every_sort_of_document_is_read_all_the_same(order: ImportOrder, actions: int) -> None:
    made = await ProcessBench().work(order)
    assert isinstance(made, ImportMade), made
    assert len(made.actions) == actions
    earlier = (made.row.packed, made.actions, made.forms)
    again = await ProcessBench().work(msgspec.structs.replace(order, earlier=earlier))
    assert isinstance(again, ImportMade)
    assert again.changes == ()


@pytest.mark.parametrize(
    "document", [b"<html>", b"{", b"a: [", b"type Query { a: }", b"\xff\xfe\x00", b"openapi: 3.1.0\npaths: 7\n"]
)
async def test_nonsense_is_refused_with_a_reason_and_not_by_the_lock(document: bytes) -> None:
    refused = await ProcessBench().work(ImportOrder(name="things", document=document))
    assert isinstance(refused, ImportRefusal)
    assert "more time or memory" not in refused.sentence


def test_where_the_lock_is_asked_for_and_can_t_be_had_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUBEES_REQUIRE_LOCKDOWN", "1")

    def refuse(*, require: bool, also: object) -> None:
        assert require
        assert also
        raise lockdown.LockdownError("this kernel lacks seccomp")

    monkeypatch.setattr(import_worker, "lock_process", refuse)
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    assert import_worker.main() == NOT_LOCKED


async def test_a_worker_that_could_not_be_locked_is_told_as_such(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\ncat >/dev/null\nexit {NOT_LOCKED}\n")
    python.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(UnavailableError, match="can't lock"):
        await ProcessBench().work(ImportOrder(name="things", document=b"{}"))
