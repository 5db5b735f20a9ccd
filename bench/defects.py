"""Defects that a campaign plants in a conduit, to see itself catch them. Started by bench/start.py instead of the module.

Each breaks one promise: DEFECTS. Without one, this only lets go of what libfaketime holds.
"""

import asyncio
import itertools
import os
import runpy
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from blubees.engine import tries, walk
from blubees.engine.journal import Journal
from blubees.engine.launch import Launcher
from blubees.engine.work import Receipts, Worker
from blubees.model.call import Call
from blubees.model.flow import OnDoubt

SHARED = Path("/dev/shm")  # noqa: S108 - where libfaketime puts its own


def forget_checkpoints() -> None:
    """Finished effects happen again after a take-over."""

    async def save(journal: Journal, state: object) -> None:
        _ = journal, state

    Journal.save = save  # type: ignore[method-assign,assignment]


def finish_at_once() -> None:
    """The broker forgets a run before it was performed: whoever dies then loses it."""
    hold = Worker.hold

    def finish_and_hold(worker: Worker, taken: Any) -> None:
        asyncio.get_running_loop().create_task(taken.finish())
        hold(worker, taken)

    Worker.hold = finish_and_hold  # type: ignore[method-assign,assignment]


def change_keys() -> None:
    """Each try has another Idempotency-Key."""

    def add_key(call: Call, name: str) -> Call:
        _ = name
        return msgspec.structs.replace(call, headers=(*call.headers, ("Idempotency-Key", secrets.token_hex(8))))

    tries._add_key = add_key  # noqa: SLF001 - a planted defect


def never_doubt() -> None:
    """An unsafe call that may have happened is made again unasked."""
    walk.Walk._choose_in_doubt = lambda *_: OnDoubt.RETRY  # type: ignore[method-assign] # noqa: SLF001 - see above


def forget_deliveries() -> None:
    """A sender that sends twice starts two runs."""
    Launcher.hash_delivery = lambda *_: ""  # type: ignore[method-assign]


def throw_receipts_away() -> None:
    """The end of each fifth run is told to nobody."""
    add, ends = Receipts.add, itertools.count()

    def add_some(receipts: Receipts, receipt: Any, taken: Any = None) -> None:
        if taken is not None and next(ends) % 5 == 0:
            asyncio.get_running_loop().create_task(taken.finish())
        else:
            add(receipts, receipt, taken)

    Receipts.add = add_some  # type: ignore[method-assign,assignment]


DEFECTS: dict[str, Callable[[], None]] = {
    "checkpoints are not saved": forget_checkpoints,
    "runs are finished before they are performed": finish_at_once,
    "each try has another Idempotency-Key": change_keys,
    "what is in doubt is tried again unasked": never_doubt,
    "a delivery's id is ignored": forget_deliveries,
    "a receipt is thrown away": throw_receipts_away,
}


def close_clock() -> None:
    """Libfaketime holds a shared memory file open for writing, with which the lock refuses to go on: it is not needed here."""
    for each in Path("/proc/self/fd").iterdir():
        if each.is_symlink() and each.readlink().is_relative_to(SHARED) and "faketime" in each.readlink().name:
            os.close(int(each.name))
    for path in SHARED.glob(f"*faketime_*_{os.getpid()}"):
        path.unlink()


def main() -> None:
    name, module = sys.argv[1:3]
    close_clock()
    if name:
        DEFECTS[name]()
    runpy.run_module(module, run_name="__main__")


if __name__ == "__main__":
    main()
