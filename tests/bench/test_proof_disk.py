"""Where the proof's product writes: a project that its image would hide is refused before anything is mounted."""

import os
from pathlib import Path

import pytest

from proof_disk import own_mounts


def test_a_project_beneath_tmp_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(SystemExit, match="Copy it elsewhere"):
        own_mounts(Path("/tmp/clone"))  # noqa: S108 - it is refused
