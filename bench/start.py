"""Starts the product for a campaign: `start.py DEFECT CLOCK serve --data …`. Run by bench/chaos.py and bench/proof.py.

DEFECT names a defect of bench/defects.py that is planted in each conduit; CLOCK is a file with the offset of the wall clock
of conduits and control plane for libfaketime. Both may be empty. Nothing of this is in the product: its children are
started another way.
"""

import asyncio
import sys
from asyncio.subprocess import Process
from pathlib import Path
from typing import Any

DEFECTS = str(Path(__file__).with_name("defects.py"))
LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))


def list_clock_settings(clock: str) -> dict[str, str]:
    return {
        "LD_PRELOAD": str(LIBRARIES[0]),
        "FAKETIME_TIMESTAMP_FILE": clock,
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DISABLE_SHM": "1",  # it could not be opened after the lock
    }


def main() -> None:
    defect, clock, *arguments = sys.argv[1:]
    spawn = asyncio.create_subprocess_exec

    async def spawn_otherwise(program: str, *words: str, **options: Any) -> Process:
        if words in {("-m", "blubees.main.conduit"), ("-m", "blubees.main.control_plane")}:
            words = (DEFECTS, defect if words[1] == "blubees.main.conduit" else "", words[1])
            if clock:
                options["env"] = options["env"] | list_clock_settings(clock)
        return await spawn(program, *words, **options)

    asyncio.create_subprocess_exec = spawn_otherwise  # type: ignore[assignment]
    sys.argv = ["blubees", *arguments]
    from blubees.main.cli import main as run  # noqa: PLC0415 - after the change above

    run()


if __name__ == "__main__":
    main()
