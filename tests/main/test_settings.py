"""Settings say what is wrong with them."""

from pathlib import Path

import pytest

from blubees.main.settings import read_settings
from fakes.tls_front import make_tls_files


def test_a_file_of_authorities_must_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = make_tls_files(tmp_path)
    other = tmp_path / "other.pem"
    other.write_text("no certificate")
    monkeypatch.setenv("BLUBEES_EXTRA_CA_FILE", str(files.authority))
    assert read_settings(tmp_path).extra_ca_file == str(files.authority)
    for wrong in (other, tmp_path / "none.pem", tmp_path):
        monkeypatch.setenv("BLUBEES_EXTRA_CA_FILE", str(wrong))
        with pytest.raises(ValueError, match=r"BLUBEES_EXTRA_CA_FILE: .* is not one of certificates"):
            read_settings(tmp_path)
