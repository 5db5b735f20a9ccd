"""Where the proof's product writes: a fresh ext4 image, mounted, with /tmp on it too. Used by bench/proof.py."""

import contextlib
import ctypes
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_NEW_MOUNTS = 0x0002_0000  # CLONE_NEWNS
_HOME = Path("/var/lib")  # of the images: neither beneath /tmp nor on tmpfs
_TEMPORARY = "/tmp"  # noqa: S108 - what is written there must lie on the image
_STATE = {"own": False}


def own_mounts(project: Path) -> None:
    """Give this process and its children mounts of their own, so that their /tmp can lie on the image (root only).

    Raises:
        SystemExit: the project lies beneath /tmp, and would be hidden by the image.
    """
    if project.is_relative_to(_TEMPORARY) and os.geteuid() == 0:
        raise SystemExit(
            f"{project} lies beneath {_TEMPORARY}, which is put on the image here. Copy it elsewhere and run it there."
        )
    if os.geteuid() == 0 and ctypes.CDLL(None).unshare(_NEW_MOUNTS) == 0:
        _STATE["own"] = _mount("--make-rprivate", "/")


@contextlib.contextmanager
def make_folder() -> Iterator[Path]:
    """A folder for one campaign."""
    with tempfile.TemporaryDirectory(dir=_HOME if _STATE["own"] else None) as name:
        yield Path(name)


@contextlib.contextmanager
def make_disk(folder: Path, mebibytes: int) -> Iterator[tuple[Path, Path | None]]:
    """Give (where to run, the image or None): an image when we may mount one. It can be read while it is mounted."""
    image, mounted = folder / "disk.img", folder / "disk"
    mounted.mkdir()
    image.write_bytes(b"")
    os.truncate(image, mebibytes * 2**20)
    made = subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=False, capture_output=True).returncode == 0
    if not made or not _STATE["own"] or not _mount("-o", "loop", str(image), str(mounted)):
        image.unlink()
        yield mounted, None
        return
    (mounted / "tmp").mkdir(mode=0o1777)
    _mount("--bind", str(mounted / "tmp"), _TEMPORARY)
    try:
        yield mounted, image
    finally:
        subprocess.run(["umount", _TEMPORARY], check=True)
        subprocess.run(["umount", str(mounted)], check=True)


def _mount(*words: str) -> bool:
    return subprocess.run(["mount", *words], check=False, capture_output=True).returncode == 0


def read_written(image: Path | None, disk: Path) -> bytes:
    """All bytes that were written, deleted ones included where there is an image; without whole blocks of zeros."""
    os.sync()
    written, empty = image.read_bytes() if image else b"".join(_read_files(disk)), bytes(4_096)
    blocks = (written[place : place + 4_096] for place in range(0, len(written), 4_096))
    return b"".join(block for block in blocks if block != empty)


def _read_files(folder: Path) -> Iterator[bytes]:
    for path in folder.rglob("*"):
        yield str(path).encode() + (path.read_bytes() if path.is_file() else b"")


@dataclass(frozen=True)
class Result:
    """What a campaign tells for the page, and whether all is as it must be."""

    rows: list[tuple[str, str]]
    good: bool
