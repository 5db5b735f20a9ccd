"""More faults for `make proof`: a full disk, no memory, a backup and a restart of everything while payload is under way."""

import contextlib
import json
import os
import resource
import shutil
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

from product import Product, call, wait_for

from proof_memory import run_out_of_memory

JSON = {"Content-Type": "application/json"}
NO_GROUP = "killed by the kernel for want of memory: no cgroup can be made here"
SPARE_BYTES = 1_048_576  # of memory, over what a conduit has


def try_faults(product: Product, hook: str, plant: Callable[[str], str]) -> list[str]:
    """Send canaries under each fault; gives what was tried, and what callers heard."""

    def send(place: str, count: int = 4, pad: int = 100_000) -> str:
        bodies = [json.dumps({"c": plant(f"{place} {number}"), "pad": "x" * pad}).encode() for number in range(count)]
        return "/".join(sorted({str(call(hook, body, JSON)[0]) for body in bodies}))

    heard_then: list[str] = []
    heard = [f"full disk: {_fill_disk(product.data, lambda: send('full disk'))}"]
    conduits = product.find("blubees.main.conduit")
    for pid in conduits:
        size = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize() + SPARE_BYTES
        resource.prlimit(pid, resource.RLIMIT_AS, (size, size))
    heard.append(f"no memory left, by a limit of the process: {send('no memory', pad=240_000)}")
    for pid in conduits:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_for(lambda: len(set(product.find("blubees.main.conduit")) - set(conduits)) == 2)
    wait_for(lambda: call(hook, b"{", JSON)[0] == 400)
    conduits = product.find("blubees.main.conduit")
    killed = run_out_of_memory(conduits, lambda: heard_then.append(send("killed for want of memory", 1, 240_000)))
    heard.append(f"killed by the kernel for want of memory: {killed} of {len(conduits)}" if killed >= 0 else NO_GROUP)
    if 0 <= killed < len(conduits):
        raise AssertionError("the kernel did not end all conduits: nothing was exercised")
    wait_for(lambda: len(product.find("blubees.main.conduit")) == 2)
    wait_for(lambda: call(hook, b"{", JSON)[0] == 400)
    heard.append(f"backup during runs: {send('backup')}")
    with (
        contextlib.closing(sqlite3.connect(product.data / "blubees.sqlite3")) as live,
        contextlib.closing(sqlite3.connect(product.data / "backup.sqlite3")) as copy,
    ):
        live.backup(copy)
    heard.append(f"restart of everything: {send('restart')}")
    product.restart()
    return heard


def _fill_disk(folder: Path, act: Callable[[], str]) -> str:
    """Take all free blocks without writing into them: what was written there before stays to be found."""
    path = folder / "filler"
    with path.open("wb") as file:
        free, size = shutil.disk_usage(folder).free, 0
        while free > 4_096:
            try:
                os.posix_fallocate(file.fileno(), size, free)
                size += free
            except OSError:
                free //= 2
    try:
        return act()
    finally:
        path.unlink()
