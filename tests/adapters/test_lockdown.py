"""The lock: from inside a locked process every way to leave something behind is refused; without a part of it, some is not."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

SCRIPT = r"""
import ctypes, json, logging, mmap, os, shutil, socket, sqlite3, sys, tempfile
import blubees.adapters.lockdown as lockdown
folder, mode = sys.argv[1], sys.argv[2]
inside = lambda name: os.path.join(folder, name)
held = os.open(inside("there"), os.O_RDONLY)
libc = ctypes.CDLL(None, use_errno=True)
if mode == "open file":
    writable = open(inside("there"), "r+b")
if mode == "rlimit only":
    lockdown._restrict_files = lambda libc: 0
    lockdown._restrict_calls = lambda also: False
try:
    report = lockdown.lock_process()
except lockdown.LockdownError as error:
    print(json.dumps({"error": str(error)})); sys.exit()
def shm():
    if libc.shmget(0, 4096, 0o1600) < 0: raise OSError(1, "shmget")
def tmp_unnamed():
    os.write(os.open(folder, os.O_TMPFILE | os.O_RDWR), b"x")
def append():
    with open(inside("there"), "ab") as file: file.write(b"x")
def log():
    handler = logging.FileHandler(inside("log")); handler.emit(logging.makeLogRecord({"msg": "x"})); handler.close()
    if os.path.getsize(inside("log")) == 0: raise OSError(1, "empty")
def core():
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
def grow():
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))
attempts = {
    "create": lambda: open(inside("new"), "wb"), "append": append, "O_TMPFILE": tmp_unnamed,
    "mkdir": lambda: os.mkdir(inside("CANARY")), "symlink": lambda: os.symlink("CANARY", inside("link")),
    "hard link": lambda: os.link(inside("there"), inside("CANARY2")), "rename": lambda: os.rename(inside("there"), inside("CANARY3")),
    "unlink": lambda: os.unlink(inside("there")), "truncate": lambda: os.truncate(inside("there"), 0),
    "fifo": lambda: os.mkfifo(inside("fifo")), "xattr": lambda: os.setxattr(inside("there"), b"user.c", b"x"),
    "utime": lambda: os.utime(inside("there"), (1, 1)), "chmod": lambda: os.chmod(inside("there"), 0o600),
    "memfd": lambda: os.memfd_create("x"), "/dev/shm": lambda: open("/dev/shm/blubees-test", "wb"), "System V": shm,
    "map for writing": lambda: mmap.mmap(held, 4, prot=mmap.PROT_WRITE), "SQLite": lambda: sqlite3.connect(inside("q")).execute("create table t(a)"),
    "tempfile": lambda: tempfile.TemporaryFile(), "log file": log, "core limit": core, "size limit": grow,
    "copy": lambda: shutil.copy(inside("there"), inside("copy")), "Unix socket": lambda: socket.socket(socket.AF_UNIX).bind(inside("sock")),
}
allowed = []
for name, attempt in attempts.items():
    try:
        attempt(); allowed.append(name)
    except (OSError, ValueError, sqlite3.Error):
        pass
with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
    client.sendall(b"x")
print(json.dumps({"allowed": allowed, "complete": report.complete, "missing": report.missing}))
"""


def lock(folder: Path, mode: str) -> dict[str, object]:
    (folder / "there").write_bytes(b"x" * 4096)
    command = [sys.executable, "-B", "-c", SCRIPT, str(folder), mode]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_every_way_to_write_is_refused(tmp_path: Path) -> None:
    found = lock(tmp_path, "all")
    if not found["complete"]:
        pytest.skip(f"this kernel lacks {found['missing']}")
    # raising a lowered limit is root's right; what it would allow, Landlock still refuses
    assert set(found["allowed"]) <= {"core limit", "size limit"}  # type: ignore[call-overload]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["there"]


def test_one_lock_alone_is_not_enough(tmp_path: Path) -> None:
    assert {"mkdir", "symlink"} <= set(lock(tmp_path, "rlimit only")["allowed"])  # type: ignore[call-overload]


def test_a_file_that_is_open_for_writing_is_found(tmp_path: Path) -> None:
    assert "open for writing" in str(lock(tmp_path, "open file")["error"])


NODE_SCRIPT = """
import os, subprocess, sys
from pathlib import Path
from blubees.adapters.lockdown import lies_in_memory, restrict_writing_to
inside, outside = Path(sys.argv[1]), Path(sys.argv[2])
print(lies_in_memory(inside), lies_in_memory(outside))
assert restrict_writing_to(inside)
(inside / "new").write_text("x")
(inside / "new").rename(inside / "renamed")
for attempt in (
    lambda: (outside / "new").write_text("x"),
    lambda: (outside / "there").open("r+"),
    lambda: os.truncate(outside / "there", 0),
    lambda: (inside / "renamed").rename(outside / "moved"),
    lambda: subprocess.run(["touch", outside / "new"], check=True, stderr=subprocess.DEVNULL),
):
    try:
        attempt()
        print("allowed")
    except (OSError, subprocess.CalledProcessError):
        pass
"""


def test_a_broker_node_writes_beneath_its_own_folder_only(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("x")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as inside:
        done = subprocess.run(
            [sys.executable, "-c", NODE_SCRIPT, inside, str(tmp_path)], capture_output=True, text=True, check=False
        )
    assert (done.stdout, done.stderr, done.returncode) == ("True False\n", "", 0)
