"""Refresh the lock files: hashes, no registry addresses, and no release younger than a week. Called by `make lock`."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

FOLDER = Path(__file__).parent
COOL_DOWN_DAYS = 7


def lock(name: str, *sources: str) -> None:
    """Write one lock file."""
    newest = (datetime.now(UTC) - timedelta(days=COOL_DOWN_DAYS)).strftime("%Y-%m-%d")
    command = [
        Path(sys.executable).with_name("uv"), "pip", "compile", "--quiet", "--upgrade", "--universal", "--generate-hashes",
        "--no-emit-index-url", "--no-header", "--python-version", "3.11", "--exclude-newer", newest,
        *sources, "-o", FOLDER / name,
    ]  # fmt: skip
    subprocess.run(command, check=True, cwd=FOLDER.parent)
    print(f"locked {name}")


if __name__ == "__main__":
    lock("bootstrap.lock", "requirements/bootstrap.in")
    lock("dev.lock", "pyproject.toml", "--group", "dev")
