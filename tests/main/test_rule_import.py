"""`blubees import jira-rules`, as it is typed: the files, what is drawn, the exit codes. Offline."""

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from rich.console import Console

from blubees.main.rule_import import list_connections, tell_report, translate_file, write_files
from blubees.model.errors import InputError
from flows.jira_rules.examples import COMMENT, CREATED, component, rule

COMMAND = [sys.executable, "-c", "from blubees.main.cli import main; main()"]
CALL = {
    "url": "https://api.example.com/a",
    "headers": [{"name": "X-Key", "value": "plainvalue"}],
    "method": "GET",
    "contentType": "empty",
}
GOOD = rule(CREATED, COMMENT, component("ACTION", "jira.issue.outgoing.webhook", CALL), name="Good [bold]one")
HELD = rule(CREATED, component("ACTION", "jira.rovo.agent", {}), COMMENT, name="Held one", state="DISABLED")


def blubees(*arguments: str, cwd: Path) -> tuple[int, str, str]:
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"COLUMNS": "160"},
    )
    return done.returncode, done.stdout, done.stderr


def test_the_command_writes_flows_that_pass_the_check_and_a_report(tmp_path: Path) -> None:
    (tmp_path / "export.json").write_bytes(orjson.dumps({"cloud": True, "rules": [GOOD, HELD]}))
    code, said, _ = blubees("import", "jira-rules", "export.json", "--out", "flows", cwd=tmp_path)
    assert code == 1, "something was not translatable"
    for words in (
        "Good [bold]one",
        "held-one",
        "not translatable",
        "connection add api-example-com",
        "--parameter X-Key",
        "2 flows",
    ):
        assert words in " ".join(said.split())
    assert sorted(path.name for path in (tmp_path / "flows").iterdir()) == [
        "good-bold-one.yaml",
        "held-one.yaml",
        "report.json",
    ]
    code, said, _ = blubees("flow", "check", "flows/good-bold-one.yaml", "flows/held-one.yaml", cwd=tmp_path)
    assert code == 0
    assert "stands in the way of publishing" in said
    (tmp_path / "good.json").write_bytes(orjson.dumps({"rule": GOOD, "connections": []}))
    code, said, _ = blubees("import", "jira-rules", "good.json", "--out", "more", "--json", cwd=tmp_path)
    assert code == 0
    assert orjson.loads(said)["rules"][0]["flows"][0]["id"] == "good-bold-one"
    assert "plainvalue" not in said + "".join(path.read_text() for path in tmp_path.glob("*/*"))


def test_files_that_hold_something_else_are_not_written_over(tmp_path: Path) -> None:
    file, folder = tmp_path / "export.json", tmp_path / "flows"
    file.write_bytes(orjson.dumps(GOOD))
    report = translate_file(file, lambda _done, _all: None)
    write_files(report, folder, replace=False)
    write_files(report, folder, replace=False)  # the same again changes nothing
    (folder / "good-bold-one.yaml").write_text("mine")
    with pytest.raises(InputError) as caught:
        write_files(report, folder, replace=False)
    assert caught.value.problems == ("good-bold-one.yaml",)
    assert (folder / "good-bold-one.yaml").read_text() == "mine"
    write_files(report, folder, replace=True)
    assert (folder / "good-bold-one.yaml").read_text() == report.rules[0].flows[0].text


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"rules": []}'])
def test_what_is_no_export_is_told_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "export.json"
    file.write_bytes(content)
    with pytest.raises(InputError):
        translate_file(file, lambda _done, _all: None)
    with pytest.raises(InputError):
        translate_file(tmp_path / "none.json", lambda _done, _all: None)


def test_progress_is_told_for_each_rule_and_connections_name_their_rules(tmp_path: Path) -> None:
    file = tmp_path / "export.json"
    file.write_bytes(orjson.dumps([GOOD, HELD, {**GOOD, "name": "Third"}]))
    told: list[tuple[int, int]] = []
    report = translate_file(file, lambda done, every: told.append((done, every)))
    assert told == [(1, 3), (2, 3), (3, 3)]
    (connection,) = list_connections(report)
    assert connection.used_by == ("Good [bold]one", "Third")
    console = Console(width=200, record=True, file=(tmp_path / "drawn").open("w"))
    tell_report(report, tmp_path, console)
    console.file.close()
    drawn = console.export_text()
    assert "Good [bold]one" in drawn
    assert "components[0]" in drawn
