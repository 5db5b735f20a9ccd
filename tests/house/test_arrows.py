"""The ladder holds, and each wrong arrow or room is refused: planted in a copy of the source, one at a time."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

WRONG_ARROWS = {
    "model imports ports": ("blubees/model/planted.py", "import blubees.ports\n"),
    "expressions import the engine": ("blubees/expressions/planted.py", "import blubees.engine.plan\n"),
    "engine imports flows": ("blubees/engine/planted.py", "import blubees.flows.match\n"),
    "vault imports connectors": ("blubees/vault/planted.py", "import blubees.connectors\n"),
    "operations import doors": ("blubees/operations/planted.py", "import blubees.doors\n"),
    "flows import assurance": ("blubees/flows/planted.py", "import blubees.assurance\n"),
    "an arrow for typing only": (
        "blubees/steps/planted.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import blubees.engine.plan\n",
    ),
    "a deferred arrow": ("blubees/vault/planted.py", "def f() -> None:\n    import blubees.engine.plan\n"),
    "a new room": ("blubees/utils/__init__.py", ""),
    "a new file beside the rooms": ("blubees/helpers.py", ""),
    "an adapter imports a room": ("blubees/adapters/planted.py", "import blubees.vault\n"),
    "a door builds an adapter": ("blubees/doors/planted.py", "import blubees.adapters.broker\n"),
    "a door reaches into the vault": ("blubees/doors/planted.py", "import blubees.vault.seal\n"),
    "an I/O library in the engine": ("blubees/engine/planted.py", "import aiohttp\n"),
    "a socket in the connectors": ("blubees/connectors/planted.py", "import socket\n"),
    "a database driver in the conduit": ("blubees/main/conduit.py", "import sqlite3\n"),
    "the database below the conduit": ("blubees/engine/launch.py", "import sqlalchemy\n"),
    "the service starts operators' programs": ("blubees/main/connectors.py", "import blubees.main.stdio_bridge\n"),
    "the protocol's SDK in the conduit": ("blubees/main/conduit.py", "import mcp\n"),
    "a step kind imports another": ("blubees/steps/kinds/stop.py", "import blubees.steps.kinds.fail\n"),
    "the engine reaches into the step kinds": ("blubees/engine/planted.py", "import blubees.steps.kinds.stop\n"),
    "the product imports the development site": ("blubees/doors/planted.py", "import devsite\n"),
    "the development site imports the product": ("devsite/planted.py", "import blubees.model\n"),
}


def _copy_house(folder: Path) -> Path:
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    script = "import sys; sys.path.insert(0, 'src'); from importlinter.cli import lint_imports; "
    script += "sys.exit(lint_imports(no_cache=True))"
    return subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _copy_house(tmp_path_factory.mktemp("house"))


@pytest.mark.timeout(120)
def test_the_ladder_holds_as_it_is(house: Path) -> None:
    done = _lint(house)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", WRONG_ARROWS)
def test_a_wrong_arrow_is_refused(house: Path, name: str) -> None:
    path, line = WRONG_ARROWS[name]
    target = house / "src" / path
    before = target.read_text() if target.exists() else None
    made = not target.parent.exists()
    target.parent.mkdir(exist_ok=True)
    target.write_text((before or "") + "\n" + line)
    try:
        done = _lint(house)
    finally:
        if before is None:
            target.unlink()
        else:
            target.write_text(before)
        if made:
            shutil.rmtree(target.parent)
    assert done.returncode == 1, f"{name} was not refused:\n{done.stdout}"
    assert "BROKEN" in done.stdout or "Missing layer" in done.stdout or "exhaustive" in done.stdout.lower(), done.stdout
