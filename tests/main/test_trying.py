"""`blubees try`: the value with its type, errors that point at the column, and a loop that completes."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from rich.console import Console

from blubees.main.trying import Bench, ScopeCompleter, read_json, set_out, try_in_loop
from blubees.model.errors import InputError
from blubees.model.flow import TriggerKind

DATA = {"issue": {"key": "AB-1", "fields": {"summary": "Hello World", "created": "2026-01-02T03:04:05.000+0000"}}}


@pytest.fixture
def bench() -> Bench:
    return Bench(Console(file=io.StringIO(), soft_wrap=True), scope=set_out(DATA, None))


def said(bench: Bench) -> str:
    assert isinstance(bench.console.file, io.StringIO)
    return bench.console.file.getvalue()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{issue.summary.left(5)}}!", "Hello!"),
        ("issue.key", "AB-1"),
        ("webhookData.issue.key", "AB-1"),
        ("issue.summary.length()", "11"),
        ("issue.missing", "null"),
        ("a{{issue.missing}}b", "ab"),
        ("issue.created.toDate().plusDays(1)", "2026-01-03T03:04:05.0+0000"),
    ],
)
def test_a_text_is_worked_out(bench: Bench, text: str, expected: str) -> None:
    assert bench.work_out(text)
    assert said(bench) == expected + "\n"


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("ab {{issue.summary.lft(2)}}", 20, "left()"),
        ("issue.summary.lft(2)", 15, "left()"),
        ('{{issue.summary.left("q")}}', 17, "not what the function takes"),
        ("{{issue", 1, "not closed"),
        ('{{issue.created.format("bbb")}}', 17, "DateTimeFormatter"),
    ],
)
def test_an_error_points_at_its_column(bench: Bench, text: str, column: int, words: str) -> None:
    assert not bench.work_out(text)
    line, pointer, message = said(bench).splitlines()
    assert (line, pointer) == (text, " " * (column - 1) + "^")
    assert f"column {column}" in message
    assert words in message


@pytest.mark.parametrize(("text", "near"), [("isue.key", "issue"), ("{{isue.key}}", "issue"), ("issue.no", ""), ("zzz", "")])
def test_the_nearest_first_name_is_told(bench: Bench, text: str, near: str) -> None:
    assert bench.hint(text) == (f"Nothing is called isue here. Did you mean {near}?" if near else "")


def test_an_error_in_what_is_named_points_at_its_column_too(bench: Bench) -> None:
    assert not bench.name("n issue.summary.lft(2)")
    assert said(bench).splitlines()[1] == " " * 14 + "^"


def test_the_data_is_set_out_as_a_trigger_does() -> None:
    event = {"eventType": "avi:jira:created:issue", "issue": {"key": "A-1"}, "atlassianId": "me"}
    scope = set_out(event, TriggerKind.ISSUE_CREATED)
    assert (scope["triggerIssue"], scope["initiator"]) == ({"key": "A-1"}, {"accountId": "me"})
    assert "webhookData" not in scope


def test_data_that_can_not_be_read_is_told_without_a_word_of_it(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"secret-canary": tru}')
    for path, words in ((tmp_path / "none.json", "can't be read"), (tmp_path / "bad.json", "line 1, column 19")):
        with pytest.raises(InputError, match=words) as caught:
            read_json(str(path))
        assert "canary" not in str(caught.value)


def test_the_loop_names_values_and_goes_on_after_an_error(bench: Bench) -> None:
    lines = [
        ":set n issue.key.length()",
        "n.plus(1)",
        "issue.nope(",
        ":what",
        ":data /nowhere",
        ":names",
        ":help",
        ":quit",
        "n",
    ]
    with create_pipe_input() as keys:
        keys.send_text("".join(f"{line}\r" for line in lines))
        try_in_loop(bench, PromptSession(input=keys, output=DummyOutput()))
    text = said(bench)
    assert text.startswith("5\n")
    for words in ("issue.nope(", ":what is no command", "/nowhere: can't be read", "n: number", "Tab completes"):
        assert words in text
    assert not text.endswith("4\n"), "it ended at :quit"


def test_names_are_completed_in_the_loop(bench: Bench) -> None:
    completer = ScopeCompleter(bench)

    def offer(text: str) -> list[str]:
        return [each.text for each in completer.get_completions(Document(text), CompleteEvent())]

    assert offer("issue.sum") == ["summary"]
    assert offer(":set x issue.sum") == ["summary"]
    assert offer(":da") == []


def test_the_command_gives_a_code_and_json(tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text(json.dumps(DATA))
    command = [
        sys.executable,
        "-c",
        "from blubees.main.cli import main; main()",
        "try",
        "--data",
        str(tmp_path / "d.json"),
        "--json",
    ]
    ran = subprocess.run(command, input="issue.key\n{{issue.x(}}\n", capture_output=True, text=True, check=False)
    good, bad = map(json.loads, ran.stdout.splitlines())
    assert good == {"type": "text", "value": "AB-1"}
    assert (bad["line"], ran.returncode) == (1, 1)
