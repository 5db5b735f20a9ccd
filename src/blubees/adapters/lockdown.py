"""Locks this process so that it can't write to any file. Called by main/conduit.py after all imports, before the first request.

What each part stops, and what stays open (sockets, inherited pipes, the process name): docs/decisions/0007-the-lock.md.
"""

import ctypes
import errno
import os
import platform
import resource
import signal
import stat
import struct
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from blubees.adapters.denied_calls import LEAVES_TRACES

try:
    import pyseccomp  # before the lock: its import looks for libc through a temp file
except (ImportError, OSError, RuntimeError):  # no libseccomp here: reported as missing
    pyseccomp = None

_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38
_LANDLOCK_CREATE: Final = 444
_MEMORY_FILE_SYSTEMS: Final = frozenset({0x0102_1994, 0x8584_58F6})  # tmpfs, ramfs: statfs(2)
_LANDLOCK_ADD_RULE: Final = 445
_LANDLOCK_RESTRICT: Final = 446
_LANDLOCK_PATH_BENEATH: Final = 1
_LANDLOCK_VERSION: Final = 1
_WRITE_FILE: Final = 1 << 1
_DIRECTORY_RIGHTS: Final = sum(1 << bit for bit in range(4, 13))  # remove and make of every type
_REFER: Final = 1 << 13  # ABI 2
_TRUNCATE: Final = 1 << 14  # ABI 3


class LockdownError(Exception):
    """The process could not be locked as asked."""


@dataclass(frozen=True, slots=True)
class LockReport:
    """What holds now. `landlock` is the kernel's ABI number, 0 when it has none."""

    rlimit_fsize: bool
    rlimit_core: bool
    not_dumpable: bool
    landlock: int
    seccomp: bool

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the locks that this kernel lacks."""
        held = {
            "rlimit_fsize": self.rlimit_fsize,
            "rlimit_core": self.rlimit_core,
            "not_dumpable": self.not_dumpable,
            "landlock": self.landlock > 0,
            "seccomp": self.seccomp,
        }
        return tuple(name for name, holds in held.items() if not holds)

    @property
    def complete(self) -> bool:
        """Whether all hold."""
        return not self.missing


def lock_process(*, require: bool = False, also: Collection[str] = ()) -> LockReport:
    """Lock this process for good.

    Args:
        require: refuse to go on where the kernel lacks a lock.
        also: calls of the kernel that are refused besides those that leave traces (adapters/denied_calls.py).

    Raises:
        LockdownError: a regular file is open for writing, other threads run already (Landlock binds one thread and those it
            starts), or a lock is missing and `require` is set.
    """
    if os.uname().sysname != "Linux":
        report = LockReport(rlimit_fsize=False, rlimit_core=False, not_dumpable=False, landlock=0, seccomp=False)
        return _judge(report, require=require)
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads > 1:
        raise LockdownError(f"{threads} threads run already; lock before the first one is started.")
    found = find_files_open_for_writing()
    if found:
        numbers = ", ".join(str(number) for number in found)
        raise LockdownError(f"regular files are open for writing: descriptors {numbers}. Close them before the lock.")
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a refused write is an error, not the end
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    report = LockReport(
        rlimit_fsize=resource.getrlimit(resource.RLIMIT_FSIZE) == (0, 0),
        rlimit_core=resource.getrlimit(resource.RLIMIT_CORE) == (0, 0),
        not_dumpable=libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0,
        landlock=_restrict_files(libc),
        seccomp=_restrict_calls(also),
    )
    return _judge(report, require=require)


def find_files_open_for_writing() -> list[int]:
    """List descriptors of regular files that are open for writing: they could be mapped and written after the lock."""
    found = []
    for name in sorted(each.name for each in Path("/proc/self/fd").iterdir()):
        try:
            mode = os.fstat(int(name)).st_mode
            flags = int(_read_flags(name), 8)
        except OSError:
            continue  # the descriptor of the listing itself
        if stat.S_ISREG(mode) and flags & os.O_ACCMODE != os.O_RDONLY:
            found.append(int(name))
    return found


def _read_flags(name: str) -> str:
    for line in Path(f"/proc/self/fdinfo/{name}").read_text().splitlines():
        if line.startswith("flags:"):
            return line.split()[1]
    return "0"


def _judge(report: LockReport, *, require: bool) -> LockReport:
    if require and not report.complete:
        raise LockdownError(f"this kernel lacks {', '.join(report.missing)}, and BLUBEES_REQUIRE_LOCKDOWN=1 asks for all.")
    return report


def lies_in_memory(folder: Path) -> bool:
    """Whether a folder lies on tmpfs or ramfs."""
    if os.uname().sysname != "Linux":
        return False
    told = ctypes.create_string_buffer(256)  # struct statfs; its first field is the type
    if ctypes.CDLL(None, use_errno=True).statfs(os.fsencode(folder), told) != 0:
        return False
    return int.from_bytes(told.raw[:4], sys.byteorder) in _MEMORY_FILE_SYSTEMS


def restrict_writing_to(folder: Path) -> int:
    """Let this process, and what it becomes, write beneath one folder only: for a broker node. Gives the ABI, 0 for none."""
    if os.uname().sysname != "Linux":
        return 0
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return _restrict_files(libc, folder)


def _restrict_files(libc: ctypes.CDLL, but: Path | None = None) -> int:
    """Forbid writing, creating and truncating everywhere; reading and executing stay free. Gives the ABI, 0 for none."""
    abi = int(libc.syscall(_LANDLOCK_CREATE, None, 0, _LANDLOCK_VERSION))
    if abi < 1:
        return 0
    handled = _WRITE_FILE | _DIRECTORY_RIGHTS | (_REFER if abi > 1 else 0) | (_TRUNCATE if abi > 2 else 0)  # noqa: PLR2004
    rights = ctypes.c_uint64(handled)
    ruleset = int(libc.syscall(_LANDLOCK_CREATE, ctypes.byref(rights), ctypes.sizeof(rights), 0))
    if ruleset < 0:
        return 0
    refused = 0 if but is None else _allow_beneath(libc, ruleset, but, handled)
    refused = refused or int(libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0))
    os.close(ruleset)
    return 0 if refused else abi


def _allow_beneath(libc: ctypes.CDLL, ruleset: int, folder: Path, rights: int) -> int:
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    rule = struct.pack("=Qi", rights, descriptor)  # struct landlock_path_beneath_attr, packed
    refused = int(libc.syscall(_LANDLOCK_ADD_RULE, ruleset, _LANDLOCK_PATH_BENEATH, rule, 0))
    os.close(descriptor)
    return refused


def _restrict_calls(also: Collection[str]) -> bool:
    """Forbid the calls that leave something behind without a file being written, and some more."""
    if pyseccomp is None or platform.machine() not in {"x86_64", "aarch64"}:
        return False
    try:
        deny = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
        for name in (*LEAVES_TRACES, *also):
            try:
                deny.add_rule(pyseccomp.ERRNO(errno.EPERM), name)
            except (OSError, ValueError, RuntimeError):
                continue  # not a call of this architecture, or newer than this libseccomp: Landlock still holds
        deny.load()
    except (OSError, RuntimeError):
        return False
    return True
