"""The kernel ends conduits for want of memory: a cgroup that gives them no more pages. Used by bench/proof_faults.py."""

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

ROOTS = (  # where a group can be made, what bounds it, what tells of the kernel's kills
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.oom_control"),
    (Path("/sys/fs/cgroup"), "memory.max", "memory.events"),
)
SPARE_BYTES = 1_048_576
MOST_REQUESTS = 400


@contextlib.contextmanager
def _make_group() -> Iterator[tuple[Path, Path] | None]:
    """A group of processes with no memory to spare: (its folder, where kills are counted); None where we may not make one."""
    for root, limit, events in ROOTS:
        folder = root / f"blubees-proof-{os.getpid()}"
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            if (folder / limit).exists():
                (folder / limit).write_text(str(SPARE_BYTES))
                yield folder, folder / events
                return
        finally:
            folder.rmdir()
    yield None


def run_out_of_memory(pids: list[int], send: Callable[[], None]) -> int:
    """Give these processes no further page, and send until the kernel has ended each of them.

    Gives how many it ended; -1 where no group can be made. `send`: one request.
    """
    with _make_group() as group:
        if group is None:
            return -1
        folder, events = group
        for pid in pids:
            (folder / "cgroup.procs").write_text(str(pid))
        for _ in range(MOST_REQUESTS):
            if not (folder / "cgroup.procs").read_text().split():
                break
            send()
        found = re.search(r"^oom_kill (\d+)$", events.read_text(), re.MULTILINE)
        count = int(found[1]) if found else 0
        root = folder.parent / "cgroup.procs"
        for left in (folder / "cgroup.procs").read_text().split():  # those that lived on
            root.write_text(left)
        return count
